//! A plan carried out, and what is to be said of it.

use super::plan::{Closing, Host, Plan};
use crate::egress::memory::pattern;
use crate::engine::{Config, Engine, Event, FlowId};
use crate::lab::Tape;
use crate::link::{Link, Pipe};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use sockhop::relay::{Broken, Ring, Stream};
use sockhop::tcp::{Legality, Rules, State, Violation};
use sockhop::time::Instant;
use std::collections::HashMap;

/// TIME-WAIT in simulations.
const TWO_MSL: Duration = Duration::from_secs(60);

/// Without progress for so long after the link has healed, a connection is stuck.
const STUCK: Duration = Duration::from_secs(900);
/// What one simulation may last at most: an hour of retransmissions and slow readers.
const LONGEST: Duration = Duration::from_secs(20_000);

/// What a simulation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything holds.
    Good,
    /// Neither a timer nor a packet is left, and work is.
    Deadlock,
    /// Nothing has moved for 900 s since the link healed.
    Stuck,
    /// A clean end of stream came before the last octet: received, of so many.
    CutShort(u64, u64),
    /// A connection that had to end complete broke.
    Lost(Broken),
    /// An octet was not the one that was sent; its place.
    Corrupt(u64),
    /// A transition or segment that RFC 9293 forbids.
    Illegal(Violation),
    /// A packet is longer than the link takes.
    TooLong(usize),
    /// Connections, rings or records are left when everything is over.
    Leak(&'static str),
    /// smoltcp panicked.
    Panic,
}

impl Verdict {
    /// Returns whether everything holds.
    pub fn is_good(&self) -> bool {
        *self == Self::Good
    }

    /// Returns one word for the kind of it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Deadlock => "deadlock",
            Self::Stuck => "stuck",
            Self::CutShort(..) => "cut short",
            Self::Lost(_) => "lost",
            Self::Corrupt(_) => "corrupt",
            Self::Illegal(_) => "illegal",
            Self::TooLong(_) => "too long",
            Self::Leak(_) => "leak",
            Self::Panic => "panic",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort(heard, sent) => write!(f, "cut short: a clean end after {heard} of {sent} octets"),
            Self::Lost(how) => write!(f, "lost: {how}"),
            Self::Corrupt(at) => write!(f, "corrupt: octet {at} is another one than was sent"),
            Self::Illegal(violation) => write!(f, "illegal: {violation}"),
            Self::TooLong(length) => write!(f, "too long: a packet of {length} octets"),
            Self::Leak(what) => write!(f, "leak: {what}"),
            Self::Good | Self::Deadlock | Self::Stuck | Self::Panic => f.write_str(self.kind()),
        }
    }
}

/// What a simulation leaves.
#[derive(Debug)]
pub struct Outcome {
    /// What is to be said of it.
    pub verdict: Verdict,
    /// When the last octet and both ends of stream had arrived.
    pub completed: Option<Duration>,
    /// Packets that both ends sent.
    pub packets: u64,
    /// Things the guards did.
    pub guarded: u64,
    /// What A recorded.
    pub a: Tape,
    /// What B recorded.
    pub b: Tape,
}

/// One end's owner.
#[derive(Debug)]
struct Owner {
    host: Host,
    flow: Option<FlowId>,
    sent: u64,
    heard: u64,
    expects: u64,
    next_read: Instant,
    closed: bool,
    ended: bool,
    broken: Option<Broken>,
    corrupt: Option<u64>,
    gone: bool,
}

impl Owner {
    const fn new(host: Host, expects: u64) -> Self {
        Self {
            host,
            flow: None,
            sent: 0,
            heard: 0,
            expects,
            next_read: Instant::ZERO,
            closed: false,
            ended: false,
            broken: None,
            corrupt: None,
            gone: false,
        }
    }

    const fn is_done(&self) -> bool {
        self.gone || self.broken.is_some() || self.ended && self.closed
    }

