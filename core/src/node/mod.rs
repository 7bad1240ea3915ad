//! A whole node for firmware: a network card, smoltcp behind the guard, deadlines, and a SOCKS server on top.
//!
//! [`Node`] is the stack: it takes frames from a [`Nic`], keeps each connection behind a [`Guard`](crate::tcp::Guard)
//! and gives each a deadline with a reason. [`Proxy`] serves SOCKS clients on it with the same machines and relay
//! that run behind a TUN device. Nothing allocates: everything large stands in [`Memory`], whose size is a type.
//!
//! ```text
//! card ─► 1 frame ─► 2 checksums ─► 3 find the flow ─► 4 guard ─► 5 smoltcp ─► 6 states compared, recorded
//! card ◄───────────────────────────── guard ◄── smoltcp's answer ◄────┘
//!         7 owner's closes, deadlines ─► 8 guard's timers ─► 9 smoltcp's egress, guard, card ─► 10 next timer
//! ```
//!
//! The owner calls [`Node::poll`] and [`Proxy::work`] in turn, and sleeps until [`Node::poll_at`] or a frame.
//!
//! Each connection has a socket set of its own, because smoltcp is only safe when its sockets are never refused a
//! frame and are left alone in TIME-WAIT. A connection in TIME-WAIT has no socket: a record of 56 octets answers.
//!
//! A server that sends each client the time; `Card` is a driver, as `core/examples/firmware` has three:
//!
//! ```
//! use core::net::Ipv4Addr;
//! use sockhop::node::{Config, FRAME, Limits, Memory, Nic, Node};
//! use sockhop::relay::Stream;
//! use sockhop::time::Instant;
//! # struct Card;
//! # impl Nic for Card {
//! #     fn address(&self) -> Option<[u8; 6]> { Some([2, 0, 0, 0, 0, 1]) }
//! #     fn receive(&mut self, into: &mut [u8]) -> Option<usize> { assert_eq!(into.len(), FRAME); None }
//! #     fn transmit(&mut self, _frame: &[u8]) {}
//! # }
//!
//! let memory: &mut Memory<'_, 2, 1_024> = Box::leak(Box::default()); // a static, in firmware
//! let address = (Ipv4Addr::new(192, 0, 2, 10), 24);
//! let config = Config { address, gateway: None, seed: [1, 2], limits: Limits::default() };
//! let mut node = Node::new(Card, memory, config, ());
//! assert!(node.listen(13));
//! let now = Instant::ZERO;
//! while node.poll(now) {}
//! while let Some(opened) = node.accept() {
//!     if let Some(mut stream) = node.stream(opened.flow) {
//!         let _sent = stream.write(b"12:00\r\n");
//!         stream.close();
//!     }
//!     node.release(opened.flow);
//! }
//! ```

mod datagram;
mod ethernet;
mod flow;
mod ingress;
#[cfg(feature = "embedded-io")]
mod io;
mod memory;
mod nic;
mod port;
mod proxy;
mod seam;
mod serve;
mod session;
mod wait;

pub use datagram::Datagram;
#[cfg(feature = "embedded-io")]
pub use io::Blocking;
#[cfg(feature = "embedded-io-async")]
pub use io::Shared;
pub use memory::Memory;
pub use nic::{FRAME, Nic, Phy};
pub use proxy::{Judge, Policy, Proxy, allow_others, literal};
pub use session::{End, Report};

use crate::stack::{Socket, Wish};
use crate::tcp::{Cause, State, isn};
use crate::time::{Instant, Reason};
use crate::trace::{Recorder, Sink};
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use datagram::Datagrams;
use ethernet::Neighbours;
use flow::{Fate, Flow};
use port::Port;
use seam::Seam;
use smoltcp::iface::{Config as InterfaceConfig, Interface};
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};
use wait::{Wait, Waits};

/// Ports that may be listened at.
const LISTENERS: usize = 6;
/// Frames taken from the card in one round.
const BATCH: usize = 8;
/// The place of the connection that turns clients away.
const DOOR: u8 = u8::MAX;

/// What a node is told once.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Its IPv4 address and the length of its network's prefix.
    pub address: (Ipv4Addr, u8),
    /// The way to other networks, if there is one.
    pub gateway: Option<Ipv4Addr>,
    /// The key of initial sequence numbers; nobody else may know it, or connections can be guessed.
    pub seed: [u64; 2],
    /// How long things may take, and how many there may be.
    pub limits: Limits,
}

