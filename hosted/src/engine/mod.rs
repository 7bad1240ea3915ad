//! The stack: one smoltcp interface, one socket set per connection, and a demultiplexer in front.
//!
//! The engine does no I/O and keeps no clock. Its owner hands it packets with [`Engine::ingress`], lets it work
//! with [`Engine::flush`] whenever it has been touched or [`Engine::poll_at`] has passed, takes what happened from
//! [`Engine::next_event`], and reads and writes connections through [`Engine::stream`].
//!
//! smoltcp is called for one packet or one socket at a time, never by `Interface::poll`, which loops inside and
//! hides transitions. Each call is taken between two looks at the socket's state, so every transition has exactly
//! one cause: a segment, a call of the owner's or a timer.
//!
//! ```text
//! ingress: 1 parse, verify ─► 2 find the flow ─► 3 guard ─► 4 smoltcp ─► 5 compare states, record ─► 6 guard, wire
//! flush:   7 timers due ─► 8 owner's closes, guard's timers ─► 9 smoltcp's egress, guard, wire ─► 10 next timer
//!          ─► 11 flows that are over leave, those that are quiet give their memory back
//! ```
//!
//! A SYN creates its socket on demand; a connection in TIME-WAIT has none, and is a record of the demultiplexer.
//!
//! ```
//! use sockhop::time::Instant;
//! use sockhop_hosted::engine::{Config, Engine, Wire};
//! # fn a_syn() -> Vec<u8> {
//! #     use sockhop::tcp::{EMPTY, Empty, Flags, Seq};
//! #     let syn = Empty { seq: Seq(1), ack: Seq(0), flags: Flags::SYN, window: 65_535 };
//! #     let mut packet = vec![0; EMPTY];
//! #     let (from, to) = ("198.18.0.1:40000", "198.18.0.2:1080");
//! #     let length = syn.write(from.parse().expect("ours"), to.parse().expect("ours"), &mut packet);
//! #     packet.truncate(length);
//! #     packet
//! # }
//!
//! struct Sent(Vec<Vec<u8>>);
//! impl Wire for Sent {
//!     fn transmit(&mut self, packet: &[u8]) {
//!         self.0.push(packet.to_vec());
//!     }
//! }
//!
//! let stack = ("198.18.0.2".parse().expect("an address"), 30);
//! let mut engine = Engine::new(Config::new(vec![stack], 1_500, [1, 2]), ());
//! engine.listen("198.18.0.2:1080".parse().expect("an address"), Default::default());
//! let (now, mut wire) = (Instant::ZERO, Sent(Vec::new()));
//! engine.ingress(now, &mut a_syn(), &mut wire);
//! engine.flush(now, &mut wire);
//! assert_eq!(wire.0.len(), 1); // a SYN,ACK
//! assert!(engine.poll_at().is_some_and(|next| next > now)); // sent again, if nobody answers
//! ```

mod allowance;
mod config;
mod counters;
mod datagrams;
mod directory;
mod flow;
mod holds;
mod ingress;
mod notice;
mod port;
mod ports;
mod quiet;
mod rings;
mod service;
mod states;
mod survey;
mod timers;
mod wait;
mod ways;

pub use config::{Config, Limits};
pub use counters::{Counters, Load};
pub use datagrams::Datagram;
pub use directory::{Stray, several};
pub use flow::Service;
pub use notice::Unreachable;
pub use rings::LARGEST as LARGEST_RING;
pub(crate) use timers::Timers;

use crate::segmentation;
use allowance::Allowance;
use core::net::{IpAddr, SocketAddr};
use datagrams::Datagrams;
use directory::{Claim, Seat, claim, give_up};
use flow::Flow;
use port::Link;
use ports::Ports;
use quiet::Quiet;
use rings::Budget;
use siphasher::sip::SipHasher13;
use slab::Slab;
use smoltcp::iface::{Interface, SocketSet};
use sockhop::stack::{Socket, Wish};
use sockhop::tcp::{Cause, Guard, Seq, State, isn};
use sockhop::time::{Instant, Reason};
use sockhop::trace::{Call, Recorder, Sink};
use std::collections::{HashMap, VecDeque};
use wait::{Tuple, Waits};
use ways::Ways;

/// Where packets leave to; it never refuses one, and drops what it cannot carry.
pub trait Wire {
    /// Sends one IP packet.
    fn transmit(&mut self, packet: &[u8]);

