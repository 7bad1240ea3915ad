//! Clients at this host's own sockets, which never wait.
//!
//! A connection keeps no buffers while it waits: octets pass through one room that all share, and only what the other
//! side did not take is kept. A connection that has moved enough in one turn waits until the others had theirs.

use super::Front;
use super::connection::{Connection, Lent, ROOM};
use crate::egress::retried;
use crate::engine::{Datagram, Event, FlowId, Service, Timers};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use slab::Slab;
use sockhop::time::Instant;
use sockhop::trace::Recorder;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read};

/// Tokens from here upwards are the front's.
const FIRST: usize = 1 << 40;
/// Tokens tell connections, datagrams' sockets and listeners apart by their remainder.
const KINDS: usize = 3;
const DATAGRAMS: usize = 1;
const LISTENER: usize = 2;
/// Datagrams before everything else has its turn.
const DATAGRAM_TURN: usize = 64;
/// How long a connection that was given back may take to hear its client's end.
const LINGER: Duration = Duration::from_secs(2);
/// How long it may take to send what is left.
const SENDING: Duration = Duration::from_secs(60);
/// How long nobody is accepted after the host had no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// The service that every connection is for.
const SERVICE: Service = 1;

/// Clients at this host's sockets.
#[derive(Debug)]
pub struct HostFront {
    registry: Registry,
    listeners: Vec<TcpListener>,
    connections: Slab<Connection>,
    ports: Slab<(SocketAddr, UdpSocket)>,
    by_port: HashMap<SocketAddr, usize>,
    events: VecDeque<Event>,
    again: VecDeque<FlowId>,
    datagrams: VecDeque<usize>,
    datagram_turn: usize,
    waiting: VecDeque<usize>,
    /// When accepting is tried again.
    accept_at: Option<Instant>,
    timers: Timers,
    most: usize,
    serial: u32,
    room: Vec<u8>,
    recorder: Recorder<()>,
    /// Connections accepted, and those turned away because there were too many.
    counted: (u64, u64),
}

/// Listens at each of these addresses.
///
/// # Errors
/// The host's, with the address that cannot be listened at.
pub fn listen(at: &[SocketAddr]) -> io::Result<Vec<std::net::TcpListener>> {
    let named = |at: &SocketAddr, error: io::Error| io::Error::new(error.kind(), format!("{at}: {error}"));
    // Through mio, whose listeners may take an address again that was used a moment ago.
    let listen = |at: &SocketAddr| TcpListener::bind(*at).map_err(|error| named(at, error));
    at.iter().map(|at| listen(at).map(std::net::TcpListener::from)).collect()
}

