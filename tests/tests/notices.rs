//! What routers say of the stack's segments: believed when it is about one under way, and no further.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet, IpAddress, IpProtocol,
    IpRepr,
};
use sockhop::relay::Ring;
use sockhop::tcp::{Flags, Segment, State};
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config, Engine, FlowId, Unreachable, Wire};

const NOW: Instant = Instant::from_micros(1);

/// What was sent.
#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl Wire for Sent {
    fn transmit(&mut self, packet: &[u8]) {
        self.0.push(packet.to_vec());
    }
}

/// A stack that has begun to connect, and its SYN.
struct World {
    engine: Engine,
    flow: FlowId,
    syn: Vec<u8>,
}

fn world(six: bool) -> World {
    let (own, prefix, to): (IpAddr, u8, IpAddr) = if six {
        (
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into(),
            64,
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        )
    } else {
        (Ipv4Addr::new(198, 18, 0, 2).into(), 30, Ipv4Addr::new(192, 0, 2, 1).into())
    };
    let mut engine = Engine::new(Config::new(vec![(own, prefix)], 9_000, [1, 2]), ());
    let flow = engine.connect(NOW, SocketAddr::new(own, 0), SocketAddr::new(to, 80)).expect("there is room");
    let mut wire = Sent::default();
    engine.flush(NOW, &mut wire);
    let [syn] = <[Vec<u8>; 1]>::try_from(wire.0).expect("one SYN");
    World { engine, flow, syn }
}

/// Returns an ICMP error of a router's that quotes the beginning of a packet.
fn error(kind: u8, code: u8, next_hop: u16, quoted: &[u8]) -> Vec<u8> {
    let quote = &quoted[..quoted.len().min(if quoted[0] >> 4 == 4 { 28 } else { 60 })];
    let (router, own, protocol): (IpAddress, IpAddress, IpProtocol) = if quoted[0] >> 4 == 4 {
        let own = Ipv4Addr::new(quoted[12], quoted[13], quoted[14], quoted[15]);
        (Ipv4Addr::new(10, 0, 0, 1).into(), own.into(), IpProtocol::Icmp)
    } else {
        let own = Ipv6Addr::from(<[u8; 16]>::try_from(&quoted[8..24]).expect("an address"));
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(), own.into(), IpProtocol::Icmpv6)
    };
    let mut icmp = [&[kind, code, 0, 0, 0, 0][..], &next_hop.to_be_bytes(), quote].concat();
    match (router, own) {
        (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            Icmpv6Packet::new_unchecked(&mut icmp[..]).fill_checksum(&from, &to);
        }
        _ => Icmpv4Packet::new_unchecked(&mut icmp[..]).fill_checksum(),
    }
    let repr = IpRepr::new(router, own, protocol, icmp.len(), 64);
    let mut packet = vec![0; repr.header_len()];
    repr.emit(&mut packet[..], &ChecksumCapabilities::default());
    packet.extend(icmp);
    packet
}

impl World {
    fn hear(&mut self, mut packet: Vec<u8>) {
        let mut wire = Sent::default();
        self.engine.ingress(NOW, &mut packet, &mut wire);
        self.engine.flush(NOW, &mut wire);
        assert!(wire.0.is_empty(), "an error is never answered (RFC 1122 3.2.2)");
    }

    /// Lets the peer answer, and returns what is sent next at each of so many retransmissions.
    fn established(&mut self) {
        let syn = Segment::parse(&self.syn).expect("a SYN");
        let mut answer = reply(&syn, &self.syn);
        let mut wire = Sent::default();
        self.engine.ingress(NOW, &mut answer, &mut wire);
        self.engine.flush(NOW, &mut wire);
        assert_eq!(self.engine.state(self.flow), State::Established);
    }

    /// Returns the lengths of what is sent at a moment.
    fn sent(&mut self, at: Duration) -> Vec<Vec<u8>> {
        let mut wire = Sent::default();
        self.engine.flush(NOW + at, &mut wire);
        wire.0
    }
}