    /// Sends a TCP segment that lacks its checksum, in packets of at most `most` octets of payload.
    ///
    /// `headers` is the length of its IP and TCP headers. What stands in `segment` afterwards is anything.
    fn transmit_segment(&mut self, segment: &mut [u8], headers: usize, most: usize) {
        segmentation::cut(segment, headers, most, |packet| self.transmit(packet));
    }
}

/// A connection's name; it is never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId {
    slot: usize,
    serial: u32,
}

impl FlowId {
    pub(crate) const fn new(slot: usize, serial: u32) -> Self {
        Self { slot, serial }
    }

    pub(crate) const fn slot(self) -> usize {
        self.slot
    }

    /// Returns the connection's number in traces.
    pub const fn serial(self) -> u32 {
        self.serial
    }
}

/// What happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection came to a listener and is established; it is the owner's until released.
    Opened {
        /// The connection.
        flow: FlowId,
        /// The listener's service.
        service: Service,
        /// Our end.
        local: SocketAddr,
        /// The peer's end.
        remote: SocketAddr,
    },
    /// A connection may be readable or writable, or has ended.
    Ready(FlowId),
}

/// Who may connect to a place, and what for.
#[derive(Clone, Copy, Debug)]
struct Listener {
    service: Service,
    /// The only peer that may; without one, everybody may.
    peer: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Flow(usize),
    Wait(usize),
}

#[derive(Clone, Copy, Debug)]
struct Keyed([u64; 2]);

impl core::hash::BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0[0], self.0[1])
    }
}

/// Two connections, and who is told of changes.
pub type Pair<'a, S> = (Socket<'a, 'static>, Socket<'a, 'static>, &'a mut Recorder<S>);

/// A TCP/IP stack, with `S` told of everything it does.
pub struct Engine<S: Sink = ()> {
    config: Config,
    now: Instant,
    tcp: Ways,
    others: Interface,
    nobody: SocketSet<'static>,
    flows: Slab<Flow>,
    places: HashMap<Tuple, Place, Keyed>,
    listeners: HashMap<SocketAddr, Listener, Keyed>,
    waits: Waits,
    timers: Timers,
    quiet: Quiet,
    dirty: Vec<usize>,
    spare: Vec<usize>,
    events: VecDeque<Event>,
    budget: Budget,
    half_open: usize,
    /// Unfinished handshakes, oldest first; some are over.
    opening: VecDeque<FlowId>,
    /// The number of the last connection, and the distance to the next.
    serial: (u32, u32),
    ports: Ports<Keyed>,
    answers: Allowance,
    datagrams: Datagrams,
    /// Where it stands among several engines of one stack; nowhere if it is the only one.
    seat: Option<Seat>,
    strays: VecDeque<Stray>,
    counters: Counters,
    recorder: Recorder<S>,
    out: Vec<u8>,
}

impl<S: Sink> core::fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.config)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

impl<S: Sink> Engine<S> {
    /// Returns a stack that knows no connection and no listener.
    pub fn new(config: Config, sink: S) -> Self {
        let keyed = Keyed([config.seed[1], config.seed[0]]);
        Self {
            now: Instant::ZERO,
            tcp: Ways::new(&config),
            others: ways::interface(&config, config.seed[1], Link::plain(config.mtu)),
            nobody: SocketSet::new(Vec::new()),
            flows: Slab::new(),
            places: HashMap::with_hasher(keyed),
            listeners: HashMap::with_hasher(keyed),
            waits: Waits::new(config.two_msl, config.limits.time_wait),
            timers: Timers::default(),
            quiet: Quiet::new(config.quiet),
            dirty: Vec::new(),
            spare: Vec::new(),
            events: VecDeque::new(),
            budget: Budget::new(config.limits.rings, config.limits.ring),
            half_open: 0,
            opening: VecDeque::new(),
            serial: (0, 1),
            ports: Ports::new(keyed),
            answers: Allowance::new(config.limits.answers),
            datagrams: Datagrams::default(),
            seat: None,
            strays: VecDeque::new(),
            counters: Counters::default(),
            recorder: Recorder::new(sink),
            out: vec![0; if config.offload { port::LONGEST } else { config.mtu.max(1_500) }],
            config,
        }
    }

    /// Accepts connections at `at` from now on; a listener that stood there is replaced.
    pub fn listen(&mut self, at: SocketAddr, service: Service) {
        self.listeners.insert(at, Listener { service, peer: None });
    }