impl HostFront {
    /// Returns a front for at most `most` clients at once that come to these listeners, which do not wait from now on.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub fn new(registry: Registry, at: Vec<std::net::TcpListener>, most: usize) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for (number, listener) in at.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener);
            let token = Token(FIRST + KINDS * number + LISTENER);
            registry.register(&mut listener, token, Interest::READABLE)?;
            listeners.push(listener);
        }
        Ok(Self {
            registry,
            listeners,
            connections: Slab::new(),
            ports: Slab::new(),
            by_port: HashMap::new(),
            events: VecDeque::new(),
            again: VecDeque::new(),
            datagrams: VecDeque::new(),
            datagram_turn: 0,
            waiting: VecDeque::new(),
            accept_at: None,
            timers: Timers::default(),
            most,
            serial: 0,
            room: vec![0; ROOM],
            recorder: Recorder::new(()),
            counted: (0, 0),
        })
    }

    /// Returns where it listens.
    ///
    /// # Errors
    /// The host's.
    pub fn listens_at(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Returns how many clients there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Returns whether there is no client.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Returns how many connections were accepted, and how many turned away.
    pub const fn counted(&self) -> (u64, u64) {
        self.counted
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().map(|(_, connection)| connection)
    }

    pub(super) fn open_ports(&self) -> impl Iterator<Item = SocketAddr> {
        self.ports.iter().map(|(_, (at, _))| *at)
    }

    /// Accepts nobody any more.
    pub fn close(&mut self) {
        self.listeners.clear();
    }

    /// Takes a connection in that was opened elsewhere.
    ///
    /// # Errors
    /// The host's, when it cannot be waited for.
    pub fn adopt(&mut self, now: Instant, stream: std::net::TcpStream) -> io::Result<FlowId> {
        stream.set_nonblocking(true)?;
        let remote = stream.peer_addr()?;
        match self.admit(now, TcpStream::from_std(stream), remote) {
            Some(Event::Opened { flow, .. }) => Ok(flow),
            Some(Event::Ready(_)) | None => Err(ErrorKind::QuotaExceeded.into()),
        }
    }

    /// Opens this UDP port, or any for port 0, and returns which it is.
    ///
    /// # Errors
    /// The host's.
    pub fn open_port_at(&mut self, at: SocketAddr) -> io::Result<SocketAddr> {
        let mut socket = UdpSocket::bind(at)?;
        let at = socket.local_addr()?;
        let entry = self.ports.vacant_entry();
        let token = Token(FIRST + KINDS * entry.key() + DATAGRAMS);
        self.registry.register(&mut socket, token, Interest::READABLE)?;
        self.by_port.insert(at, entry.key());
        entry.insert((at, socket));
        Ok(at)
    }

    /// Takes note of an event of one of its sockets; returns whether it was one.
    pub fn ready(&mut self, token: Token) -> bool {
        let Some(number) = token.0.checked_sub(FIRST) else { return false };
        let entry = number / KINDS;
        match number % KINDS {
            LISTENER => self.waiting.push_back(entry),
            DATAGRAMS if self.ports.contains(entry) => self.datagrams.push_back(entry),
            DATAGRAMS => {}
            _ => {
                if let Some(connection) = self.connections.get(entry) {
                    self.events.push_back(Event::Ready(connection.id));
                }
            }
        }
        true
    }

    /// Returns the next thing that happened.
    pub fn next_event(&mut self, now: Instant) -> Option<Event> {
        while let Some(slot) = self.timers.due(now, self.connections.len(), |slot| {
            self.connections.get(slot).and_then(|connection| connection.timer)
        }) {
            self.connections.remove(slot);
        }
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept_at = None;
            self.waiting.extend(0..self.listeners.len());
        }
        while let Some(event) = self.events.pop_front() {
            let Event::Ready(id) = event else { return Some(event) };
            let Some(connection) = self.connections.get_mut(id.slot()).filter(|found| found.id == id) else {
                continue;
            };
            connection.rest();
            if connection.released {
                self.linger(id.slot(), now);
                continue;
            }
            connection.flush();
            return Some(event);
        }
        self.accept(now)
    }

    /// Lets those come up again that had to wait for the others, and returns when there is something to do.
    pub fn poll_at(&mut self) -> Option<Instant> {
        self.events.extend(self.again.drain(..).map(Event::Ready));
        self.datagram_turn = 0;
        let busy = !self.events.is_empty() || !self.waiting.is_empty() || !self.datagrams.is_empty();
        let busy = busy.then_some(Instant::ZERO);
        [busy, self.accept_at, self.timers.next()].into_iter().flatten().min()
    }

    /// Accepts one client.
    fn accept(&mut self, now: Instant) -> Option<Event> {
        while let Some(number) = self.waiting.front().copied() {
            match self.listeners.get(number).map(TcpListener::accept) {
                Some(Ok((stream, remote))) => {
                    if let Some(event) = self.admit(now, stream, remote) {
                        return Some(event);
                    }
                }
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                // The client was gone before it was accepted.
                Some(Err(error)) if error.kind() == ErrorKind::ConnectionAborted => {}
                Some(Err(error)) => {
                    if error.kind() != ErrorKind::WouldBlock {
                        self.accept_at = Some(now + EXHAUSTED);
                    }
                    self.waiting.pop_front();
                }
                None => {
                    self.waiting.pop_front();
                }
            }
        }
        None
    }

    fn admit(&mut self, now: Instant, mut stream: TcpStream, remote: SocketAddr) -> Option<Event> {
        if self.connections.len() >= self.most {
            self.counted.1 += 1;
            return None;
        }
        let plain = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let local = plain(stream.local_addr().ok()?);
        let remote = plain(remote);
        let entry = self.connections.vacant_entry();
        let token = Token(FIRST + KINDS * entry.key());
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).ok()?;
        // An octet that waits for others is no failure.
        let _ = stream.set_nodelay(true);
        self.serial = self.serial.wrapping_add(1);
        let id = FlowId::new(entry.key(), self.serial);
        entry.insert(Connection::new(id, stream, (local, remote), now));
        self.counted.0 += 1;
        Some(Event::Opened { flow: id, service: SERVICE, local, remote })
    }

    /// Hears a client out whose connection was given back, so that its close is no reset that eats our last words.
    fn linger(&mut self, slot: usize, now: Instant) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let sent = connection.flush();
        let ended = loop {
            match retried(|| connection.stream.read(&mut self.room)) {
                Ok(0) | Err(nb::Error::Other(_)) => break true,
                Ok(_) => {}
                Err(nb::Error::WouldBlock) => break false,
            }
        };
        if connection.aborted || connection.broken.is_some() || (sent && ended) {
            self.connections.remove(slot);
            return;
        }
        let limit = now + if sent { LINGER } else { SENDING };
        let sooner = connection.timer.is_none_or(|at| sent && at > limit);
        if sooner {
            connection.timer = self.timers.set(slot, Some(limit), connection.timer);
        }
    }
}

