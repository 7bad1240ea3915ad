//! The loop that joins a queue of the TUN, an engine and a proxy.

use super::exchange::Exchange;
use super::rounds::Rounds;
use super::{Reloaded, SIGNAL, SOCKETS, SOCKS, Serving, Summary, TUN, Told, WAKER};
use crate::control::Clerk;
use crate::egress::{self, Egress, Out};
use crate::engine::{Engine, Event};
use crate::metrics::{Board, Latency, Numbers, OfStack, Tally};
use crate::proxy::{Ledger, Proxy};
use crate::survey::Snapshot;
use crate::tun::{self, Tun};
use crate::users::Judge;
use crate::waiting::Waiting;
use core::net::SocketAddr;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Waker};
use sockhop::time::Instant;
use sockhop::trace::{Sink, View};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// One queue, one engine, one proxy.
#[derive(Debug)]
pub(super) struct Worker<S: Sink> {
    poll: Poll,
    waiting: Waiting,
    tun: Tun,
    engine: Engine<Tally<S>>,
    proxy: Proxy<Out>,
    waker: Arc<Waker>,
    /// Where packets of other workers go; there is none without others.
    exchange: Option<Exchange>,
    clerk: Option<Clerk>,
    board: Option<Board>,
    began: std::time::Instant,
    rounds: Rounds,
    octets: (u64, u64),
    listeners: Vec<SocketAddr>,
    resolving: Arc<Latency>,
    events: Events,
    packet: Vec<u8>,
    /// Whether there may be packets that were not read.
    more: bool,
    /// Whether there may be signals that were not taken, one of which each round takes.
    pub(super) is_signalled: bool,
}

