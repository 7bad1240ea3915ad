//! The loop that joins a TUN device, an engine and a proxy.
//!
//! Its invariant: between two rounds no packet that was read is unanswered, no session that could move stands
//! still, and the wait ends no later than the earliest deadline. A round:
//!
//! 1. waits for the TUN, a socket, the resolver, a signal, or the earliest deadline;
//! 2. takes at most 64 packets from the TUN into the engine;
//! 3. hands the engine's events to the proxy;
//! 4. lets the proxy take what its egress has, and its deadlines;
//! 5. flushes the engine onto the TUN.

use crate::control::{Desk, Plan};
use crate::egress::{self, Egress, Policy, Rule, Socket, Way};
use crate::engine::{self, Counters, Engine, Event, Load};
use crate::metrics::{Latency, Numbers, OfStack, Tally};
use crate::os::{Asked, Signals};
use crate::proxy::{self, Proxy, Report};
use crate::survey::Snapshot;
use crate::tun::{self, Tun};
use crate::upkeep::{Step, Upkeep};
use crate::users::Judge;
use core::net::SocketAddr;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use sockhop::time::Instant;
use sockhop::trace::{Sink, View};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

const TUN: Token = Token(0);
const SIGNAL: Token = Token(1);
const WAKER: Token = Token(2);
const SOCKETS: usize = 3;
/// The service of the clients' listeners; those of a BIND are the egress's.
const SOCKS: engine::Service = 1;

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// How often things happened in the engine.
    pub counters: Counters,
    /// What was left when it ended.
    pub load: Load,
    /// How long it ran.
    pub lasted: Duration,
    /// Octets carried from clients to targets and back.
    pub octets: (u64, u64),
    /// Sessions refused because their source had enough.
    pub limited: u64,
    /// Packets that the TUN did not take.
    pub dropped: u64,
}

/// What may change while it runs; sessions that stand go on.
#[derive(Debug)]
pub struct Reloaded {
    /// Users, deadlines and shares.
    pub config: proxy::Config,
    /// Who may go where.
    pub rules: Vec<Rule>,
}

/// A TUN device with a SOCKS proxy behind it.
#[derive(Debug)]
pub struct Runtime<S: Sink> {
    poll: Poll,
    tun: Tun,
    engine: Engine<Tally<S>>,
    proxy: Proxy<Box<dyn Egress<Stream = Socket>>>,
    signals: Signals,
    waker: Arc<Waker>,
    desk: Option<Desk>,
    began: std::time::Instant,
    octets: (u64, u64),
    listeners: Vec<SocketAddr>,
    resolving: Arc<Latency>,
    upkeep: Upkeep,
}