    /// Writes, reads and closes what can be now; returns whether anything moved.
    fn serve(&mut self, engine: &mut Engine<Tape>, now: Instant) -> bool {
        let Some(flow) = self.flow.filter(|_| !self.is_done()) else { return false };
        let Some(mut socket) = engine.stream(flow) else {
            self.broken = Some(Broken::Reset);
            return true;
        };
        let mut moved = false;
        while self.sent < self.host.sends {
            let left = usize::try_from(self.host.sends - self.sent).unwrap_or(usize::MAX);
            let put = socket.with_space(|space| {
                let count = space.len().min(left);
                for (place, at) in space[..count].iter_mut().zip(self.sent..) {
                    *place = pattern(at);
                }
                (count, count)
            });
            match put {
                Ok(count) => {
                    self.sent += count as u64;
                    moved = true;
                }
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(how)) => {
                    self.broken = Some(how);
                    break;
                }
            }
        }
        moved |= self.read(&mut socket, now);
        let waits = self.host.closing == Closing::AfterPeer && !self.ended;
        if self.sent == self.host.sends && !self.closed && !waits {
            self.closed = true;
            socket.close();
            moved = true;
        }
        if self.is_done() {
            engine.release(flow);
        }
        moved
    }

    fn read(&mut self, socket: &mut sockhop::stack::Socket<'_, '_>, now: Instant) -> bool {
        let mut moved = false;
        while !self.ended && self.broken.is_none() && self.may_read(now) {
            let (most, mut heard, mut wrong) = (self.host.reads, self.heard, None);
            let lent = socket.with_received(|octets| {
                let count = octets.len().min(most);
                for octet in &octets[..count] {
                    if *octet != pattern(heard) {
                        wrong = wrong.or(Some(heard));
                    }
                    heard += 1;
                }
                (count, ())
            });
            self.corrupt = self.corrupt.or(wrong);
            match lent {
                Ok(Some(())) => {
                    self.heard = heard;
                    self.next_read = now + self.host.every;
                }
                Ok(None) => self.ended = true,
                Err(nb::Error::WouldBlock) => return moved,
                Err(nb::Error::Other(how)) => self.broken = Some(how),
            }
            moved = true;
        }
        moved
    }

    fn may_read(&self, now: Instant) -> bool {
        self.next_read <= now && self.pause(now).is_none()
    }

    fn pause(&self, now: Instant) -> Option<Instant> {
        let since = now.since(Instant::ZERO);
        let pause = self.host.pauses.iter().find(|(from, to)| *from <= since && since < *to);
        pause.map(|(_, to)| Instant::ZERO + *to)
    }

    /// Returns when the owner does something by itself.
    fn wakes(&self, now: Instant) -> Option<Instant> {
        if self.is_done() {
            return None;
        }
        let later = |at: &Instant| *at > now;
        let fault = |at: Option<Duration>| at.map(|at| Instant::ZERO + at);
        let times =
            [self.pause(now), Some(self.next_read), fault(self.host.aborts), fault(self.host.reboots)];
        times.into_iter().flatten().filter(later).min()
    }
}

/// Carries a plan out with these rules in the guards of A and B.
pub fn run(plan: &Plan, guards: (Rules, Rules)) -> Outcome {
    run_watched(plan, guards, |_, _, _, _| {})
}

/// Carries a plan out, and shows both engines and their connections after each packet.
pub fn run_watched(
    plan: &Plan,
    guards: (Rules, Rules),
    mut see: impl FnMut(&Engine<Tape>, Option<FlowId>, &Engine<Tape>, Option<FlowId>),
) -> Outcome {
    let mut world = World::new(plan, guards);
    let verdict = world.play(&mut see);
    let packets = world.link.there.counts().0 + world.link.back.counts().0;
    let guarded = world.link.a.counters().guarded + world.link.b.counters().guarded;
    let (a, b) = (
        core::mem::take(world.link.a.recorder().sink_mut()),
        core::mem::take(world.link.b.recorder().sink_mut()),
    );
    let mut outcome = Outcome { verdict, completed: world.completed, packets, guarded, a, b };
    if outcome.verdict.is_good() {
        for tape in [&outcome.a, &outcome.b] {
            if let Some(violation) = first_violation(tape) {
                outcome.verdict = Verdict::Illegal(violation);
                break;
            }
        }
    }
    outcome
}