/// How long things may take, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a handshake that a peer began may stay unfinished.
    pub handshake: Duration,
    /// How long a connection that we open may take to stand.
    pub connect: Duration,
    /// How long a peer may be silent although it was asked to say something.
    pub silence: Duration,
    /// How long a released connection may go without an octet being taken by its peer.
    pub linger: Duration,
    /// How long a closed connection is remembered (RFC 9293 §3.6.1 has 4 minutes; Linux has 60 s).
    pub two_msl: Duration,
    /// Resets and ICMP answers a second, for packets that belong to nothing.
    pub answers: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(300),
            linger: Duration::from_secs(20),
            two_msl: Duration::from_secs(60),
            answers: 50,
        }
    }
}

/// How often things happened; each count wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counters {
    /// Frames taken from the card.
    pub frames_in: u32,
    /// Frames given to the card.
    pub frames_out: u32,
    /// Segments that are not well-formed or have a wrong checksum.
    pub corrupt: u32,
    /// Things the guard did.
    pub guarded: u32,
    /// Unfinished handshakes that made room for others.
    pub evicted: u32,
    /// SYNs dropped because every place was taken.
    pub refused: u32,
    /// Connections given up by a deadline.
    pub expired: u32,
}

/// A connection's name; it is never used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FlowId {
    place: u8,
    serial: u32,
}

impl FlowId {
    /// Returns the connection's number in traces.
    pub const fn serial(self) -> u32 {
        self.serial
    }
}

/// A connection that has come to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The connection; it is the owner's until released.
    pub flow: FlowId,
    /// The port it came to.
    pub port: u16,
    /// The peer's end.
    pub peer: SocketAddrV4,
    /// Whether every place for a client is taken: it can be told so, and nothing more.
    pub crowded: bool,
}

/// A TCP/IP stack of a fixed size, with `S` told of everything it does.
pub struct Node<'a, N, S = ()> {
    seam: Seam<'a, N, S>,
    flows: &'a mut [Flow<'a>],
    door: &'a mut [Flow<'a>],
    listeners: heapless::Vec<u16, LISTENERS>,
    waits: Waits,
    datagrams: Datagrams<'a>,
    seed: [u64; 2],
    serial: u32,
    port: u16,
}

impl<N, S> core::fmt::Debug for Node<'_, N, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node").field("counters", &self.seam.counters).finish_non_exhaustive()
    }
}

impl<'a, N: Nic, S: Sink> Node<'a, N, S> {
    /// Returns a node that knows no connection and listens at no port.
    pub fn new<const CLIENTS: usize, const RING: usize>(
        nic: N,
        memory: &'a mut Memory<'a, CLIENTS, RING>,
        config: Config,
        sink: S,
    ) -> Self {
        let parts = memory.divide();
        let (input, output) = (&mut parts.frames.0[..], &mut parts.frames.1[..]);
        let iface = interface(&config, output);
        let port = u16::try_from(config.seed[0] % 16_384).unwrap_or(0);
        Self {
            seam: Seam {
                nic,
                iface,
                now: Instant::ZERO,
                address: config.address.0,
                prefix: config.address.1,
                gateway: config.gateway,
                neighbours: Neighbours::new(),
                spans: config.limits.into(),
                input,
                length: 0,
                output,
                recorder: Recorder::new(sink),
                counters: Counters::default(),
                answers: (config.limits.answers, Instant::ZERO),
            },
            flows: parts.flows,
            door: parts.door,
            listeners: heapless::Vec::new(),
            waits: Waits::new(),
            datagrams: Datagrams::new(parts.datagram, port),
            seed: config.seed,
            serial: 0,
            port,
        }
    }

    /// Accepts connections at a port from now on; `false` when it listens at too many already.
    pub fn listen(&mut self, port: u16) -> bool {
        self.listeners.contains(&port) || self.listeners.push(port).is_ok()
    }

    /// Takes frames from the card and serves every connection; returns whether there may be more to do at once.
    ///
    /// A datagram for an open port stands until [`drop_datagram`](Self::drop_datagram); no frame is taken before.
    pub fn poll(&mut self, now: Instant) -> bool {
        self.seam.now = now;
        let mut taken = 0;
        while taken < BATCH && self.datagrams.standing.is_none() {
            let Some(length) = self.seam.nic.receive(self.seam.input) else { break };
            self.seam.length = length;
            self.ingress();
            taken += 1;
        }
        if self.datagrams.standing.is_none() {
            self.flush();
        }
        #[cfg(feature = "embedded-io-async")]
        self.wake();
        taken > 0
    }

    /// Has the task that waits for a connection woken by the next [`poll`](Self::poll); one task for each.
    #[cfg(feature = "embedded-io-async")]
    pub(crate) fn wake_with(&mut self, id: FlowId, waker: &core::task::Waker) {
        if let Some(flow) = self.find(id) {
            flow.waker = Some(waker.clone());
        }
    }