impl<S: Sink> Runtime<S> {
    /// Returns a runtime that serves SOCKS at each of `listeners` and goes out by `way`.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new(
        tun: Tun,
        mut engine: Engine<Tally<S>>,
        listeners: &[SocketAddr],
        config: proxy::Config,
        policy: Policy,
        way: Way,
    ) -> io::Result<Self> {
        let signals = Signals::new()?;
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&tun.as_raw_fd()), TUN, Interest::READABLE)?;
        registry.register(&mut SourceFd(&signals.as_raw_fd()), SIGNAL, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        let resolving = Arc::new(Latency::default());
        let egress = egress::through(
            registry.try_clone()?,
            SOCKETS,
            policy,
            Arc::clone(&waker),
            way,
            Arc::clone(&resolving),
        )?;
        for listener in listeners {
            engine.listen(*listener, SOCKS);
        }
        let proxy = Proxy::new(config, egress).judged_by(Judge::new(Arc::clone(&waker))?);
        let began = std::time::Instant::now();
        Ok(Self {
            poll,
            tun,
            engine,
            proxy,
            signals,
            waker,
            desk: None,
            began,
            octets: (0, 0),
            listeners: listeners.to_vec(),
            resolving,
            upkeep: Upkeep::default(),
        })
    }

    /// Does this beside serving.
    pub fn keeping(mut self, upkeep: Upkeep) -> Self {
        if let Some(board) = upkeep.board() {
            board.rouse_by(Arc::clone(&self.waker));
        }
        self.upkeep = upkeep;
        self
    }

    /// Has it asked what it does, as the plan says.
    ///
    /// # Errors
    /// The host's, when it has no descriptors or threads left.
    pub fn asked_by(mut self, plan: Plan) -> io::Result<Self> {
        self.desk = Some(Desk::open(plan, Arc::clone(&self.waker))?);
        Ok(self)
    }

    /// Serves until a signal comes, then lets connections close, and returns what it came to, and the sink.
    ///
    /// `tell` is called with each session that has ended and may look at the sink after each round; `reload` on SIGHUP,
    /// which without it asks to stop.
    ///
    /// # Errors
    /// The host's, when waiting or reading from the TUN fails.
    pub fn run(
        mut self,
        mut tell: impl FnMut(Option<&Report>, &mut S),
        mut reload: Option<impl FnMut() -> Option<Reloaded>>,
    ) -> io::Result<(Summary, S)> {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let unix = u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX);
        let now = self.now();
        self.engine.recorder().record(now, 0, View::Clock { unix });
        let mut events = Events::with_capacity(1_024);
        let mut packet = vec![0; tun::LONGEST];
        let mut more = true;
        self.upkeep.ready();
        loop {
            let wait = if more { Some(Duration::ZERO) } else { self.wait() };
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
            let now = self.now();
            for event in &events {
                if event.token().0 >= SOCKETS {
                    self.proxy.egress().ready(event.token());
                }
                more |= event.token() == TUN;
            }
            if more {
                more = self.tun.receive(now, &mut self.engine, &mut packet)?;
            }
            self.turn(now);
            while let Some(report) = self.proxy.next_report() {
                self.octets.0 += report.octets.0;
                self.octets.1 += report.octets.1;
                tell(Some(&report), self.engine.recorder().sink_mut().inner_mut());
            }
            tell(None, self.engine.recorder().sink_mut().inner_mut());
            self.upkeep.beat(now);
            self.post();
            self.show();
            let asked = match self.signals.take() {
                Some(Asked::Reload) if reload.is_some() => {
                    self.reload(reload.as_mut().and_then(|reload| reload()));
                    None
                }
                // With nothing to read again, a hangup is what it is to any program.
                Some(Asked::Reload) => Some(Asked::Stop),
                asked => asked,
            };
            if !self.go_on(asked, now) {
                return Ok((self.summary(), self.engine.into_sink().into_inner()));
            }
        }
    }

    /// Takes other settings, if they could be read; what cannot be read changes nothing.
    fn reload(&mut self, reloaded: Option<Reloaded>) {
        self.upkeep.reloading();
        if let Some(Reloaded { config, rules }) = reloaded {
            self.proxy.reconfigure(config);
            self.proxy.egress().reconfigure(rules);
        }
        self.upkeep.ready();
    }

    /// Does what the end needs, if it has come; returns whether there is a next round.
    fn go_on(&mut self, asked: Option<Asked>, now: Instant) -> bool {
        let (sessions, connections) = (self.proxy.len(), self.engine.load().flows);
        let step = self.upkeep.step(asked, now, sessions, connections);
        if matches!(step, Step::Refuse | Step::Shut) {
            for listener in self.listeners.drain(..) {
                self.engine.unlisten(listener);
            }
        }
        if step == Step::Shut {
            self.proxy.shut(now, &mut self.engine);
            self.turn(now);
            // Without a connection left there is nothing that would wake the next round.
            return self.engine.load().flows > 0;
        }
        step != Step::End
    }

    /// Posts the numbers, if somebody waits for them.
    fn post(&mut self) {
        let Some(board) = self.upkeep.wanted().cloned() else { return };
        let (counters, load, states) = (self.engine.counters(), self.engine.load(), self.engine.states());
        let (tally, dropped) = (self.engine.sink().counts().cloned(), self.tun.dropped());
        board.post(Numbers {
            uptime: self.began.elapsed(),
            draining: self.upkeep.is_ending(),
            sessions: self.proxy.len(),
            limited: self.proxy.limited(),
            counted: self.proxy.counted().clone(),
            resolving: Latency::clone(&self.resolving),
            clients: None,
            stack: tally.map(|tally| OfStack { counters, load, states, tally, dropped }),
        });
    }

    /// Returns how long nothing can happen by itself.
    fn wait(&self) -> Option<Duration> {
        let next = [self.engine.poll_at(), self.proxy.poll_at(), self.upkeep.poll_at()]
            .into_iter()
            .flatten()
            .min()?;
        // epoll counts in milliseconds: rounded down, the loop would spin through the last of them.
        Some(Duration::from_millis(
            u64::try_from(next.since(self.now()).as_micros().div_ceil(1_000)).unwrap_or(0),
        ))
    }

    /// Shows everything as it stands, if somebody has asked.
    fn show(&mut self) {
        let Some(desk) = self.desk.as_ref().filter(|desk| desk.is_asked()) else { return };
        let (began, now) = (std::time::Instant::now(), self.now());
        let (node, octets, dropped) = (desk.node().clone(), self.octets, self.tun.dropped());
        let mut snapshot = Snapshot { node, octets, dropped, ..Snapshot::default() };
        self.engine.survey(now, &mut snapshot);
        self.proxy.survey(now, &mut snapshot);
        desk.answer(snapshot, began.elapsed());
    }

    /// Does steps 3 to 5 of a round.
    fn turn(&mut self, now: Instant) {
        while let Some(event) = self.engine.next_event() {
            match event {
                Event::Opened { flow, service: SOCKS, remote, .. } => {
                    self.proxy.opened(now, &mut self.engine, flow, remote);
                }
                Event::Opened { flow, local, remote, .. } => self.proxy.egress().came(flow, local, remote),
                Event::Ready(flow) => self.proxy.ready(now, &mut self.engine, flow),
            }
        }
        self.proxy.work(now, &mut self.engine);
        self.engine.flush(now, &mut self.tun);
    }

    fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn summary(&self) -> Summary {
        Summary {
            counters: self.engine.counters(),
            load: self.engine.load(),
            lasted: self.began.elapsed(),
            octets: self.octets,
            limited: self.proxy.limited(),
            dropped: self.tun.dropped(),
        }
    }
}
