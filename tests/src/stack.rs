//! What holds for a stack, a guard, a relay and a parser, whatever comes.

use crate::oracle::{Count, compare};
use crate::script::Script;
use core::time::Duration;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket, TcpRepr};
use sockhop::relay::{Broken, Relay, Ring, State, Stream};
use sockhop::tcp::{Flags, Law, Rules, Segment};
use sockhop_hosted::sim::violations;
use std::collections::VecDeque;

/// A header is read as smoltcp reads it, and never beyond the packet.
///
/// # Panics
/// It is not.
pub fn segment_is_read_as_smoltcp_reads_it(packet: &[u8]) {
    let Ok(segment) = Segment::parse(packet) else { return };
    let end = usize::from(segment.header) + segment.len as usize;
    assert!(end <= packet.len(), "a segment ends inside of its packet");
    let (source, target) = (IpAddress::from(segment.src.ip()), IpAddress::from(segment.dst.ip()));
    let payload = match packet[0] >> 4 {
        4 => Ipv4Packet::new_checked(packet).ok().map(|ip| ip.payload()),
        _ => Ipv6Packet::new_checked(packet).ok().map(|ip| ip.payload()),
    };
    let Some(tcp) = payload.and_then(|payload| TcpPacket::new_checked(payload).ok()) else { return };
    let ignored = ChecksumCapabilities::ignored();
    let Ok(theirs) = TcpRepr::parse(&tcp, &source, &target, &ignored) else { return };
    assert_eq!(segment.src.port(), theirs.src_port);
    assert_eq!(segment.dst.port(), theirs.dst_port);
    assert_eq!(segment.seq.0, theirs.seq_number.0.cast_unsigned());
    assert_eq!(segment.window, theirs.window_len);
    assert_eq!(segment.len as usize, theirs.payload.len());
    let ack = segment.flags.contains(Flags::ACK).then_some(segment.ack.0);
    assert_eq!(ack, theirs.ack_number.map(|number| number.0.cast_unsigned()));
}

/// Whatever a peer sends and an owner does, the guard knows what smoltcp believes, nothing panics, and every
/// event is one that RFC 9293 allows.
///
/// The first octet chooses the rings; each eight after that are a deed of the peer's, the owner's or the clock's.
///
/// # Panics
/// It does not hold.
pub fn guard_knows_what_smoltcp_believes(input: &[u8]) {
    let Some((first, deeds)) = input.split_first() else { return };
    let ring = [64, 100, 500, 1_460][usize::from(first & 3)];
    let mut script = Script::open(Rules::ALL, ring, if first & 4 == 0 { 2_000 } else { 100 });
    let mut count = Count::default();
    for deed in deeds.chunks_exact(8).take(200) {
        perform(&mut script, deed);
        assert_eq!(script.engine.counters().panics, 0, "smoltcp does not panic");
        if let Some(flow) = script.flow {
            compare(&script.engine, flow, &mut count);
        }
    }
    // A peer that sends octets beyond its own FIN makes smoltcp acknowledge one more than has come.
    let violation = violations(script.engine.sink()).find(|found| found.law != Law::AckArrived);
    assert_eq!(violation, None, "{}", violation.map(|found| found.to_string()).unwrap_or_default());
}

fn perform(script: &mut Script, deed: &[u8]) {
    let small = |octet: u8| i64::from(octet.cast_signed());
    let near = |at: i32, octet: u8| i64::from(at) + if octet & 0xc0 == 0 { 0 } else { small(octet) * 9 };
    let Some((una, rcv)) = bearings(script) else { return };
    match deed[0] & 0x0f {
        0..=8 => {
            let flags = match deed[1] & 0x1f {
                0 => Flags::SYN,
                1 => Flags::RST,
                2..=5 => Flags::FIN,
                _ => Flags::default(),
            };
            let bare = Flags(flags.0 | if deed[1] & 0x40 == 0 { Flags::ACK.0 } else { 0 });
            let length = if deed[4] & 1 == 0 { 0 } else { usize::from(deed[5]) * 2 };
            let ack = bare.contains(Flags::ACK).then(|| near(una, deed[3]));
            let window = if deed[6] & 3 == 0 { 0 } else { u16::from(deed[7]) * 16 };
            script.send(near(rcv, deed[2]), ack, bare, window, &vec![deed[7]; length]);
        }
        9 | 10 if !matches!(script.state(), sockhop::tcp::State::Closed) => {
            script.offer(usize::from(deed[1]) * 8)
        }
        11 => {
            script.read();
        }
        12 => script.close(),
        _ => script.wait(Duration::from_millis(u64::from(deed[1]) * 40)),
    }
}

/// Returns SND.UNA and RCV.NXT, counted from the SYNs as a script counts.
fn bearings(script: &Script) -> Option<(i32, i32)> {
    let tracker = script.engine.tracker(script.flow?)?;
    Some((tracker.snd_una().since(tracker.iss()), tracker.rcv_nxt().since(tracker.irs())))
}