    /// Accepts one connection at a free port of `ip`, from `peer` if that is somebody, and returns where; `None` when
    /// no port is left.
    ///
    /// The listener goes with [`unlisten`](Self::unlisten), which its owner calls once the connection has come.
    pub fn listen_once(&mut self, ip: IpAddr, peer: Option<IpAddr>, service: Service) -> Option<SocketAddr> {
        let (listeners, seat) = (&self.listeners, self.seat.as_ref());
        let at = |port| SocketAddr::new(ip, port);
        let free =
            |port| !listeners.contains_key(&at(port)) && claim(seat, Claim::Listener(at(port))).is_ok();
        let at = at(self.ports.draw((ip, "listen"), free)?);
        self.listeners.insert(at, Listener { service, peer });
        Some(at)
    }

    /// Accepts no further connections at `at`, and returns what they were for.
    pub fn unlisten(&mut self, at: SocketAddr) -> Option<Service> {
        give_up(self.seat.as_ref(), Claim::Listener(at));
        self.listeners.remove(&at).map(|listener| listener.service)
    }

    /// Opens a connection from `local` to `remote`; port 0 of `local` stands for any free one.
    ///
    /// The owner is told by [`Event::Ready`] when it is open or has failed. `None` when a limit is reached or
    /// the addresses cannot be used.
    pub fn connect(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr) -> Option<FlowId> {
        self.now = now;
        let local = self.free_port(local, remote)?;
        let Some(slot) = self.add(local, remote, None) else {
            give_up(self.seat.as_ref(), Claim::Flow((local, remote)));
            return None;
        };
        let flow = &mut self.flows[slot];
        flow.owned = true;
        flow.deadline = Some((now + self.config.limits.connect, Reason::Connect));
        if flow.socket().connect(self.tcp.wide().context(), remote, local).is_err() {
            self.remove(slot);
            return None;
        }
        let serial = flow.serial;
        self.recorder.opened(now, serial, local, remote, true);
        self.recorder.call(now, serial, Call::Connect, 0, 0);
        self.note(slot, Cause::Connect);
        self.mark(slot);
        Some(FlowId { slot, serial })
    }

    /// Returns a connection to be read and written, unless it is over and forgotten; `flush` sends what was written.
    pub fn stream(&mut self, flow: FlowId) -> Option<Socket<'_, 'static>> {
        self.find(flow)?;
        self.mark(flow.slot);
        Some(self.flows[flow.slot].stream())
    }

    /// Returns a connection like [`stream`](Self::stream), and the recorder for what is done with it.
    pub fn watched(&mut self, flow: FlowId) -> Option<(Socket<'_, 'static>, &mut Recorder<S>)> {
        self.find(flow)?;
        self.mark(flow.slot);
        Some((self.flows[flow.slot].stream(), &mut self.recorder))
    }

