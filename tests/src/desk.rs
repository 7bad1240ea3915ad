//! A device on a simulated cable: a node with its proxy at one end, an engine that is client and origin at the other.

use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use sockhop::node::{Config, Limits, Memory, Nic, Node, Policy, Proxy, Report, allow_others, literal};
use sockhop::relay::Stream;
use sockhop::tcp::State;
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config as EngineConfig, Engine, Event, FlowId, Wire};
use sockhop_hosted::lab::Tape;
use sockhop_hosted::link::{Path, Pipe};
use std::collections::VecDeque;
use std::rc::Rc;

/// The device, and the host that its clients and origins are on.
pub const DEVICE: [u8; 4] = [10, 0, 0, 1];
/// The other end.
pub const HOST: [u8; 4] = [10, 0, 0, 2];
/// Clients that the device serves at a time.
pub const CLIENTS: usize = 2;
/// The port of an origin that gives back what it gets.
pub const ECHO: u16 = 7;
/// The port of an origin that takes connections and says nothing.
pub const SILENT: u16 = 9;

/// The packets that wait at a card.
#[derive(Debug, Default)]
struct Waiting {
    came: VecDeque<Vec<u8>>,
    left: VecDeque<Vec<u8>>,
}

/// A network card without an Ethernet header.
#[derive(Clone, Debug, Default)]
pub struct Card(Rc<RefCell<Waiting>>);

impl Nic for Card {
    fn address(&self) -> Option<[u8; 6]> {
        None
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        let packet = self.0.borrow_mut().came.pop_front()?;
        into.get_mut(..packet.len())?.copy_from_slice(&packet);
        Some(packet.len())
    }

    fn transmit(&mut self, frame: &[u8]) {
        self.0.borrow_mut().left.push_back(frame.to_vec());
    }
}

/// A client's connection to the device, with what it has to say and what it has heard.
#[derive(Debug)]
pub struct Client {
    flow: FlowId,
    say: VecDeque<u8>,
    closes: bool,
    closed: bool,
    /// What it has heard.
    pub heard: Vec<u8>,
    /// Whether the device has ended its direction, or how the connection broke.
    pub end: Option<Result<(), sockhop::relay::Broken>>,
}

impl Client {
    /// Says more.
    pub fn say(&mut self, octets: &[u8]) {
        self.say.extend(octets);
    }

    /// Ends its direction behind what it has to say.
    pub const fn close(&mut self) {
        self.closes = true;
    }

    /// Ends at once, with a reset.
    pub fn abort(&mut self, engine: &mut Engine<Tape>) {
        if let Some(mut stream) = engine.stream(self.flow) {
            stream.abort();
        }
        engine.release(self.flow);
    }

    fn live(&mut self, engine: &mut Engine<Tape>) {
        let Some(mut stream) = engine.stream(self.flow) else {
            self.end = self.end.or(Some(Err(sockhop::relay::Broken::Reset)));
            return;
        };
        while let Ok(count) = write(&mut stream, self.say.make_contiguous()) {
            self.say.drain(..count);
        }
        if self.closes && self.say.is_empty() && !self.closed {
            stream.close();
            self.closed = true;
        }
        let mut room = [0; 4_096];
        while self.end.is_none() {
            match stream.read(&mut room) {
                Ok(0) => self.end = Some(Ok(())),
                Ok(count) => self.heard.extend_from_slice(&room[..count]),
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(how)) => self.end = Some(Err(how)),
            }
        }
        if self.closed && self.end.is_some() {
            engine.release(self.flow);
        }
    }
}

fn write(stream: &mut impl Stream, octets: &[u8]) -> nb::Result<usize, ()> {
    if octets.is_empty() {
        Err(nb::Error::WouldBlock)
    } else {
        stream.write(octets).map_err(|e| e.map(|_| ()))
    }
}

/// Both ends and the cable.
#[derive(Debug)]
pub struct Desk {
    /// The host's end.
    pub engine: Engine<Tape>,
    /// The device's stack.
    pub node: Node<'static, Card, Tape>,
    /// The device's SOCKS server.
    pub proxy: Proxy<CLIENTS, 224>,
    /// What the device said of sessions that are over.
    pub reports: Vec<Report>,
    /// From the host to the device.
    pub there: Pipe,
    /// From the device to the host.
    pub back: Pipe,
    card: Card,
    echoes: Vec<Client>,
    now: Instant,
}