struct World<'a> {
    plan: &'a Plan,
    guards: (Rules, Rules),
    link: Link<Tape>,
    a: Owner,
    b: Owner,
    completed: Option<Duration>,
}

fn address(six: bool, last: u8) -> IpAddr {
    if six {
        IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])
    } else {
        IpAddr::from([10, 0, 0, last])
    }
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan, guards: (Rules, Rules)) -> Self {
        let heals = Instant::ZERO + plan.heals;
        let there = Pipe::new(plan.there.clone(), plan.seed ^ 1).healing(heals);
        let back = Pipe::new(plan.back.clone(), plan.seed ^ 2).healing(heals);
        let link = Link::new(engine(plan, guards.0, true, 0), engine(plan, guards.1, false, 0), there, back);
        let (a, b) = (Owner::new(plan.a.clone(), plan.b.sends), Owner::new(plan.b.clone(), plan.a.sends));
        Self { plan, guards, link, a, b, completed: None }
    }

    fn open(&mut self) {
        let (here, there) = (
            SocketAddr::new(address(self.plan.six, 1), 5_000),
            SocketAddr::new(address(self.plan.six, 2), 80),
        );
        self.a.flow = self.link.a.connect(self.link.now(), here, there);
        if self.plan.both_open {
            self.b.flow = self.link.b.connect(self.link.now(), there, here);
        } else {
            self.link.b.listen(there, 1);
        }
    }

    fn play(
        &mut self,
        see: &mut impl FnMut(&Engine<Tape>, Option<FlowId>, &Engine<Tape>, Option<FlowId>),
    ) -> Verdict {
        self.open();
        let mut progress = Instant::ZERO;
        loop {
            let (ours, theirs) = (self.a.flow, self.b.flow);
            self.link.settle_watched(|a, b| see(a, ours, b, theirs));
            let now = self.link.now();
            if self.turn(now) {
                progress = now;
            }
            self.link.settle();
            if let Some(verdict) = self.failure() {
                return verdict;
            }
            let done = self.a.is_done() && self.b.is_done();
            if done && self.completed.is_none() {
                self.completed = Some(now.since(Instant::ZERO));
            }
            let wakes = [self.a.wakes(now), self.b.wakes(now)].into_iter().flatten().min();
            let next = [self.link.next(), wakes].into_iter().flatten().min();
            // What is left far away are timers of connections that are gone.
            if done && next.is_none_or(|next| next.since(now) >= LONGEST) {
                return self.leftovers();
            }
            let Some(next) = next.filter(|next| next.since(now) < LONGEST) else {
                return Verdict::Deadlock;
            };
            let since = progress.max(Instant::ZERO + self.plan.heals);
            if !done && next.since(since) > STUCK || next.since(Instant::ZERO) > 2 * LONGEST {
                return Verdict::Stuck;
            }
            self.link.advance(Some(next));
        }
    }

    /// Lets faults happen and both owners work; returns whether anything moved.
    fn turn(&mut self, now: Instant) -> bool {
        let mut moved = self.faults(now);
        while self.link.a.next_event().is_some() {}
        while let Some(event) = self.link.b.next_event() {
            if let Event::Opened { flow, .. } = event {
                if self.b.flow.is_none() {
                    self.b.flow = Some(flow);
                } else {
                    self.link.b.release(flow);
                }
                moved = true;
            }
        }
        moved |= self.a.serve(&mut self.link.a, now);
        moved |= self.b.serve(&mut self.link.b, now);
        if self.plan.profile.must_finish() {
            return moved;
        }
        // A listener that never hears of a connection its opener has given up has nothing to wait for.
        let alone = self.b.flow.is_none() && (self.a.is_done() || self.a.flow.is_none());
        if alone && self.link.b.load().half_open == 0 {
            self.b.gone = true;
        }
        moved
    }

    fn faults(&mut self, now: Instant) -> bool {
        let since = now.since(Instant::ZERO);
        let due = |at: &mut Option<Duration>| at.take_if(|at| *at <= since).is_some();
        let mut moved = false;
        for (owner, engine, opens) in
            [(&mut self.a, &mut self.link.a, true), (&mut self.b, &mut self.link.b, false)]
        {
            if due(&mut owner.host.aborts)
                && !owner.is_done()
                && let Some(flow) = owner.flow
            {
                if let Some(mut socket) = engine.stream(flow) {
                    socket.abort();
                }
                engine.release(flow);
                owner.gone = true;
                moved = true;
            }
            if due(&mut owner.host.reboots) {
                let guard = if opens { self.guards.0 } else { self.guards.1 };
                let mut fresh = self::engine(self.plan, guard, opens, 77);
                core::mem::swap(fresh.recorder().sink_mut(), engine.recorder().sink_mut());
                // What it recorded before is another life's; flows of both begin with number 1.
                fresh.recorder().sink_mut().0.clear();
                *engine = fresh;
                owner.gone = true;
                moved = true;
            }
        }
        moved
    }

    fn failure(&self) -> Option<Verdict> {
        let mtu = self.plan.mtu;
        let longest = self.link.there.longest().max(self.link.back.longest());
        if longest > mtu {
            return Some(Verdict::TooLong(longest));
        }
        if self.link.a.counters().panics + self.link.b.counters().panics > 0 {
            return Some(Verdict::Panic);
        }
        for owner in [&self.a, &self.b] {
            if let Some(at) = owner.corrupt {
                return Some(Verdict::Corrupt(at));
            }
            if owner.ended && owner.heard != owner.expects {
                return Some(Verdict::CutShort(owner.heard, owner.expects));
            }
            if let Some(how) = owner.broken.filter(|_| self.plan.profile.must_finish()) {
                return Some(Verdict::Lost(how));
            }
        }
        None
    }

    fn leftovers(&self) -> Verdict {
        for engine in [&self.link.a, &self.link.b] {
            let load = engine.load();
            if load.flows + load.half_open > 0 {
                return Verdict::Leak("a connection is left");
            }
            if load.rings + load.time_wait > 0 {
                return Verdict::Leak("a ring or a record is left");
            }
        }
        Verdict::Good
    }
}

