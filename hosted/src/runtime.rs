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

use crate::egress::{self, Egress, Policy, Rule, Socket, Way};
use crate::engine::{self, Counters, Engine, Event, Load};
use crate::os::{Asked, Signals};
use crate::proxy::{self, Proxy, Report};
use crate::tun::Tun;
use crate::users::Judge;
use core::net::SocketAddr;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

const TUN: Token = Token(0);
const SIGNAL: Token = Token(1);
const WAKER: Token = Token(2);
const SOCKETS: usize = 3;
/// Packets taken in one round.
const BATCH: usize = 64;
/// How long connections may take to close after the first signal.
const DRAIN: Duration = Duration::from_secs(2);
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
    engine: Engine<S>,
    proxy: Proxy<Box<dyn Egress<Stream = Socket>>>,
    signals: Signals,
    began: std::time::Instant,
    octets: (u64, u64),
}

impl<S: Sink> Runtime<S> {
    /// Returns a runtime that serves SOCKS at each of `listeners` and goes out by `way`.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new(
        tun: Tun,
        mut engine: Engine<S>,
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
        let egress = egress::through(registry.try_clone()?, SOCKETS, policy, Arc::clone(&waker), way)?;
        for listener in listeners {
            engine.listen(*listener, SOCKS);
        }
        let proxy = Proxy::new(config, egress).judged_by(Judge::new(waker)?);
        let began = std::time::Instant::now();
        Ok(Self { poll, tun, engine, proxy, signals, began, octets: (0, 0) })
    }

    /// Serves until a signal comes, then lets connections close, and returns what it came to.
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
    ) -> io::Result<Summary> {
        let mut events = Events::with_capacity(1_024);
        let mut packet = vec![0; 65_536];
        let mut stopping: Option<Instant> = None;
        let mut more = true;
        loop {
            let wait = if more { Some(Duration::ZERO) } else { self.wait(stopping) };
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
                more = self.receive(now, &mut packet)?;
            }
            self.turn(now);
            while let Some(report) = self.proxy.next_report() {
                self.octets.0 += report.octets.0;
                self.octets.1 += report.octets.1;
                tell(Some(&report), self.engine.recorder().sink_mut());
            }
            tell(None, self.engine.recorder().sink_mut());
            let asked = self.signals.take();
            let reloads = asked == Some(Asked::Reload);
            if reloads && let Some(reload) = &mut reload {
                // What cannot be read changes nothing.
                if let Some(Reloaded { config, rules }) = reload() {
                    self.proxy.reconfigure(config);
                    self.proxy.egress().reconfigure(rules);
                }
            } else if asked.is_some() {
                if stopping.is_some() {
                    break;
                }
                stopping = Some(now + DRAIN);
                self.proxy.shut(now, &mut self.engine);
                self.turn(now);
            }
            if stopping.is_some_and(|until| until <= now || self.engine.load().flows == 0) {
                break;
            }
        }
        Ok(self.summary())
    }

    /// Returns how long nothing can happen by itself.
    fn wait(&self, stopping: Option<Instant>) -> Option<Duration> {
        let next = [self.engine.poll_at(), self.proxy.poll_at(), stopping].into_iter().flatten().min()?;
        // epoll counts in milliseconds: rounded down, the loop would spin through the last of them.
        Some(Duration::from_millis(
            u64::try_from(next.since(self.now()).as_micros().div_ceil(1_000)).unwrap_or(0),
        ))
    }

    /// Takes a batch of packets; returns whether there may be more.
    fn receive(&mut self, now: Instant, packet: &mut [u8]) -> io::Result<bool> {
        for _ in 0..BATCH {
            match self.tun.recv(packet) {
                Ok(count) => self.engine.ingress(now, &mut packet[..count], &mut self.tun),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
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