/// Packets of a conversation, each with some octets changed and its checksums put right again, never make a stack
/// panic or leave RFC 9293's ways.
///
/// Each six octets change one packet: which, where, and to what.
///
/// # Panics
/// They do.
pub fn stack_survives_any_packets(input: &[u8]) {
    let mut script = Script::open(Rules::ALL, 2_000, 2_000);
    for change in input.chunks_exact(6).take(400) {
        let Some((una, rcv)) = bearings(&script) else {
            script = Script::open(Rules::ALL, 2_000, 2_000);
            continue;
        };
        let length = if change[0] & 1 == 0 { 0 } else { usize::from(change[1]) };
        let flags = Flags(if change[0] & 2 == 0 { Flags::ACK.0 } else { change[1] & 0x1f });
        let mut packet = script.packet(rcv.into(), Some(una.into()), flags, 2_000, &vec![0; length]);
        let place = usize::from(change[2]) % packet.len();
        packet[place] = change[3];
        let place = usize::from(change[4]) % packet.len();
        packet[place] ^= change[5];
        repair(&mut packet);
        script.deliver(&mut packet);
        match change[0] >> 4 {
            0 => script.offer(700),
            1 => drop(script.read().1),
            2 => script.wait(Duration::from_millis(700)),
            3 if change[1] == 0 => script.close(),
            _ => {}
        }
        assert_eq!(script.engine.counters().panics, 0, "smoltcp does not panic");
    }
    let violation = violations(script.engine.sink()).find(|found| found.law != Law::AckArrived);
    assert_eq!(violation, None, "{}", violation.map(|found| found.to_string()).unwrap_or_default());
}

/// Puts the checksums of an IPv4 packet right, as far as it is one.
fn repair(packet: &mut [u8]) {
    if let Ok(mut ip) = Ipv4Packet::new_checked(&mut packet[..]) {
        ip.fill_checksum();
        let (source, target) = (IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()));
        if let Ok(mut tcp) = TcpPacket::new_checked(ip.payload_mut()) {
            tcp.fill_checksum(&source, &target);
        }
    }
}

/// A relay passes every octet on in order and once, and a FIN behind them.
///
/// # Panics
/// It does not.
pub fn relay_passes_everything_on(input: &[u8]) {
    let (mut a, mut b) = (Pipe::new(1), Pipe::new(101));
    let mut relay = Relay::new();
    for octets in input.chunks_exact(4).take(500) {
        a.live(octets[0], octets[1]);
        b.live(octets[2], octets[3]);
        relay.pump(&mut a, &mut b);
        assert!(b.heard.iter().copied().eq(Pipe::pattern(1).take(b.heard.len())), "up, in order");
        assert!(a.heard.iter().copied().eq(Pipe::pattern(101).take(a.heard.len())), "down, in order");
        assert_eq!(relay.carried(), (b.heard.len() as u64, a.heard.len() as u64));
        assert!(
            !b.closed || a.ended && a.arrived.is_empty(),
            "a FIN is passed on behind the octets before it"
        );
        assert!(!a.closed || b.ended && b.arrived.is_empty(), "and the other way round");
        match relay.state() {
            State::Done => assert!(a.closed && b.closed),
            State::Broken => assert!(a.aborted || b.aborted || a.broken || b.broken),
            State::Both | State::UpOnly | State::DownOnly | State::Breaking => {}
        }
    }
}

/// A stream whose peer does what octets say.
#[derive(Debug)]
struct Pipe {
    seed: u8,
    given: usize,
    arrived: VecDeque<u8>,
    heard: Vec<u8>,
    room: usize,
    ended: bool,
    broken: bool,
    closed: bool,
    aborted: bool,
}

impl Pipe {
    fn pattern(seed: u8) -> impl Iterator<Item = u8> {
        (0_u32..).map(move |at| at.wrapping_mul(167).to_le_bytes()[0] ^ seed)
    }

    fn new(seed: u8) -> Self {
        Self {
            seed,
            given: 0,
            arrived: VecDeque::new(),
            heard: vec![],
            room: 0,
            ended: false,
            broken: false,
            closed: false,
            aborted: false,
        }
    }

    fn live(&mut self, what: u8, count: u8) {
        match what & 0x3f {
            0 => self.ended = true,
            1 => self.broken = true,
            2..=20 if !self.ended && !self.broken => {
                let next = Self::pattern(self.seed).skip(self.given).take(usize::from(count));
                self.given += usize::from(count);
                self.arrived.extend(next);
            }
            21..=40 => self.room += usize::from(count),
            _ => {}
        }
    }
}

impl Stream for Pipe {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        if self.arrived.is_empty() {
            return match (self.broken, self.ended) {
                (true, _) => Err(nb::Error::Other(Broken::Reset)),
                (false, true) => Ok(0),
                (false, false) => Err(nb::Error::WouldBlock),
            };
        }
        let count = self.arrived.len().min(into.len());
        for (place, octet) in into.iter_mut().zip(self.arrived.drain(..count)) {
            *place = octet;
        }
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        assert!(!self.closed, "nothing is written behind a FIN");
        if self.broken {
            return Err(nb::Error::Other(Broken::Reset));
        }
        let count = self.room.min(from.len());
        self.room -= count;
        self.heard.extend_from_slice(&from[..count]);
        if count == 0 { Err(nb::Error::WouldBlock) } else { Ok(count) }
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn abort(&mut self) {
        self.aborted = true;
    }
}

impl Ring for Pipe {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        if self.arrived.is_empty() {
            return self.read(&mut [0]).map(|_| None);
        }
        let (taken, result) = take(self.arrived.make_contiguous());
        self.arrived.drain(..taken);
        Ok(Some(result))
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        if self.broken {
            return Err(nb::Error::Other(Broken::Reset));
        }
        if self.room == 0 {
            return Err(nb::Error::WouldBlock);
        }
        let mut space = vec![0; self.room];
        let (filled, result) = fill(&mut space);
        self.room -= filled;
        self.heard.extend_from_slice(&space[..filled]);
        Ok(result)
    }

    fn unsent(&self) -> usize {
        0
    }
}