fn engine(plan: &Plan, guard: Rules, opens: bool, life: u64) -> Engine<Tape> {
    let (host, last) = if opens { (&plan.a, 1) } else { (&plan.b, 2) };
    let seed = plan.seed.wrapping_mul(2).wrapping_add(u64::from(last)).wrapping_add(life);
    let prefix = if plan.six { 64 } else { 24 };
    let mut config = Config::new(vec![(address(plan.six, last), prefix)], plan.mtu, [seed, !seed]);
    config.guard = guard;
    config.offload = plan.offload;
    config.two_msl = TWO_MSL;
    // Every flush gives back what it may.
    config.quiet = Duration::ZERO;
    config.limits.ring = (host.ring, host.ring);
    if plan.profile.must_finish() {
        // Nothing is given up here: whatever does not get through is the stack's fault.
        let long = Duration::from_secs(100_000);
        config.limits.silence = long;
        config.limits.handshake = long;
        config.limits.connect = long;
        config.limits.linger = long;
    }
    Engine::new(config, Tape::default())
}

/// Returns the first event at an end that breaks a rule of RFC 9293, whichever connection it belongs to.
pub fn first_violation(tape: &Tape) -> Option<Violation> {
    violations(tape).next()
}

/// Returns every event at an end that breaks a rule of RFC 9293.
pub fn violations(tape: &Tape) -> impl Iterator<Item = Violation> + '_ {
    let mut connections = HashMap::new();
    tape.0.iter().filter(|event| event.flow() != 0).filter_map(move |event| {
        let legality = connections.entry(event.flow()).or_insert_with(|| Legality::new(TWO_MSL));
        legality.see(event)
    })
}

/// Returns the states a connection went through at an end.
pub fn path(tape: &Tape) -> Vec<State> {
    let to = |event: &sockhop::trace::Event| match event.view() {
        Some(sockhop::trace::View::State { to, .. }) => Some(to),
        _ => None,
    };
    tape.0.iter().filter_map(to).collect()
}