impl<S: Sink> Worker<S> {
    /// Returns one of `of` workers that serve alike.
    pub(super) fn new(
        (tun, mut engine): (Tun, Engine<Tally<S>>),
        serving: &Serving,
        ledger: Ledger,
        of: usize,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&tun.as_raw_fd()), TUN, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        let resolving = Arc::new(Latency::default());
        let egress = egress::through(
            registry.try_clone()?,
            SOCKETS,
            serving.policy.clone(),
            Arc::clone(&waker),
            serving.way.clone(),
            Arc::clone(&resolving),
        )?;
        for listener in &serving.listeners {
            engine.listen(*listener, SOCKS);
        }
        let proxy = Proxy::new(serving.config.clone(), egress).counting_in(ledger);
        let proxy = proxy.judged_by(Judge::new(Arc::clone(&waker), of)?);
        Ok(Self {
            poll,
            waiting: Waiting::default(),
            tun,
            engine,
            proxy,
            waker,
            exchange: None,
            clerk: None,
            board: None,
            began: serving.began,
            rounds: Rounds::default(),
            octets: (0, 0),
            listeners: serving.listeners.clone(),
            resolving,
            events: Events::with_capacity(1_024),
            packet: vec![0; tun::LONGEST],
            more: true,
            is_signalled: false,
        })
    }

    /// Exchanges packets with the other workers, and has a place among them.
    pub(super) fn join(&mut self, exchange: Exchange, rounds: Rounds) {
        self.exchange = Some(exchange);
        self.rounds = rounds;
    }

    /// Posts its numbers when somebody wants them.
    pub(super) fn post_on(&mut self, board: Board) {
        board.rouse_by(Arc::clone(&self.waker));
        self.board = Some(board);
    }

    /// Shows its connections when somebody asks.
    pub(super) fn answer_by(&mut self, clerk: Clerk) {
        self.clerk = Some(clerk);
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    pub(super) const fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    /// Records what the clock of the events stands for.
    pub(super) fn record_clock(&mut self) {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let unix = u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX);
        let now = self.now();
        self.engine.recorder().record(now, 0, View::Clock { unix });
    }

    /// Does one round, which begins no later than at `deadline`, and returns when it did.
    pub(super) fn round(
        &mut self,
        deadline: Option<Instant>,
        tell: &mut impl FnMut(Told<'_>, &mut S),
    ) -> io::Result<Instant> {
        let at_once = self.more || self.is_signalled;
        let wait = if at_once { Some(Duration::ZERO) } else { self.wait(deadline) };
        self.waiting.wait(&mut self.poll, &mut self.events, wait)?;
        let now = self.rounds.begin(|| since(self.began));
        for event in &self.events {
            if event.token().0 >= SOCKETS {
                self.proxy.egress().ready(event.token());
            }
            self.more |= event.token() == TUN;
            self.is_signalled |= event.token() == SIGNAL;
        }
        if self.more {
            self.more = self.tun.receive(now, &mut self.engine, &mut self.packet)?;
        }
        if let Some(exchange) = &mut self.exchange {
            self.more |= exchange.receive(now, &mut self.engine, &mut self.tun);
            exchange.hand_over(&mut self.engine);
        }
        self.turn(now);
        while let Some(report) = self.proxy.next_report() {
            self.octets.0 += report.octets.0;
            self.octets.1 += report.octets.1;
            tell(Told::Ended(&report), self.engine.recorder().sink_mut().inner_mut());
        }
        let until = self.rounds.end(|| since(self.began));
        tell(Told::Round(until), self.engine.recorder().sink_mut().inner_mut());
        Ok(now)
    }

    /// Returns how long nothing can happen by itself.
    fn wait(&self, deadline: Option<Instant>) -> Option<Duration> {
        let next = [self.engine.poll_at(), self.proxy.poll_at(), deadline];
        next.into_iter().flatten().min().map(|next| next.since(self.now()))
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

    /// Takes other settings; sessions that stand go on.
    pub(super) fn reload(&mut self, Reloaded { config, rules }: Reloaded) {
        self.proxy.reconfigure(config);
        self.proxy.egress().reconfigure(rules);
    }

    /// Accepts nobody any more.
    pub(super) fn refuse(&mut self) {
        for listener in self.listeners.drain(..) {
            self.engine.unlisten(listener);
        }
    }

    /// Accepts nobody any more, and ends every session.
    pub(super) fn shut(&mut self) {
        self.refuse();
        let now = self.rounds.begin(|| since(self.began));
        self.proxy.shut(now, &mut self.engine);
        self.turn(now);
    }

    /// Returns how many sessions and connections stand.
    pub(super) fn standing(&self) -> (usize, usize) {
        (self.proxy.len(), self.engine.load().flows)
    }

    /// Posts the numbers and shows everything as it stands, if somebody has asked.
    pub(super) fn tell(&mut self, draining: bool) {
        if let Some(board) = self.board.as_ref().filter(|board| board.is_wanted()) {
            board.post(self.numbers(draining));
        }
        let Some(clerk) = self.clerk.as_ref().filter(|clerk| clerk.is_asked()) else { return };
        let (began, now) = (std::time::Instant::now(), self.now());
        let (octets, dropped) = (self.octets, self.dropped());
        let mut snapshot = Snapshot { octets, dropped, ..Snapshot::default() };
        self.engine.survey(now, &mut snapshot);
        self.proxy.survey(now, &mut snapshot);
        clerk.answer(snapshot, began.elapsed());
    }

    fn numbers(&self, draining: bool) -> Numbers {
        let (counters, load, states) = (self.engine.counters(), self.engine.load(), self.engine.states());
        let (tally, dropped) = (self.engine.sink().counts().cloned(), self.dropped());
        Numbers {
            uptime: self.began.elapsed(),
            draining,
            sessions: self.proxy.len(),
            limited: self.proxy.limited(),
            counted: self.proxy.counted().clone(),
            resolving: Latency::clone(&self.resolving),
            clients: None,
            stack: tally.map(|tally| OfStack { counters, load, states, tally, dropped }),
        }
    }

    /// Returns how many packets found no room, in the TUN or on the way to another worker.
    fn dropped(&self) -> u64 {
        self.tun.dropped() + self.exchange.as_ref().map_or(0, Exchange::lost)
    }

    fn now(&self) -> Instant {
        since(self.began)
    }

    /// Ends, and returns what it came to, and the sink.
    pub(super) fn finish(self) -> (Summary, S) {
        let summary = Summary {
            counters: self.engine.counters(),
            load: self.engine.load(),
            lasted: self.began.elapsed(),
            octets: self.octets,
            limited: self.proxy.limited(),
            dropped: self.dropped(),
        };
        (summary, self.engine.into_sink().into_inner())
    }
}

fn since(began: std::time::Instant) -> Instant {
    Instant::from_micros(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
}
