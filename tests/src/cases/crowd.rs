//! One engine among many peers, each of which is a few numbers, so that what is measured is the engine.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::relay::{Ring, Stream};
use sockhop::tcp::{Empty, Flags, Segment, Seq};
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config, Engine, Event, FlowId, Limits, Wire};

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
/// A data segment of one octet, without options.
const LENGTH: usize = 41;

/// The last segment that the engine has sent, and how many those were.
#[derive(Debug, Default)]
struct Sent {
    last: Option<Segment>,
    count: usize,
}

impl Wire for Sent {
    fn transmit(&mut self, packet: &[u8]) {
        self.last = Segment::parse(packet).ok();
        self.count += 1;
    }
}

/// A peer, as far as it can be told from others.
#[derive(Debug)]
struct Peer {
    at: SocketAddr,
    seq: Seq,
    ack: Seq,
    flow: FlowId,
}

/// An engine, and all who have connected to it.
#[derive(Debug)]
pub struct Crowd {
    now: Instant,
    engine: Engine,
    sent: Sent,
    peers: Vec<Peer>,
    turn: usize,
}

impl Crowd {
    /// Returns an engine to which so many peers have connected, each of whom has been answered once.
    ///
    /// # Panics
    /// A connection does not come about.
    pub fn new(peers: usize) -> Self {
        let mut config = Config::new(vec![(HERE.ip(), 8)], 1_500, [3, 4]);
        config.limits = Limits { rings: 1 << 31, ..Limits::default() };
        let mut engine = Engine::new(config, ());
        engine.listen(HERE, 0);
        let mut crowd = Self { now: Instant::ZERO, engine, sent: Sent::default(), peers: vec![], turn: 0 };
        for number in 0..peers {
            let [.., high, low] = u32::try_from(number).expect("few enough").to_be_bytes();
            crowd.enter(SocketAddr::from(([10, 1, high, low], 5_000)));
        }
        for _ in 0..peers {
            crowd.echo();
        }
        crowd
    }

    /// Has the next peer send an octet, and the engine's owner send one back: two packets.
    ///
    /// # Panics
    /// It does not come back, or more than it does.
    pub fn echo(&mut self) {
        // An octet is acknowledged by the peer's next one, which has to come before the engine sends its own again.
        self.now = self.now + Duration::from_micros(1);
        self.turn = (self.turn + 7_919) % self.peers.len();
        self.sent.count = 0;
        let peer = &mut self.peers[self.turn];
        let mut packet = octet(peer);
        self.engine.ingress(self.now, &mut packet, &mut self.sent);
        let mut socket = self.engine.stream(peer.flow).expect("it stands");
        assert!(matches!(socket.read(&mut [0; 8]), Ok(1)), "an octet came");
        socket.with_space(|_| (1, ())).expect("there is room");
        self.engine.flush(self.now, &mut self.sent);
        while self.engine.next_event().is_some() {}
        let answer = self.sent.last.take().expect("it is answered");
        assert!(answer.len == 1 && self.sent.count == 1, "by an octet, in one packet");
        peer.seq = peer.seq + 1;
        peer.ack = answer.seq + 1;
    }

    /// Has every peer acknowledge what it was sent, and then lets three seconds pass in which nobody says anything; returns
    /// how many octets of rings are in memory before them and after.
    pub fn rest(&mut self) -> (usize, usize) {
        for peer in &self.peers {
            let mut packet = [0; 60];
            let said = Empty { seq: peer.seq, ack: peer.ack, flags: Flags::ACK, window: 60_000 };
            let length = said.write(peer.at, HERE, &mut packet);
            self.engine.ingress(self.now, &mut packet[..length], &mut self.sent);
        }
        self.engine.flush(self.now, &mut self.sent);
        while self.engine.next_event().is_some() {}
        let before = self.engine.resident();
        let end = self.now + Duration::from_secs(3);
        while let Some(next) = self.engine.poll_at().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.engine.flush(self.now, &mut self.sent);
        }
        (before, self.engine.resident())
    }

    /// Connects one more peer.
    fn enter(&mut self, at: SocketAddr) {
        let mut packet = [0; 60];
        let syn = Empty { seq: Seq(99), ack: Seq(0), flags: Flags::SYN, window: 60_000 };
        let length = syn.write(at, HERE, &mut packet);
        self.engine.ingress(self.now, &mut packet[..length], &mut self.sent);
        self.engine.flush(self.now, &mut self.sent);
        let ack = self.sent.last.take().expect("a SYN is answered").seq + 1;
        let reply = Empty { seq: Seq(100), ack, flags: Flags::ACK, window: 60_000 };
        let length = reply.write(at, HERE, &mut packet);
        self.engine.ingress(self.now, &mut packet[..length], &mut self.sent);
        self.engine.flush(self.now, &mut self.sent);
        while let Some(event) = self.engine.next_event() {
            if let Event::Opened { flow, .. } = event {
                self.peers.push(Peer { at, seq: Seq(100), ack, flow });
                return;
            }
        }
        panic!("a connection stands after its handshake");
    }
}

/// Returns a peer's next octet as a packet.
fn octet(peer: &Peer) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    let head = Empty { seq: peer.seq, ack: peer.ack, flags: Flags::ACK, window: 60_000 };
    let length = head.write(peer.at, HERE, &mut packet);
    debug_assert_eq!(length + 1, LENGTH, "no options");
    packet[40] = b'x';
    packet[3] = 41;
    // One octet more: in both lengths, and in front of TCP's sum, which covers it as the first of two.
    lower(&mut packet[10..12], 1);
    lower(&mut packet[36..38], 1 + (u16::from(b'x') << 8));
    packet
}

/// Adds to what an Internet checksum covers (RFC 1624 §3).
fn lower(sum: &mut [u8], added: u16) {
    let before = u32::from(!u16::from_be_bytes([sum[0], sum[1]])) + u32::from(added);
    let folded = u16::try_from((before & 0xffff) + (before >> 16)).expect("two halves and a carry");
    sum.copy_from_slice(&(!folded).to_be_bytes());
}