/// Returns the SYN-ACK that answers a SYN, from a peer that takes 8,960 octets a segment.
fn reply(syn: &Segment, packet: &[u8]) -> Vec<u8> {
    use smoltcp::wire::{TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};
    let (from, to) = (IpAddress::from(syn.dst.ip()), IpAddress::from(syn.src.ip()));
    let tcp = TcpRepr {
        src_port: syn.dst.port(),
        dst_port: syn.src.port(),
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(7),
        ack_number: Some(TcpSeqNumber((syn.seq.0.wrapping_add(1)).cast_signed())),
        window_len: 65_535,
        window_scale: None,
        max_seg_size: Some(8_960),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    assert_eq!(packet[0] >> 4, if syn.dst.is_ipv4() { 4 } else { 6 });
    let ip = IpRepr::new(from, to, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let mut octets = vec![0; ip.header_len() + tcp.buffer_len()];
    ip.emit(&mut octets[..], &ChecksumCapabilities::default());
    let mut place = TcpPacket::new_unchecked(&mut octets[ip.header_len()..]);
    tcp.emit(&mut place, &from, &to, &ChecksumCapabilities::default());
    octets
}

#[test]
fn an_error_about_the_syn_ends_the_dial_with_its_reason() {
    let unreachable = u8::from(Icmpv4Message::DstUnreachable);
    for (code, why) in [
        (u8::from(Icmpv4DstUnreachable::NetUnreachable), Unreachable::Network),
        (u8::from(Icmpv4DstUnreachable::HostUnreachable), Unreachable::Host),
        (u8::from(Icmpv4DstUnreachable::PortUnreachable), Unreachable::Port),
        (u8::from(Icmpv4DstUnreachable::CommProhibited), Unreachable::Host),
    ] {
        let mut world = world(false);
        world.hear(error(unreachable, code, 0, &world.syn));
        assert_eq!(world.engine.state(world.flow), State::Closed, "{why:?}");
        assert_eq!(world.engine.unreachable(world.flow), Some(why));
        world.engine.release(world.flow);
        assert!(world.sent(Duration::ZERO).is_empty(), "nobody there wants a reset");
        assert_eq!(world.engine.load().flows, 0);
    }
}

#[test]
fn icmpv6_says_the_same() {
    let unreachable = u8::from(Icmpv6Message::DstUnreachable);
    for (code, why) in [(0, Unreachable::Network), (3, Unreachable::Host), (4, Unreachable::Port)] {
        let mut world = world(true);
        world.hear(error(unreachable, code, 0, &world.syn));
        assert_eq!(world.engine.unreachable(world.flow), Some(why));
    }
}

#[test]
fn an_error_about_a_number_that_is_not_under_way_is_not_believed() {
    for shift in [1_u32, 70_000, 1 << 31, u32::MAX] {
        let mut world = world(false);
        let mut quoted = world.syn.clone();
        let seq = Segment::parse(&quoted).expect("a SYN").seq + shift;
        quoted[24..28].copy_from_slice(&seq.0.to_be_bytes());
        world.hear(error(3, 1, 0, &quoted));
        assert_eq!(world.engine.state(world.flow), State::SynSent, "SND.UNA + {shift}");
    }
}

#[test]
fn a_damaged_error_is_not_believed() {
    let mut world = world(false);
    for at in 20..48 {
        let mut packet = error(3, 1, 0, &world.syn);
        packet[at] ^= 0x10;
        world.hear(packet);
        assert_eq!(world.engine.state(world.flow), State::SynSent, "octet {at}");
    }
}

#[test]
fn a_connection_that_stands_is_not_ended_by_an_error() {
    let mut world = world(false);
    world.established();
    for code in 0..16 {
        world.hear(error(3, code, 0, &world.syn));
    }
    assert_eq!(world.engine.state(world.flow), State::Established);
}

#[test]
fn a_packet_that_was_too_big_is_sent_again_in_smaller_ones() {
    for (six, next_hop, most) in [
        (false, 1_500, 1_492),
        (false, 0, 2_002),
        (false, 1_000, 768),
        (true, 1_400, 1_280),
        (true, 296, 1_280),
    ] {
        let mut world = world(six);
        world.established();
        let put = |space: &mut [u8]| (space.len().min(20_000), ());
        world.engine.stream(world.flow).expect("it stands").with_space(put).expect("there is room");
        let first = world.sent(Duration::ZERO);
        assert!(first[0].len() > 2_002, "{} octets go at first", first[0].len());
        let (kind, code) = if six { (2, 0) } else { (3, 4) };
        world.hear(error(kind, code, next_hop, &first[0]));
        let again = world.sent(Duration::from_secs(3));
        let segment = Segment::parse(&again[0]).expect("a segment");
        assert_eq!(segment.seq, Segment::parse(&first[0]).expect("a segment").seq, "it is the same octets");
        assert!(!segment.flags.contains(Flags::SYN) && again[0].len() <= most, "{} octets", again[0].len());
        assert!(again[0].len() > most - 64, "{} octets are no fewer than need be", again[0].len());
    }
}
