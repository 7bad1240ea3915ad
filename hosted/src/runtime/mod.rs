//! Joins a TUN device, engines and proxies: a worker for each queue of the device, each with a thread, an engine and a
//! proxy of its own.
//!
//! A worker's invariant: between two rounds no packet that was read is unanswered, no session that could move stands
//! still, and the wait ends no later than the earliest deadline. A round:
//!
//! 1. waits for the TUN, a socket, the resolver, a signal, another worker, or the earliest deadline;
//! 2. takes at most 64 packets from the TUN into the engine, and as many that others have taken for it;
//! 3. hands the engine's events to the proxy;
//! 4. lets the proxy take what its egress has, and its deadlines;
//! 5. flushes the engine onto the TUN.
//!
//! The example is `tun-demo socks5`: what a loop like this one needs is made in `tun-demo/src/socks5.rs`.
//!
//! The first worker runs on the thread that was there. It takes the signals and what else is asked of the whole, and
//! gives the others their orders. When it is alone, nothing is shared and nothing is locked.
//!
//! ```text
//!  queue 0 ══ worker 0: engine, proxy ◄── signals, service manager
//!                │   ▲ ▲
//!         orders │   │ │ strays
//!                ▼   │ ▼
//!  queue 1 ══ worker 1: engine, proxy        each ──► board, desk, sink: added up there
//! ```

mod crew;
mod exchange;
mod rounds;
mod worker;

use crate::control::{Desk, Plan};
use crate::egress::{Policy, Rule, Way};
use crate::engine::{self, Counters, Engine, Load};
use crate::metrics::Tally;
use crate::os::{Asked, Signals};
use crate::proxy::{self, Ledger, Report};
use crate::tun::Tun;
use crate::upkeep::{Step, Upkeep};
use core::net::SocketAddr;
use core::time::Duration;
use crew::{Crew, Order};
use exchange::Exchange;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use rounds::Rounds;
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use worker::Worker;

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

impl Summary {
    /// Returns this and another worker's together.
    fn and(mut self, other: &Self) -> Self {
        self.counters += other.counters;
        self.load += other.load;
        self.octets = (self.octets.0 + other.octets.0, self.octets.1 + other.octets.1);
        self.limited += other.limited;
        self.dropped += other.dropped;
        self
    }
}

/// What may change while it runs; sessions that stand go on.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Users, deadlines and shares.
    pub config: proxy::Config,
    /// Who may go where.
    pub rules: Vec<Rule>,
}

/// What a worker lets whoever looks at its sink know.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// A session has ended.
    Ended(&'a Report),
    /// A round has ended, and no worker will record an event any more that happened before this.
    Round(Instant),
}

/// What every worker serves, and how.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Where clients come to.
    pub listeners: Vec<SocketAddr>,
    /// Users, deadlines and shares.
    pub config: proxy::Config,
    /// Who may go where.
    pub policy: Policy,
    /// The way out.
    pub way: Way,
    /// When the clock of the events begins.
    pub began: std::time::Instant,
}

/// A TUN device with a SOCKS proxy behind it.
#[derive(Debug)]
pub struct Runtime<S: Sink> {
    first: Worker<S>,
    others: Vec<Worker<S>>,
    signals: Signals,
    desk: Option<Desk>,
    upkeep: Upkeep,
}

