//! The loop under every service that is no proxy: on the stack behind a TUN device, or at sockets of this host.
//!
//! A round waits for the TUN, a socket, a signal, the service's own threads or the earliest deadline; takes what has
//! come; lets the service work; and flushes what that wrote.
//!
//! The example is that of [`echo`](crate::echo): a whole service.

use crate::engine::{Engine, Event, FlowId};
use crate::front::{Front, HostFront};
use crate::os::Signals;
use crate::tun::{self, Tun};
use crate::waiting::Waiting;
use core::net::SocketAddr;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

const SIGNAL: Token = Token(0);
const WAKER: Token = Token(1);
const TUN: Token = Token(2);
/// Packets taken in one round.
/// How long connections may take to close once the service is over.
const DRAIN: Duration = Duration::from_secs(2);

/// What is done with connections and datagrams.
pub trait Service<F: Front> {
    /// A peer has connected.
    fn opened(&mut self, now: Instant, front: &mut F, flow: FlowId, remote: SocketAddr);

    /// A connection may be readable or writable, or has ended.
    fn ready(&mut self, now: Instant, front: &mut F, flow: FlowId);

    /// Does what is due, and returns whether there is more to do at once.
    fn work(&mut self, now: Instant, front: &mut F) -> bool;

    /// Returns when it has something to do although nothing happens.
    fn poll_at(&self) -> Option<Instant>;

    /// Returns whether it wants to go on.
    fn goes_on(&self) -> bool;

    /// Gives up what is under way.
    fn stop(&mut self, now: Instant, front: &mut F);
}

/// What a loop waits with, made before the service that it is for.
#[derive(Debug)]
pub struct Loop {
    poll: Poll,
    waiting: Waiting,
    signals: Signals,
    waker: Arc<Waker>,
    began: std::time::Instant,
    stopping: Option<Instant>,
}

impl Loop {
    /// Returns a loop that takes signals from here on.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let signals = Signals::new()?;
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&signals.as_raw_fd()), SIGNAL, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        let (waiting, began) = (Waiting::default(), std::time::Instant::now());
        Ok(Self { poll, waiting, signals, waker, began, stopping: None })
    }

    /// Returns where sockets are to be registered.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Returns what a service's own threads wake the loop with.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Returns the present time.
    pub fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Serves at sockets of this host until the service is over or a signal comes; `tell` is called in each round.
    ///
    /// # Errors
    /// The host's, when waiting fails.
    pub fn on_host<S: Service<HostFront>>(
        mut self,
        mut front: HostFront,
        service: &mut S,
        mut tell: impl FnMut(&mut S, Instant),
    ) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut more = true;
        loop {
            let next = [front.poll_at(), service.poll_at(), self.stopping];
            self.wait(&mut events, more, next)?;
            let now = self.now();
            for event in &events {
                front.ready(event.token());
            }
            while let Some(event) = front.next_event(now) {
                match event {
                    Event::Opened { flow, remote, .. } => service.opened(now, &mut front, flow, remote),
                    Event::Ready(flow) => service.ready(now, &mut front, flow),
                }
            }
            more = service.work(now, &mut front);
            tell(service, now);
            if self.is_asked_to_stop(now, service, &mut front) {
                break;
            }
            if self.stopping.is_some() {
                front.close();
                if self.stopping.is_some_and(|until| until <= now) || front.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The same on a stack behind a TUN device, which then can serve again.
    ///
    /// # Errors
    /// The host's, when waiting or reading from the TUN fails.
    pub fn on_stack<T: Sink, S: Service<Engine<T>>>(
        &mut self,
        tun: &mut Tun,
        engine: &mut Engine<T>,
        service: &mut S,
        mut tell: impl FnMut(&mut S, &mut Engine<T>, Instant),
    ) -> io::Result<()> {
        let device = tun.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&device), TUN, Interest::READABLE)?;
        self.stopping = None;
        let mut events = Events::with_capacity(64);
        let mut packet = vec![0; tun::LONGEST];
        let (mut more, mut packets) = (true, true);
        loop {
            self.wait(&mut events, more || packets, [engine.poll_at(), service.poll_at(), self.stopping])?;
            let now = self.now();
            packets |= events.iter().any(|event| event.token() == TUN);
            if packets {
                packets = tun.receive(now, engine, &mut packet)?;
            }
            while let Some(event) = engine.next_event() {
                match event {
                    Event::Opened { flow, remote, .. } => service.opened(now, engine, flow, remote),
                    Event::Ready(flow) => service.ready(now, engine, flow),
                }
            }
            more = service.work(now, engine);
            engine.flush(now, tun);
            tell(service, engine, now);
            if self.is_asked_to_stop(now, service, engine) {
                break;
            }
            engine.flush(now, tun);
            if self.stopping.is_some_and(|until| until <= now || engine.load().flows == 0) {
                break;
            }
        }
        self.poll.registry().deregister(&mut SourceFd(&device))
    }

    fn wait(&mut self, events: &mut Events, more: bool, next: [Option<Instant>; 3]) -> io::Result<()> {
        let wait = next.into_iter().flatten().min().map(|next| next.since(self.now()));
        self.waiting.wait(&mut self.poll, events, if more { Some(Duration::ZERO) } else { wait })
    }

    /// Begins to stop on the first signal or when the service is over; returns whether to stop at once.
    fn is_asked_to_stop<F: Front>(
        &mut self,
        now: Instant,
        service: &mut impl Service<F>,
        front: &mut F,
    ) -> bool {
        let asked = self.signals.take().is_some();
        if asked && self.stopping.is_some() {
            return true;
        }
        if self.stopping.is_none() && (asked || !service.goes_on()) {
            self.stopping = Some(now + DRAIN);
            service.stop(now, front);
        }
        false
    }
}
