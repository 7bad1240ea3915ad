//! The loop that joins listeners of this host and a proxy, without a TUN or a stack.
//!
//! A round waits for a socket, the resolver, a signal or the earliest deadline; serves what has become ready; then lets
//! the proxy take what its egress has, and its deadlines.
//!
//! The example is `tun-demo socks5 --listen`: what a loop like this one needs is made in `tun-demo/src/socks5.rs`.

use crate::control::{Clerk, Desk, Plan};
use crate::egress::{self, Egress, Out, Policy, Way};
use crate::engine::{Counters, Event, Load};
use crate::front::HostFront;
use crate::metrics::{Latency, Numbers};
use crate::os::{Asked, Signals};
use crate::proxy::{self, Proxy, Report};
use crate::runtime::{Reloaded, Summary};
use crate::survey::Snapshot;
use crate::upkeep::{Step, Upkeep};
use crate::users::Judge;
use crate::waiting::Waiting;
use core::net::SocketAddr;
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

/// A SOCKS proxy at sockets of this host.
#[derive(Debug)]
pub struct Listening {
    poll: Poll,
    waiting: Waiting,
    front: HostFront,
    proxy: Proxy<Out>,
    signals: Signals,
    waker: Arc<Waker>,
    desk: Option<Desk>,
    clerk: Option<Clerk>,
    began: std::time::Instant,
    octets: (u64, u64),
    resolving: Arc<Latency>,
    upkeep: Upkeep,
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
        let resolving = Arc::new(Latency::default());
        let egress = egress::through(
            registry.try_clone()?,
            SOCKETS,
            policy,
            Arc::clone(&waker),
            way,
            Arc::clone(&resolving),
        )?;
        let proxy = Proxy::new(config, egress).judged_by(Judge::new(Arc::clone(&waker), 1)?);
        let (began, octets, upkeep) = (std::time::Instant::now(), (0, 0), Upkeep::default());
        let (waiting, desk, clerk) = (Waiting::default(), None, None);
        Ok(Self {
            poll,
            waiting,
            front,
            proxy,
            signals,
            waker,
            desk,
            clerk,
            began,
            octets,
            resolving,
            upkeep,
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
        let desk = Desk::open(plan, vec![Arc::clone(&self.waker)])?;
        self.clerk = Some(desk.clerk(0));
        self.desk = Some(desk);
        Ok(self)
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
        self.upkeep.ready();
        loop {
            let next = [self.front.poll_at(), self.proxy.poll_at(), self.upkeep.poll_at()]
                .into_iter()
                .flatten()
                .min();
            let wait = next.map(|next| next.since(self.now()));
            self.waiting.wait(&mut self.poll, &mut events, wait)?;
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
                return Ok(self.summary());
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
        let step = self.upkeep.step(asked, now, self.proxy.len(), self.front.len());
        if matches!(step, Step::Refuse | Step::Shut) {
            self.front.close();
        }
        if step == Step::Shut {
            self.proxy.shut(now, &mut self.front);
            self.turn(now);
            // Without a connection left there is nothing that would wake the next round.
            return !self.front.is_empty();
        }
        step != Step::End
    }

    /// Posts the numbers, if somebody waits for them.
    fn post(&mut self) {
        let Some(board) = self.upkeep.wanted().cloned() else { return };
        board.post(Numbers {
            uptime: self.began.elapsed(),
            draining: self.upkeep.is_ending(),
            sessions: self.proxy.len(),
            limited: self.proxy.limited(),
            counted: self.proxy.counted().clone(),
            resolving: Latency::clone(&self.resolving),
            clients: Some(self.front.counted()),
            stack: None,
        });
    }

    fn summary(&self) -> Summary {
        let (accepted, refused) = self.front.counted();
        Summary {
            counters: Counters { accepted, refused, ..Counters::default() },
            load: Load { flows: self.front.len(), ..Load::default() },
            lasted: self.began.elapsed(),
            octets: self.octets,
            limited: self.proxy.limited(),
            dropped: 0,
        }
    }

    /// Shows everything as it stands, if somebody has asked.
    fn show(&self) {
        let Some(clerk) = self.clerk.as_ref().filter(|clerk| clerk.is_asked()) else {
            return;
        };
        let (began, now) = (std::time::Instant::now(), self.now());
        let mut snapshot = Snapshot { octets: self.octets, ..Snapshot::default() };
        self.front.survey(now, &mut snapshot);
        self.proxy.survey(now, &mut snapshot);
        clerk.answer(snapshot, began.elapsed());
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
