//! One engine, and a peer whose every segment is written by hand.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};
use sockhop::relay::{Ring, Stream};
use sockhop::tcp::{Flags, Malformed, Rules, Segment, Seq, State};
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config, Engine, Event, FlowId, Wire};
use sockhop_hosted::lab::Tape;

/// The number of the peer's SYN.
pub const PEER: u32 = 1_000;

/// Segments that the engine has sent.
#[derive(Debug, Default)]
struct Sent(Vec<Segment>);

impl Wire for Sent {
    fn transmit(&mut self, packet: &[u8]) {
        match Segment::parse(packet) {
            Ok(segment) => {
                assert!(sockhop::tcp::is_intact(packet), "what the engine sends has the right checksum");
                self.0.push(segment);
            }
            Err(Malformed::Protocol(_)) => {}
            Err(error) => panic!("the engine sends whole segments: {error}"),
        }
    }
}

/// Returns the packet that carries a segment, with its checksums.
pub fn packet(tcp: &TcpRepr<'_>, source: IpAddress, target: IpAddress) -> Vec<u8> {
    let ip = IpRepr::new(source, target, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let mut packet = vec![0; ip.header_len() + tcp.buffer_len()];
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut packet[..], &checksums);
    let header = ip.header_len();
    tcp.emit(&mut TcpPacket::new_unchecked(&mut packet[header..]), &source, &target, &checksums);
    packet
}

/// A listening engine and the peer that has connected to it.
#[derive(Debug)]
pub struct Script {
    /// The engine.
    pub engine: Engine<Tape>,
    /// The peer's connection, once it stands.
    pub flow: Option<FlowId>,
    /// The engine's initial number.
    pub iss: Seq,
    ends: (SocketAddr, SocketAddr),
    now: Instant,
    sent: Sent,
    heard: Vec<u8>,
    ended: bool,
}

impl Script {
    /// Returns an engine with these rules and rings of this size, to which a peer with this window has connected.
    pub fn open(rules: Rules, ring: usize, window: u16) -> Self {
        let mut script = Self::listening(rules, ring);
        script.send(0, None, Flags::SYN, window, b"");
        script.iss = script.take().pop().expect("a SYN is answered").seq;
        script.send(1, Some(1), Flags::ACK, window, b"");
        script.take();
        assert!(script.flow.is_some(), "the connection stands");
        script
    }

    /// Returns an engine with these rules that nobody has spoken to.
    pub fn listening(rules: Rules, ring: usize) -> Self {
        let ends = (SocketAddr::from(([10, 0, 0, 1], 80)), SocketAddr::from(([10, 0, 0, 2], 5_000)));
        let mut config = Config::new(vec![(ends.0.ip(), 24)], 1_500, [7, 8]);
        config.guard = rules;
        config.limits.ring = (ring, ring);
        let mut engine = Engine::new(config, Tape::default());
        engine.listen(ends.0, 0);
        Self {
            engine,
            flow: None,
            iss: Seq(0),
            ends,
            now: Instant::ZERO,
            sent: Sent::default(),
            heard: vec![],
            ended: false,
        }
    }

    /// Lets the peer speak from another port.
    #[must_use]
    pub fn from_port(mut self, port: u16) -> Self {
        self.ends.1.set_port(port);
        self
    }

    /// Sends a segment of the peer's; numbers count from both SYNs.
    pub fn send(&mut self, seq: i64, ack: Option<i64>, flags: Flags, window: u16, payload: &[u8]) {
        let mut packet = self.packet(seq, ack, flags, window, payload);
        self.deliver(&mut packet);
    }

    /// Returns a segment of the peer's as a packet.
    pub fn packet(&self, seq: i64, ack: Option<i64>, flags: Flags, window: u16, payload: &[u8]) -> Vec<u8> {
        let number = |origin: u32, at: i64| TcpSeqNumber(origin.wrapping_add(at as u32).cast_signed());
        let control = match flags.0 & 0x07 {
            1 => TcpControl::Fin,
            2 => TcpControl::Syn,
            4 => TcpControl::Rst,
            _ => TcpControl::None,
        };
        let syn = control == TcpControl::Syn;
        let tcp = TcpRepr {
            src_port: self.ends.1.port(),
            dst_port: self.ends.0.port(),
            control,
            seq_number: number(PEER, seq),
            ack_number: ack.map(|at| number(self.iss.0, at)),
            window_len: window,
            window_scale: syn.then_some(0),
            max_seg_size: syn.then_some(1_000),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        packet(&tcp, self.ends.1.ip().into(), self.ends.0.ip().into())
    }

    /// Sends any packet.
    pub fn deliver(&mut self, packet: &mut [u8]) {
        self.engine.ingress(self.now, packet, &mut self.sent);
        self.settle();
    }

    /// Sends an empty acknowledgment of the peer's.
    pub fn ack(&mut self, seq: i64, ack: i64, window: u16) {
        self.send(seq, Some(ack), Flags::ACK, window, b"");
    }

    fn settle(&mut self) {
        self.engine.flush(self.now, &mut self.sent);
        while let Some(event) = self.engine.next_event() {
            if let Event::Opened { flow, .. } = event {
                self.flow = Some(flow);
            }
        }
    }

    /// Lets time pass, with everything that happens meanwhile.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.engine.poll_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.settle();
        }
        self.now = until;
        self.settle();
    }

    /// Writes so many octets into the connection.
    pub fn write(&mut self, mut octets: usize) {
        let flow = self.flow.expect("the connection stands");
        let mut socket = self.engine.stream(flow).expect("it is there");
        while octets > 0 {
            let put = socket.with_space(|space| (space.len().min(octets), space.len().min(octets)));
            octets -= put.expect("there is room");
        }
        self.settle();
    }

    /// Writes so many octets, or as many as there is room for.
    pub fn offer(&mut self, mut octets: usize) {
        if let Some(mut socket) = self.flow.and_then(|flow| self.engine.stream(flow)) {
            while octets > 0 {
                match socket.with_space(|space| (space.len().min(octets), space.len().min(octets))) {
                    Ok(count) => octets -= count,
                    Err(_) => break,
                }
            }
        }
        self.settle();
    }

    /// Closes the connection's sending half.
    pub fn close(&mut self) {
        if let Some(mut socket) = self.flow.and_then(|flow| self.engine.stream(flow)) {
            socket.close();
        }
        self.settle();
    }

    /// Reads what has arrived; returns everything read so far, and whether the end of stream has.
    pub fn read(&mut self) -> (&[u8], bool) {
        let flow = self.flow.expect("the connection stands");
        if let Some(mut socket) = self.engine.stream(flow) {
            loop {
                match socket.with_received(|octets| (octets.len(), octets.to_vec())) {
                    Ok(Some(octets)) => self.heard.extend(octets),
                    Ok(None) => {
                        self.ended = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        self.settle();
        (&self.heard, self.ended)
    }

    /// Returns the connection's state.
    pub fn state(&self) -> State {
        self.flow.map_or(State::Closed, |flow| self.engine.state(flow))
    }

    /// Takes what the engine has sent since the last time.
    pub fn take(&mut self) -> Vec<Segment> {
        core::mem::take(&mut self.sent.0)
    }

    /// Returns a number of the engine's, counted from its SYN.
    pub fn relative(&self, seq: Seq) -> i32 {
        seq.since(self.iss)
    }

    /// Returns the engine's address.
    pub const fn address(&self) -> IpAddr {
        match self.ends.0 {
            SocketAddr::V4(at) => IpAddr::V4(*at.ip()),
            SocketAddr::V6(at) => IpAddr::V6(*at.ip()),
        }
    }
}
