//! SOCKS sessions: a machine for the conversation, a dial, a relay, and a deadline for each.
//!
//! A session belongs to a connection of the front's. It is served whenever that connection or its counterpart
//! behind the egress may have changed, or its deadline has passed.
//!
//! ```text
//! Talking  ─► Judging    : the password has to be judged by somebody who takes his time
//! Judging  ─► Talking    : it has been, or its time is over
//! Talking  ─► Dialing    : the request is complete and goes to the egress
//! Dialing  ─► Talking    : the egress has answered, or its time is over, and the machine replies
//! Talking  ─► Relaying   : the reply that grants is sent
//! Talking  ─► Associated : a port for the client's datagrams is open
//! ```
//!
//! From each of them a session can end; its report says why.
//!
//! ```
//! use sockhop_hosted::egress::memory::Memory;
//! use sockhop_hosted::proxy::{Config, Proxy};
//!
//! // Targets in memory, as simulations have them; `egress::Host` has sockets.
//! let mut config = Config::default();
//! config.users.add("ann", "secret");
//! let mut proxy = Proxy::new(config, Memory::new(1_000, true));
//! // Its owner tells it of connections: `opened`, `ready`, and `work` once in each round.
//! assert!(proxy.is_empty() && proxy.poll_at().is_none());
//! assert!(proxy.next_report().is_none());
//! ```

mod association;
mod meters;
mod report;
mod session;
mod sources;
mod survey;

pub use meters::Counted;
pub use report::{End, Report};
pub use sources::{Ledger, Limits};

use crate::egress::{Egress, Event, Failure};
use crate::engine::{Datagram, FlowId, Timers};
use crate::front::Front;
use crate::users::{Judge, Users};
use association::Association;
use core::net::SocketAddr;
use core::time::Duration;
use meters::Meters;
use session::{Next, Session};
use slab::Slab;
use sockhop::socks5::Refusal;
use sockhop::time::{Instant, Reason};
use std::collections::{HashMap, VecDeque};

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Greeting, login and request, as a whole.
    pub handshake: Duration,
    /// A connection to the target, its name's resolution included.
    pub connect: Duration,
    /// The remaining direction after a half-close, without an octet.
    pub half_close: Duration,
    /// Both directions, without an octet.
    pub idle: Duration,
    /// The peer of a BIND.
    pub bind: Duration,
    /// An association, without a datagram.
    pub datagrams: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(15),
            connect: Duration::from_secs(30),
            half_close: Duration::from_secs(60),
            idle: Duration::from_secs(300),
            bind: Duration::from_secs(120),
            datagrams: Duration::from_secs(120),
        }
    }
}

impl Deadlines {
    const fn of(&self, reason: Reason) -> Duration {
        match reason {
            Reason::Connect | Reason::Answer | Reason::Resolve => self.connect,
            Reason::HalfClose => self.half_close,
            Reason::Idle => self.idle,
            Reason::Datagrams => self.datagrams,
            Reason::Bind => self.bind,
            _ => self.handshake,
        }
    }
}

/// What a proxy is told once.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Who may come in; when there is nobody, nobody is asked for a password.
    pub users: Users,
    /// How long each thing may take.
    pub deadlines: Deadlines,
    /// What one source may take.
    pub limits: Limits,
    /// Whether nobody is told the address of a name or the name of an address, but connects.
    pub no_look_ups: bool,
}

/// The sessions, and the way out they share.
#[derive(Debug)]
pub struct Proxy<E: Egress> {
    config: Config,
    egress: E,
    judge: Option<Judge>,
    sessions: Slab<Session<E::Stream>>,
    by_flow: HashMap<FlowId, usize>,
    by_port: HashMap<SocketAddr, usize>,
    timers: Timers,
    sources: Ledger,
    reports: VecDeque<Report>,
    meters: Meters,
}

impl<E: Egress> Proxy<E> {
    /// Returns a proxy without sessions.
    pub fn new(config: Config, egress: E) -> Self {
        Self {
            config,
            egress,
            judge: None,
            sessions: Slab::new(),
            by_flow: HashMap::new(),
            by_port: HashMap::new(),
            timers: Timers::default(),
            sources: Ledger::default(),
            reports: VecDeque::new(),
            meters: Meters::default(),
        }
    }