    #[cfg(feature = "embedded-io-async")]
    fn wake(&mut self) {
        let flows = self.flows.iter_mut().chain(self.door.iter_mut());
        flows.filter_map(|flow| flow.waker.take()).for_each(core::task::Waker::wake);
    }

    /// Serves every connection, sends the datagram that waits, and forgets what is over.
    fn flush(&mut self) {
        for flow in self.flows.iter_mut().chain(self.door.iter_mut()).filter(|flow| !flow.is_free()) {
            match flow.serve(&mut self.seam) {
                Fate::Stays => {}
                Fate::Over => flow.end(&mut self.seam),
                Fate::Waits => {
                    let oldest = self.waits.insert(wait(flow, self.seam.now.after(self.seam.spans.two_msl)));
                    flow.end(&mut self.seam);
                    forget(&mut self.seam, oldest);
                }
            }
        }
        while let Some(over) = self.waits.expired(self.seam.now) {
            forget(&mut self.seam, Some(over));
        }
        self.datagrams.depart(&mut self.seam);
    }

    /// Returns when [`poll`](Self::poll) has to be called next, if no frame comes before.
    pub fn poll_at(&mut self) -> Option<Instant> {
        let mut first = self.waits.next();
        let datagram = self.datagrams.due(&self.seam);
        for flow in self.flows.iter_mut().chain(self.door.iter_mut()).filter(|flow| !flow.is_free()) {
            let due = serve::due(flow, &mut self.seam);
            first = [first, due].into_iter().flatten().min();
        }
        [first, datagram].into_iter().flatten().min()
    }

    /// Returns a connection that has come to a listener, each once.
    pub fn accept(&mut self) -> Option<Opened> {
        let index = self.flows.iter().position(|flow| flow.fresh);
        let place = index.map_or(DOOR, |index| u8::try_from(index).unwrap_or(DOOR));
        let flow = self.at(place).filter(|flow| flow.fresh)?;
        flow.fresh = false;
        let flow_id = FlowId { place, serial: flow.serial };
        let (port, peer) = (flow.local.port(), flow.remote);
        Some(Opened { flow: flow_id, port, peer, crowded: place == DOOR })
    }

    /// Opens a connection from any free port; `None` when every place is taken.
    ///
    /// It stands once [`state`](Self::state) is past SYN-SENT, and has failed when that is CLOSED.
    pub fn connect(&mut self, remote: SocketAddrV4) -> Option<FlowId> {
        let index =
            (1..self.flows.len()).step_by(2).find(|at| self.flows.get(*at).is_some_and(Flow::is_free))?;
        let local = self.free_end(remote);
        let serial = self.next_serial();
        let number = isn(&self.seed, local.into(), remote.into(), self.seam.now, None);
        let deadline = self.seam.now.after(self.seam.spans.connect);
        let flow = self.flows.get_mut(index)?;
        flow.begin(serial, local, remote, number);
        flow.owned = true;
        flow.deadline = Some((deadline, Reason::Connect));
        self.seam.recorder.opened(self.seam.now, serial, local.into(), remote.into(), true);
        if flow.socket().connect(self.seam.iface.context(), remote, local).is_err() {
            flow.end(&mut self.seam);
            return None;
        }
        flow.note(&mut self.seam, Cause::Connect);
        Some(FlowId { place: u8::try_from(index).ok()?, serial })
    }

    /// Returns a connection to be read and written, unless it is over and forgotten.
    pub fn stream(&mut self, id: FlowId) -> Option<Socket<'_, 'a>> {
        self.find(id).map(Flow::stream)
    }

    /// Returns a connection like [`stream`](Self::stream), and the recorder for what is done with it.
    pub fn watched(&mut self, id: FlowId) -> Option<(Socket<'_, 'a>, &mut Recorder<S>)> {
        let flow = place_in(self.flows, self.door, id)?;
        Some((flow.stream(), &mut self.seam.recorder))
    }

    /// Returns the two connections of a relay, and the recorder.
    pub fn pair(
        &mut self,
        a: FlowId,
        b: FlowId,
    ) -> Option<(Socket<'_, 'a>, Socket<'_, 'a>, &mut Recorder<S>)> {
        let [front, back] = self.flows.get_disjoint_mut([usize::from(a.place), usize::from(b.place)]).ok()?;
        let both = front.serial == a.serial && back.serial == b.serial;
        both.then(|| (front.stream(), back.stream(), &mut self.seam.recorder))
    }