    /// Returns two connections at once, with the recorder for what is done with them; `None` when one is gone.
    pub fn pair(&mut self, one: FlowId, other: FlowId) -> Option<Pair<'_, S>> {
        self.find(one)?;
        self.find(other)?;
        debug_assert!(one != other, "a connection is not carried into itself");
        self.mark(one.slot);
        self.mark(other.slot);
        let (one, other) = self.flows.get2_mut(one.slot, other.slot)?;
        Some((one.stream(), other.stream(), &mut self.recorder))
    }

    /// Gives a connection back: the engine closes it, discards what is still received, and forgets it.
    pub fn release(&mut self, flow: FlowId) {
        if self.find(flow).is_none() {
            return;
        }
        let deadline = self.now + self.config.limits.linger;
        let flow_ref = &mut self.flows[flow.slot];
        flow_ref.owned = false;
        flow_ref.deadline = Some((deadline, Reason::Linger));
        flow_ref.lingering = flow_ref.guard.tracker().snd_una();
        if flow_ref.wish == Wish::Keep {
            let unheard = flow_ref.state == State::SynSent;
            flow_ref.wish = if unheard { Wish::Abort } else { Wish::Close };
        }
        self.mark(flow.slot);
    }

    /// Returns the stack's own address of the family of another.
    pub fn own(&self, other: IpAddr) -> Option<IpAddr> {
        let mut own = self.config.addresses.iter().map(|(ip, _)| *ip);
        own.find(|ip| ip.is_ipv4() == other.is_ipv4())
    }

    /// Returns our end of a connection and the peer's.
    pub fn ends(&self, flow: FlowId) -> Option<(SocketAddr, SocketAddr)> {
        self.find(flow).map(|flow| (flow.local, flow.remote))
    }

    /// Returns a connection's state; CLOSED once it is forgotten.
    pub fn state(&self, flow: FlowId) -> State {
        self.find(flow).map_or(State::Closed, |flow| flow.state)
    }

    /// Returns what was said of a connection that could not be opened; `None` when its peer refused it, or nobody
    /// said anything.
    pub fn unreachable(&self, flow: FlowId) -> Option<Unreachable> {
        self.find(flow)?.unreachable
    }

    /// Returns whether a deadline of the engine's ended a connection.
    pub fn has_expired(&self, flow: FlowId) -> bool {
        self.find(flow).is_some_and(|flow| flow.expired)
    }

    /// Returns the next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Ready(id) = event
            && let Some(flow) = self.flows.get_mut(id.slot)
            && flow.serial == id.serial
        {
            flow.woken = false;
        }
        Some(event)
    }

    /// Returns when [`flush`](Self::flush) has to be called next, if nothing comes before.
    pub fn poll_at(&self) -> Option<Instant> {
        if !self.dirty.is_empty() || !self.events.is_empty() || !self.datagrams.is_idle() {
            return Some(self.now);
        }
        [self.timers.next(), self.waits.next(), self.quiet.next()].into_iter().flatten().min()
    }

    /// Returns how many of each thing there are.
    pub fn load(&self) -> Load {
        Load {
            flows: self.flows.len(),
            half_open: self.half_open,
            time_wait: self.waits.len(),
            rings: self.budget.used(),
        }
    }

    /// Returns how often things happened.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns who is told of everything the stack does.
    pub fn recorder(&mut self) -> &mut Recorder<S> {
        &mut self.recorder
    }

    /// Ends the stack and returns the sink that was told.
    pub fn into_sink(self) -> S {
        self.recorder.into_sink()
    }

    /// Returns the sink that is told.
    pub const fn sink(&self) -> &S {
        self.recorder.sink()
    }

    /// Returns the connections that have a socket.
    pub fn flows(&self) -> impl Iterator<Item = FlowId> + '_ {
        self.flows.iter().map(|(slot, flow)| FlowId { slot, serial: flow.serial })
    }

    /// Returns what the tracker knows of a connection, in smoltcp's numbers.
    pub fn tracker(&self, flow: FlowId) -> Option<sockhop::tcp::Tracker> {
        self.find(flow).map(|flow| *flow.guard.tracker())
    }

    /// Returns a connection's socket as smoltcp prints it, for tests to compare with.
    pub fn debug(&self, flow: FlowId) -> Option<String> {
        self.find(flow).map(|flow| format!("{:?}", flow.socket_ref()))
    }

    fn find(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(id.slot).filter(|flow| flow.serial == id.serial)
    }

    /// Lets a flow be served by the next flush.
    fn mark(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        if !flow.dirty {
            flow.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Returns our end of a connection to be opened, whose tuple nobody has and is claimed.
    fn free_port(&mut self, mut local: SocketAddr, remote: SocketAddr) -> Option<SocketAddr> {
        let at = |port| SocketAddr::new(local.ip(), port);
        let (places, listeners, seat) = (&self.places, &self.listeners, self.seat.as_ref());
        let free = |port| {
            let tuple = (at(port), remote);
            !places.contains_key(&tuple) && claim(seat, Claim::Flow(tuple)).is_ok()
        };
        if local.port() != 0 {
            return free(local.port()).then_some(local);
        }
        let port =
            self.ports.draw((local.ip(), remote), |port| !listeners.contains_key(&at(port)) && free(port))?;
        local.set_port(port);
        Some(local)
    }

    /// Returns what a SYN from this peer to this place would be for.
    fn listener(&self, at: SocketAddr, from: IpAddr) -> Option<Service> {
        let listener = self.listeners.get(&at)?;
        listener.peer.is_none_or(|peer| peer == from).then_some(listener.service)
    }

    /// Makes a flow with rings, and a place for it, whose tuple is claimed.
    ///
    /// `after` is the last number of a connection with the same addresses that is in TIME-WAIT.
    fn add(&mut self, local: SocketAddr, remote: SocketAddr, after: Option<Seq>) -> Option<usize> {
        if self.flows.len() >= self.config.limits.flows {
            return None;
        }
        let ring = self.budget.take()?;
        let serial = self.next_serial();
        let number = isn(&self.config.seed, local, remote, self.now, after);
        let guard = Guard::with(number, self.config.guard);
        let sizes = (ring, self.config.mtu);
        let Ok(flow) = Flow::new(self.now, serial, (local, remote), sizes, guard) else {
            self.budget.give(ring);
            return None;
        };
        let slot = self.flows.insert(flow);
        self.places.insert((local, remote), Place::Flow(slot));
        Some(slot)
    }
}