    /// Has passwords judged off this thread; without a judge, one that needs him is wrong.
    pub fn judged_by(mut self, judge: Judge) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Counts what each source takes together with the proxies that have the same ledger.
    pub fn counting_in(mut self, ledger: Ledger) -> Self {
        self.sources = ledger;
        self
    }

    /// Takes other users, rules of time and shares; sessions that stand go on.
    pub fn reconfigure(&mut self, config: Config) {
        self.config = config;
    }

    /// Returns the way out.
    pub const fn egress(&mut self) -> &mut E {
        &mut self.egress
    }

    /// Returns how many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Returns how many sessions were refused because their source had enough.
    pub fn limited(&self) -> u64 {
        self.sources.refused()
    }

    /// Returns what was counted of sessions that have ended.
    pub const fn counted(&self) -> &Counted {
        &self.meters.counted
    }

    /// Returns what is to be said of a session that has ended.
    pub fn next_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Returns when [`work`](Self::work) has to be called next, if nothing comes before.
    pub fn poll_at(&self) -> Option<Instant> {
        [self.timers.next(), self.egress.poll_at()].into_iter().flatten().min()
    }

    /// Begins a session on a connection that has been opened to the proxy.
    pub fn opened<F: Front>(&mut self, now: Instant, front: &mut F, flow: FlowId, client: SocketAddr) {
        let over = self.sources.enter(client.ip(), now, self.config.limits);
        let key = self.sessions.insert(Session::new(now, flow, client, self.config.users.login(), over));
        self.by_flow.insert(flow, key);
        self.serve(now, front, key);
    }

    /// Serves the session of a connection that may have changed; one that is no client's is the egress's.
    pub fn ready<F: Front>(&mut self, now: Instant, front: &mut F, flow: FlowId) {
        match self.by_flow.get(&flow).copied() {
            Some(key) => self.serve(now, front, key),
            None => self.egress.touched(flow),
        }
    }

    /// Serves the sessions that the egress has something for, and those whose deadline has passed.
    pub fn work<F: Front>(&mut self, now: Instant, front: &mut F) {
        while let Some(datagram) = front.next_datagram() {
            self.take(now, datagram);
        }
        while let Some((key, serial, right)) = self.judge.as_ref().and_then(Judge::answer) {
            let asked = self.sessions.get_mut(key).filter(|session| session.flow.serial() == serial);
            if let Some(session) = asked {
                session.judged(now, front.recorder(), right);
                self.serve(now, front, key);
            }
        }
        while let Some(event) = self.next(now, front) {
            let key = event.key();
            match event {
                Event::Datagram { from, payload, .. } => {
                    self.give(now, front, key, from, &payload);
                    continue;
                }
                Event::Associated { outcome, .. } => self.associated(now, front, key, outcome),
                Event::Ready { .. }
                | Event::Dialed { .. }
                | Event::Bound { .. }
                | Event::Accepted { .. }
                | Event::Resolved { .. }
                | Event::Lost { .. } => {
                    if let Some(session) = self.sessions.get_mut(key) {
                        session.hear(now, front, event);
                    }
                }
            }
            self.serve(now, front, key);
        }
        self.expire(now, front);
        // What sessions that have just ended had on the stack is gone before the next packet is looked at.
        if let Some(stack) = front.stack() {
            self.egress.work(stack, now);
        }
    }

    /// Serves the sessions whose deadline has passed.
    fn expire<F: Front>(&mut self, now: Instant, front: &mut F) {
        while let Some(key) = self
            .timers
            .due(now, self.sessions.len(), |key| self.sessions.get(key).and_then(|session| session.timer))
        {
            let session = &mut self.sessions[key];
            session.timer = None;
            if session.is_due(now, &self.config.deadlines) && session.expire(front) {
                self.egress.cancel(key);
            }
            self.serve(now, front, key);
        }
    }