impl<S: Sink + Send> Runtime<S> {
    /// Returns a runtime with a worker for each queue of a device and the engine beside it, of which there is one at
    /// least.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new(queues: Vec<(Tun, Engine<Tally<S>>)>, serving: &Serving) -> io::Result<Self> {
        // Threads that are started from here on inherit that the signals are blocked.
        let signals = Signals::new()?;
        let of = queues.len();
        let seats = queues.into_iter().zip(Ledger::several(of));
        let workers = seats.map(|(queue, ledger)| Worker::new(queue, serving, ledger, of));
        let mut workers = workers.collect::<io::Result<Vec<_>>>()?;
        if of > 1 {
            let wakers: Vec<_> = workers.iter().map(|worker| Arc::clone(worker.waker())).collect();
            let places = Exchange::among(&wakers).into_iter().zip(Rounds::several(of));
            for (worker, (exchange, rounds)) in workers.iter_mut().zip(places) {
                worker.join(exchange, rounds);
            }
        }
        let mut workers = workers.into_iter();
        let first = workers.next().ok_or_else(|| io::Error::other("the device has no queue"))?;
        let mut signal = SourceFd(&signals.as_raw_fd());
        first.registry().register(&mut signal, SIGNAL, Interest::READABLE)?;
        let (others, upkeep) = (workers.collect(), Upkeep::default());
        Ok(Self { first, others, signals, desk: None, upkeep })
    }

    fn workers(&mut self) -> impl Iterator<Item = &mut Worker<S>> {
        core::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// Does this beside serving.
    pub fn keeping(mut self, upkeep: Upkeep) -> Self {
        if let Some(board) = upkeep.board() {
            for (place, worker) in self.workers().enumerate() {
                worker.post_on(board.at(place));
            }
        }
        self.upkeep = upkeep;
        self
    }

    /// Has it asked what it does, as the plan says.
    ///
    /// # Errors
    /// The host's, when it has no descriptors or threads left.
    pub fn asked_by(mut self, plan: Plan) -> io::Result<Self> {
        let wakers = self.workers().map(|worker| Arc::clone(worker.waker())).collect();
        let desk = Desk::open(plan, wakers)?;
        for (place, worker) in self.workers().enumerate() {
            worker.answer_by(desk.clerk(place));
        }
        self.desk = Some(desk);
        Ok(self)
    }

    /// Serves until a signal comes, then lets connections close, and returns what it came to, and the sinks.
    ///
    /// `teller` makes what each worker calls with each session that has ended, and after each round, to look at its sink;
    /// `reload` is called on SIGHUP, which without it asks to stop.
    ///
    /// # Errors
    /// The host's, when waiting or reading from the TUN fails; and that a worker has panicked, whose name and last words
    /// it says. Every worker has ended by then, and the device and all sockets are gone.
    pub fn run<T: FnMut(Told<'_>, &mut S) + Send>(
        self,
        teller: impl Fn() -> T,
        reload: Option<impl FnMut() -> Option<Reloaded>>,
    ) -> io::Result<(Summary, Vec<S>)> {
        let Self { mut first, others, signals, desk, upkeep } = self;
        first.record_clock();
        std::thread::scope(|scope| {
            let mut crew = Crew::new();
            let hired = others
                .into_iter()
                .try_for_each(|worker| crew.hire(scope, worker, Arc::clone(first.waker()), teller()));
            let mut lead = Lead { worker: first, crew, signals, upkeep };
            let served = crew::caught(0, || hired.and_then(|()| lead.serve(teller(), reload)));
            let Lead { worker, crew, .. } = lead;
            // Whatever has ended one worker ends all.
            let others = crew.dismiss();
            served?;
            let others = others?;
            drop(desk);
            let (summary, sink) = worker.finish();
            let summary = others.iter().fold(summary, |sum, (other, _)| sum.and(other));
            Ok((summary, core::iter::once(sink).chain(others.into_iter().map(|(_, sink)| sink)).collect()))
        })
    }
}

/// The first worker, and what it does for the whole.
struct Lead<'scope, S: Sink> {
    worker: Worker<S>,
    crew: Crew<'scope, S>,
    signals: Signals,
    upkeep: Upkeep,
}

impl<'scope, S: Sink + Send + 'scope> Lead<'scope, S> {
    /// Serves until the end.
    fn serve(
        &mut self,
        mut tell: impl FnMut(Told<'_>, &mut S),
        mut reload: Option<impl FnMut() -> Option<Reloaded>>,
    ) -> io::Result<()> {
        self.upkeep.ready();
        loop {
            let now = self.worker.round(self.upkeep.poll_at(), &mut tell)?;
            self.upkeep.beat(now);
            self.worker.tell(self.upkeep.is_ending());
            let taken = if self.worker.is_signalled { self.signals.take() } else { None };
            self.worker.is_signalled = taken.is_some();
            let asked = match taken {
                Some(Asked::Reload) if reload.is_some() => {
                    self.reload(reload.as_mut().and_then(|reload| reload()));
                    None
                }
                // With nothing to read again, a hangup is what it is to any program.
                Some(Asked::Reload) => Some(Asked::Stop),
                asked => asked,
            };
            if self.crew.is_short() || !self.go_on(asked, now) {
                return Ok(());
            }
        }
    }

    /// Takes other settings, if they could be read; what cannot be read changes nothing.
    fn reload(&mut self, reloaded: Option<Reloaded>) {
        self.upkeep.reloading();
        if let Some(reloaded) = reloaded {
            self.crew.order(&Order::Reload(reloaded.clone()));
            self.worker.reload(reloaded);
        }
        self.upkeep.ready();
    }

    /// Returns how many sessions and connections stand, everywhere.
    fn standing(&self) -> (usize, usize) {
        let (own, theirs) = (self.worker.standing(), self.crew.standing());
        (own.0 + theirs.0, own.1 + theirs.1)
    }

    /// Does what the end needs, if it has come; returns whether there is a next round.
    fn go_on(&mut self, asked: Option<Asked>, now: Instant) -> bool {
        let (sessions, connections) = self.standing();
        match self.upkeep.step(asked, now, sessions, connections) {
            Step::Serve => true,
            Step::Refuse => {
                self.crew.order(&Order::Refuse);
                self.worker.refuse();
                true
            }
            Step::Shut => {
                self.crew.order(&Order::Shut);
                self.worker.shut();
                // Without a connection left there is nothing that would wake the next round.
                self.standing().1 > 0
            }
            Step::End => false,
        }
    }
}
