//! The loop that joins listeners of this host and a proxy, without a TUN or a stack.
//!
//! A round waits for a socket, the resolver, a signal or the earliest deadline; serves what has become ready; then lets
//! the proxy take what its egress has, and its deadlines.

use crate::egress::{self, Egress, Policy, Socket, Way};
use crate::engine::{Counters, Event, Load};
use crate::front::HostFront;
use crate::os::{Asked, Signals};
use crate::proxy::{self, Proxy, Report};
use crate::runtime::{Reloaded, Summary};
use crate::users::Judge;
use core::net::SocketAddr;
use core::time::Duration;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use sockhop::time::Instant;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::Arc;

const SIGNAL: Token = Token(0);
const WAKER: Token = Token(1);
const SOCKETS: usize = 2;
/// How long connections may take to close after the first signal.
const DRAIN: Duration = Duration::from_secs(2);

/// A SOCKS proxy at sockets of this host.
#[derive(Debug)]
pub struct Listening {
    poll: Poll,
    front: HostFront,
    proxy: Proxy<Box<dyn Egress<Stream = Socket>>>,
    signals: Signals,
    began: std::time::Instant,
    octets: (u64, u64),
}

impl Listening {
    /// Returns a proxy that serves SOCKS at each of these listeners, for at most `most` clients at once, and goes out by
    /// `way`, which is not the stack: there is none.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new(
        at: Vec<TcpListener>,
        most: usize,
        config: proxy::Config,
        mut policy: Policy,
        way: Way,
    ) -> io::Result<Self> {
        let signals = Signals::new()?;
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&signals.as_raw_fd()), SIGNAL, Interest::READABLE)?;
        let front = HostFront::new(registry.try_clone()?, at, most)?;
        policy.listening = front.listens_at()?;
        let waker = Arc::new(Waker::new(registry, WAKER)?);
        let egress = egress::through(registry.try_clone()?, SOCKETS, policy, Arc::clone(&waker), way)?;
        let proxy = Proxy::new(config, egress).judged_by(Judge::new(waker)?);
        Ok(Self { poll, front, proxy, signals, began: std::time::Instant::now(), octets: (0, 0) })
    }

    /// Returns where it listens, with the ports the host has chosen.
    ///
    /// # Errors
    /// The host's.
    pub fn listens_at(&self) -> io::Result<Vec<SocketAddr>> {
        self.front.listens_at()
    }

    /// Serves until a signal comes, then lets connections close, and returns what it came to.
    ///
    /// `tell` is called with each session that has ended, and without one after each round; `reload` on SIGHUP, which
    /// without it asks to stop.
    ///
    /// # Errors
    /// The host's, when waiting fails.
    pub fn run(
        mut self,
        mut tell: impl FnMut(Option<&Report>),
        mut reload: Option<impl FnMut() -> Option<Reloaded>>,
    ) -> io::Result<Summary> {
        let mut events = Events::with_capacity(1_024);
        let mut stopping: Option<Instant> = None;
        loop {
            let next = [self.front.poll_at(), self.proxy.poll_at(), stopping].into_iter().flatten().min();
            // epoll counts in milliseconds: rounded down, the loop would spin through the last of them.
            let wait = next.map(|next| {
                let micros = next.since(self.now()).as_micros();
                Duration::from_millis(u64::try_from(micros.div_ceil(1_000)).unwrap_or(0))
            });
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => outcome?,
            }
            let now = self.now();
            for event in &events {
                if !self.front.ready(event.token()) && event.token().0 >= SOCKETS {
                    self.proxy.egress().ready(event.token());
                }
            }
            self.turn(now);
            while let Some(report) = self.proxy.next_report() {
                self.octets.0 += report.octets.0;
                self.octets.1 += report.octets.1;
                tell(Some(&report));
            }
            tell(None);
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
                self.front.close();
                self.proxy.shut(now, &mut self.front);
                self.turn(now);
            }
            if stopping.is_some_and(|until| until <= now || self.front.is_empty()) {
                break;
            }
        }
        let (accepted, refused) = self.front.counted();
        Ok(Summary {
            counters: Counters { accepted, refused, ..Counters::default() },
            load: Load { flows: self.front.len(), ..Load::default() },
            lasted: self.began.elapsed(),
            octets: self.octets,
            limited: self.proxy.limited(),
            dropped: 0,
        })
    }

    fn turn(&mut self, now: Instant) {
        while let Some(event) = self.front.next_event(now) {
            match event {
                Event::Opened { flow, remote, .. } => self.proxy.opened(now, &mut self.front, flow, remote),
                Event::Ready(flow) => self.proxy.ready(now, &mut self.front, flow),
            }
        }
        self.proxy.work(now, &mut self.front);
    }

    fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