impl Desk {
    /// Returns a device with rings of 512 octets at the end of this cable.
    pub fn new(path: &Path, seed: u64) -> Self {
        let mut engine =
            Engine::new(EngineConfig::new(vec![(IpAddr::from(HOST), 24)], 1_500, [seed, 5]), Tape::default());
        engine.listen(SocketAddr::from((HOST, ECHO)), 1);
        engine.listen(SocketAddr::from((HOST, SILENT)), 2);
        let card = Card::default();
        // A node's memory stands in a static, as on a device.
        let memory: &'static mut Memory<'static, CLIENTS, 512> = Box::leak(Box::default());
        let address = (DEVICE.into(), 24);
        let config = Config { address, gateway: None, seed: [seed, 9], limits: Limits::default() };
        let mut node = Node::new(card.clone(), memory, config, Tape::default());
        assert!(node.listen(1_080));
        let policy = Policy { login: None, allow: allow_others, resolve: literal };
        Self {
            engine,
            node,
            proxy: Proxy::new(policy),
            reports: vec![],
            there: Pipe::new(path.clone(), seed),
            back: Pipe::new(path.clone(), seed ^ 0x5555),
            card,
            echoes: vec![],
            now: Instant::ZERO,
        }
    }

    /// Returns the time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Connects a client to the device's proxy.
    ///
    /// # Panics
    /// The host has no place for it.
    pub fn client(&mut self) -> Client {
        let (local, remote) = (SocketAddr::from((HOST, 0)), SocketAddr::from((DEVICE, 1_080)));
        let flow = self.engine.connect(self.now, local, remote).expect("the host has room");
        Client { flow, say: VecDeque::new(), closes: false, closed: false, heard: vec![], end: None }
    }

    /// Returns the state of a client's connection at its own end.
    pub fn state(&self, client: &Client) -> State {
        self.engine.state(client.flow)
    }

    /// Returns the client's end of its connection.
    ///
    /// # Panics
    /// It is over and forgotten.
    pub fn local(&self, client: &Client) -> SocketAddr {
        self.engine.ends(client.flow).expect("it stands").0
    }

    /// Puts a packet on the way to the device.
    pub fn inject(&mut self, packet: &[u8]) {
        self.there.transmit(packet);
    }

    /// Lets both ends do what they can at this moment.
    pub fn settle(&mut self, clients: &mut [Client]) {
        while let Some(packet) = self.there.arrived(self.now) {
            self.card.0.borrow_mut().came.push_back(packet);
            self.device();
        }
        self.device();
        while let Some(mut packet) = self.back.arrived(self.now) {
            self.engine.ingress(self.now, &mut packet, &mut self.there);
        }
        while let Some(event) = self.engine.next_event() {
            if let Event::Opened { flow, service: 1, .. } = event {
                let (say, heard) = (VecDeque::new(), vec![]);
                self.echoes.push(Client { flow, say, closes: false, closed: false, heard, end: None });
            }
        }
        for echo in &mut self.echoes {
            echo.live(&mut self.engine);
            let heard = core::mem::take(&mut echo.heard);
            echo.say(&heard);
            echo.closes |= echo.end.is_some();
            echo.live(&mut self.engine);
        }
        self.echoes.retain(|echo| !(echo.closed && echo.end.is_some()));
        clients.iter_mut().for_each(|client| client.live(&mut self.engine));
        self.engine.flush(self.now, &mut self.there);
    }

    /// Runs the device's main loop once, as firmware does.
    fn device(&mut self) {
        loop {
            let busy = self.node.poll(self.now);
            while let Some(opened) = self.node.accept() {
                self.proxy.opened(&mut self.node, opened);
            }
            let before = self.reports.len();
            while let Some(report) = self.proxy.work(self.now, &mut self.node) {
                self.reports.push(report);
            }
            self.node.drop_datagram();
            // What a session wrote leaves with the next poll.
            if !busy && self.reports.len() == before {
                break;
            }
        }
        self.node.poll(self.now);
        let left: Vec<_> = self.card.0.borrow_mut().left.drain(..).collect();
        left.iter().for_each(|packet| self.back.transmit(packet));
    }

    /// Moves the clock to the next event, or to `until` if that comes first.
    pub fn advance(&mut self, until: Instant) {
        let timers = [self.engine.poll_at(), self.node.poll_at(), self.proxy.poll_at()];
        let next =
            timers.into_iter().chain([self.there.next(), self.back.next(), Some(until)]).flatten().min();
        self.now = self.now.max(next.unwrap_or(until));
    }

    /// Lets time pass until `done`; returns whether that came in time.
    pub fn run(
        &mut self,
        clients: &mut [Client],
        most: Duration,
        mut done: impl FnMut(&mut Self, &[Client]) -> bool,
    ) -> bool {
        let until = self.now + most;
        loop {
            self.settle(clients);
            if done(self, clients) {
                return true;
            }
            if self.now >= until {
                return false;
            }
            self.advance(until);
        }
    }
}

/// Returns the octets by which a client asks for a target, without a password.
pub fn connect(to: SocketAddrV4) -> Vec<u8> {
    ask(1, to)
}

/// Returns the octets by which a client asks for this command, without a password.
pub fn ask(command: u8, to: SocketAddrV4) -> Vec<u8> {
    let mut octets = vec![5, 1, 0, 5, command, 0, 1];
    octets.extend(to.ip().octets());
    octets.extend(to.port().to_be_bytes());
    octets
}