    /// Returns what the egress has next, once it has done what it has to do on the front's stack.
    fn next<F: Front>(&mut self, now: Instant, front: &mut F) -> Option<Event<E::Stream>> {
        if let Some(stack) = front.stack() {
            self.egress.work(stack, now);
        }
        let event = self.egress.next(now);
        if let Some(Event::Dialed { key, .. }) = &event {
            self.meters.answered(*key, now);
        }
        event
    }

    /// Opens a port for the datagrams of a client, now that the egress is ready for them or has refused them.
    fn associated<F: Front>(
        &mut self,
        now: Instant,
        front: &mut F,
        key: usize,
        outcome: Result<(), Failure>,
    ) {
        let Some(session) = self.sessions.get_mut(key).filter(|session| session.is_dialing()) else { return };
        let opened = outcome.and_then(|()| {
            let (local, client) = front.ends(session.flow).ok_or_else(no_port)?;
            let at = front.open_port(local.ip()).ok_or_else(no_port)?;
            Ok(Association::new(at, client, session.target().map_or(0, |target| target.port)))
        });
        if let Ok(association) = &opened {
            self.by_port.insert(association.at, key);
        }
        session.associated(now, front.recorder(), opened);
    }

    /// Passes a client's datagram on to its target; one for a port that is no client's is the egress's.
    fn take(&mut self, now: Instant, datagram: Datagram) {
        let Some(key) = self.by_port.get(&datagram.at).copied() else { return self.egress.arrived(datagram) };
        let Some(session) = self.sessions.get_mut(key) else { return };
        if let Some(taken) = session.association().and_then(|association| association.take(&datagram)) {
            self.egress.send(key, taken.target, taken.payload, now);
            session.passed(now);
        }
    }

    /// Passes a target's datagram on to the client.
    fn give<F: Front>(&mut self, now: Instant, front: &mut F, key: usize, from: SocketAddr, payload: &[u8]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.association().is_some_and(|association| association.give(front, from, payload)) {
            session.passed(now);
        }
    }

    /// Ends every session at once, as when the program is told to stop.
    pub fn shut<F: Front>(&mut self, now: Instant, front: &mut F) {
        let keys: Vec<usize> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.sessions[key].cut(front, End::Stopped);
            self.serve(now, front, key);
        }
    }

    fn serve<F: Front>(&mut self, now: Instant, front: &mut F, key: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        loop {
            match session.serve(now, front, &self.config) {
                Next::Wait => break,
                Next::Judge(hash, his) => {
                    let serial = session.flow.serial();
                    let (judge, password) = (self.judge.as_ref(), session.password());
                    if !judge.is_some_and(|judge| judge.ask((key, serial), password, (hash, his))) {
                        session.judged(now, front.recorder(), false);
                    }
                }
                Next::Dial => match session.target() {
                    Some(target) => {
                        self.meters.began(key, now);
                        self.egress.dial(key, session.user(), target, now);
                    }
                    None => session.refuse(Refusal::General),
                },
                Next::Bind => match session.target() {
                    Some(target) => self.egress.bind(key, session.user(), target, now),
                    None => session.refuse(Refusal::General),
                },
                Next::Resolve => match session.target() {
                    Some(target) => self.egress.resolve(key, session.user(), target, now),
                    None => session.refuse(Refusal::General),
                },
                Next::Reverse => match session.target() {
                    Some(target) => self.egress.reverse(key, session.user(), target, now),
                    None => session.refuse(Refusal::General),
                },
                Next::Associate => self.egress.associate(key, session.user(), now),
                Next::Over => {
                    let mut session = self.sessions.remove(key);
                    self.egress.cancel(key);
                    if let Some(association) = session.association() {
                        front.close_port(association.at);
                        self.by_port.remove(&association.at);
                    }
                    self.by_flow.remove(&session.flow);
                    self.sources.leave(session.client().ip(), self.config.limits);
                    front.release(session.flow);
                    let report = session.report(now);
                    self.meters.report(key, now, &report);
                    self.reports.push_back(report);
                    return;
                }
            }
        }
        let at = session.due_at(&self.config.deadlines);
        session.timer = self.timers.set(key, at, session.timer);
    }
}

fn no_port() -> Failure {
    Failure { refusal: Refusal::General, text: "the stack has no port left for datagrams".to_owned() }
}