    /// Returns a connection's state; CLOSED once it is forgotten.
    pub fn state(&mut self, id: FlowId) -> State {
        self.find(id).map_or(State::Closed, |flow| flow.state)
    }

    /// Returns our end of a connection.
    pub fn local(&mut self, id: FlowId) -> Option<SocketAddrV4> {
        self.find(id).map(|flow| flow.local)
    }

    /// Returns whether a deadline ended a connection, and whether its peer was ever reached by a packet.
    pub(crate) fn failed(&mut self, id: FlowId) -> (bool, bool) {
        self.find(id).map_or((false, true), |flow| {
            (flow.expired, flow.guard.tracker().state() != State::Closed || flow.guard.sent_up_to().0 != 0)
        })
    }

    /// Gives a connection back: it is closed, what it still receives is discarded, and it is forgotten.
    pub fn release(&mut self, id: FlowId) {
        let deadline = self.seam.now.after(self.seam.spans.linger);
        let Some(flow) = self.find(id) else { return };
        flow.owned = false;
        flow.deadline = Some((deadline, Reason::Linger));
        flow.lingering = flow.guard.tracker().snd_una();
        if flow.wish == Wish::Keep {
            flow.wish = if flow.state == State::SynSent { Wish::Abort } else { Wish::Close };
        }
    }

    /// Returns the node's own address.
    pub const fn address(&self) -> Ipv4Addr {
        self.seam.address
    }

    /// Returns how often things happened.
    pub const fn counters(&self) -> Counters {
        self.seam.counters
    }

    /// Returns who is told of everything the node does.
    pub const fn recorder(&mut self) -> &mut Recorder<S> {
        &mut self.seam.recorder
    }

    /// Returns who is told, to be read.
    pub const fn told(&self) -> &Recorder<S> {
        &self.seam.recorder
    }

    /// Returns the network card.
    pub const fn nic(&mut self) -> &mut N {
        &mut self.seam.nic
    }

    fn at(&mut self, place: u8) -> Option<&mut Flow<'a>> {
        if place == DOOR { self.door.first_mut() } else { self.flows.get_mut(usize::from(place)) }
    }

    fn find(&mut self, id: FlowId) -> Option<&mut Flow<'a>> {
        place_in(self.flows, self.door, id)
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1).max(1);
        self.serial
    }

    fn free_end(&mut self, remote: SocketAddrV4) -> SocketAddrV4 {
        loop {
            self.port = (self.port + 1) % 16_384;
            let local = SocketAddrV4::new(self.seam.address, 49_152 + self.port);
            let taken = self.flows.iter().any(|flow| flow.joins(local, remote));
            if !taken && self.waits.find(local, remote).is_none() {
                return local;
            }
        }
    }
}

fn place_in<'f, 'a>(
    flows: &'f mut [Flow<'a>],
    door: &'f mut [Flow<'a>],
    id: FlowId,
) -> Option<&'f mut Flow<'a>> {
    let flow = if id.place == DOOR { door.first_mut() } else { flows.get_mut(usize::from(id.place)) };
    flow.filter(|flow| flow.serial == id.serial && !flow.is_free())
}

/// Returns the record of a connection in TIME-WAIT.
fn wait(flow: &Flow<'_>, until: Instant) -> Wait {
    let tracker = flow.guard.tracker();
    let window = tracker.rcv_wnd() >> tracker.our_shift();
    Wait {
        local: flow.local,
        remote: flow.remote,
        serial: flow.serial,
        snd_nxt: flow.guard.sent_up_to(),
        rcv_nxt: tracker.rcv_nxt(),
        window: u16::try_from(window).unwrap_or(u16::MAX),
        until,
    }
}

/// Records that a connection has left TIME-WAIT.
fn forget<N, S: Sink>(seam: &mut Seam<'_, N, S>, over: Option<Wait>) {
    if let Some(wait) = over {
        let (from, to) = (State::TimeWait, State::Closed);
        seam.recorder.state(seam.now, wait.serial, from, Cause::TwoMsl, to, wait.snd_nxt, wait.rcv_nxt);
    }
}

/// Makes an interface with the node's address; whom a packet is handed to is the node's affair.
fn interface(config: &Config, output: &mut [u8]) -> Interface {
    let mut settings = InterfaceConfig::new(HardwareAddress::Ip);
    settings.random_seed = config.seed[0] ^ config.seed[1];
    let mut port = Port::new(None, output);
    let mut interface = Interface::new(settings, &mut port, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(config.address.0, config.address.1)));
    });
    interface
}

/// Returns an endpoint as it stands in replies.
pub(crate) const fn end(end: SocketAddrV4) -> SocketAddr {
    SocketAddr::V4(end)
}