impl Front for HostFront {
    type Sink = ();
    type Ring<'a>
        = Lent<'a>
    where
        Self: 'a;

    fn watched(&mut self, flow: FlowId) -> Option<(Lent<'_>, &mut Recorder<()>)> {
        let connection = self.connections.get_mut(flow.slot()).filter(|connection| connection.id == flow)?;
        let lent = Lent { connection, room: &mut self.room, again: &mut self.again };
        Some((lent, &mut self.recorder))
    }

    fn recorder(&mut self) -> &mut Recorder<()> {
        &mut self.recorder
    }

    fn is_closed(&mut self, flow: FlowId) -> bool {
        let Some(connection) = self.connections.get_mut(flow.slot()).filter(|found| found.id == flow) else {
            return true;
        };
        if connection.broken.is_none()
            && let Err(nb::Error::Other(how)) = retried(|| connection.stream.peek(&mut [0]))
        {
            connection.broken = Some(how);
        }
        connection.broken.is_some()
    }

    fn ends(&self, flow: FlowId) -> Option<(SocketAddr, SocketAddr)> {
        self.connections.get(flow.slot()).filter(|found| found.id == flow).map(|found| found.ends)
    }

    fn release(&mut self, flow: FlowId) {
        let Some(connection) = self.connections.get_mut(flow.slot()).filter(|found| found.id == flow) else {
            return;
        };
        connection.released = true;
        connection.closing = true;
        connection.rest();
        self.events.push_back(Event::Ready(flow));
    }

    fn open_port(&mut self, ip: IpAddr) -> Option<SocketAddr> {
        self.open_port_at(SocketAddr::new(ip, 0)).ok()
    }

    fn close_port(&mut self, at: SocketAddr) {
        if let Some(entry) = self.by_port.remove(&at) {
            self.ports.try_remove(entry);
        }
    }

    fn next_datagram(&mut self) -> Option<Datagram> {
        while self.datagram_turn < DATAGRAM_TURN {
            let entry = *self.datagrams.front()?;
            self.datagram_turn += 1;
            match self.ports.get(entry).map(|(at, socket)| (*at, socket.recv_from(&mut self.room))) {
                Some((at, Ok((count, from)))) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    return Some(Datagram { at, from, payload: self.room[..count].to_vec() });
                }
                // An ICMP error of an earlier datagram; the next call tells of something else.
                Some((_, Err(error))) if error.kind() != ErrorKind::WouldBlock => {}
                Some(_) | None => {
                    self.datagrams.pop_front();
                }
            }
        }
        None
    }

    fn send_datagram(&mut self, at: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        let entry = self.by_port.get(&at).and_then(|entry| self.ports.get(*entry));
        entry.is_some_and(|(_, socket)| socket.send_to(payload, to).is_ok())
    }
}
