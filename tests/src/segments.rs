//! What holds for segments that are cut, and for what stands in front of a packet of a device with offloads.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, IpRepr, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};
use sockhop_hosted::egress::memory::pattern;
use sockhop_hosted::segmentation::cut;
use sockhop_hosted::tun::vnet;

/// The octets of input that say what a segment is like.
const SAID: usize = 12;

/// A segment that is cut says in its pieces what it said whole, as smoltcp reads them, checksums included.
///
/// # Panics
/// It does not.
pub fn pieces_say_what_the_whole_said(input: &[u8]) {
    let Some(said) = input.first_chunk::<SAID>() else { return };
    let short = |at: usize| usize::from(u16::from_be_bytes([said[at], said[at + 1]]));
    let (length, most) = (short(0) % 60_000, short(2) % 9_000 + 1);
    let content: Vec<u8> = (0..length as u64).map(pattern).collect();
    let whole = Whole::new(said, &content);
    let mut segment = whole.packet.clone();
    let (mut next, mut heard, mut marks, mut lengths) = (whole.tcp.seq_number, vec![], vec![], vec![]);
    cut(&mut segment, whole.packet.len() - length, most, |packet| {
        let (ip, tcp) = read(packet);
        let piece = TcpRepr::parse(&tcp, &ip.src_addr(), &ip.dst_addr(), &ChecksumCapabilities::default())
            .expect("smoltcp finds nothing wrong with it");
        assert_eq!((ip.src_addr(), ip.dst_addr(), ip.hop_limit()), whole.ends());
        assert_eq!(piece.seq_number, next);
        let same = TcpRepr { control: piece.control, seq_number: next, payload: piece.payload, ..whole.tcp };
        assert_eq!(piece, same, "only the number, the end and the content differ");
        next += piece.payload.len();
        heard.extend_from_slice(piece.payload);
        marks.push(piece.control);
        lengths.push(piece.payload.len());
    });
    assert_eq!(heard, content);
    assert!(lengths.iter().all(|piece| *piece <= most) && lengths.len() == length.div_ceil(most).max(1));
    let (last, before) = marks.split_last().expect("there is one at least");
    assert_eq!(*last, whole.tcp.control);
    assert!(before.iter().all(|mark| *mark == TcpControl::None), "only the last one ends anything");
}

/// A segment as smoltcp writes it, without the checksum of TCP.
struct Whole<'a> {
    ip: IpRepr,
    tcp: TcpRepr<'a>,
    packet: Vec<u8>,
}

impl<'a> Whole<'a> {
    fn new(said: &[u8; SAID], content: &'a [u8]) -> Self {
        let tcp = TcpRepr {
            src_port: 1_000,
            dst_port: 80,
            control: [TcpControl::None, TcpControl::Psh, TcpControl::Fin, TcpControl::None]
                [usize::from(said[4] & 3)],
            seq_number: TcpSeqNumber(i32::from_be_bytes([said[5], said[6], said[7], said[8]])),
            ack_number: Some(TcpSeqNumber(7)),
            window_len: u16::from(said[9]),
            window_scale: None,
            max_seg_size: None,
            sack_permitted: said[4] & 12 == 4,
            sack_ranges: [(said[4] & 8 != 0).then_some((10, 20)), None, None],
            timestamp: None,
            payload: content,
        };
        let four = |last| IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, last));
        let six = |last| IpAddress::Ipv6(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        let [from, to] =
            if said[4] & 16 == 0 { [four(said[10]), four(254)] } else { [six(said[10].into()), six(0xfffe)] };
        let ip = IpRepr::new(from, to, IpProtocol::Tcp, tcp.buffer_len(), said[11].max(1));
        let mut packet = vec![0; ip.buffer_len()];
        ip.emit(&mut packet[..], &ChecksumCapabilities::default());
        let mut place = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
        tcp.emit(&mut place, &from, &to, &ChecksumCapabilities::ignored());
        Self { ip, tcp, packet }
    }

    /// Returns from where to where it goes, and over how many hops at most.
    fn ends(&self) -> (IpAddress, IpAddress, u8) {
        (self.ip.src_addr(), self.ip.dst_addr(), self.ip.hop_limit())
    }
}

/// Reads a packet whose length and whose checksum of IP are right.
fn read(packet: &[u8]) -> (IpRepr, TcpPacket<&[u8]>) {
    let checks = ChecksumCapabilities::default();
    let ip = match packet[0] >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(packet).expect("it is as long as it says");
            assert_eq!(usize::from(ip.total_len()), packet.len());
            IpRepr::Ipv4(smoltcp::wire::Ipv4Repr::parse(&ip, &checks).expect("its checksum is right"))
        }
        _ => {
            let ip = Ipv6Packet::new_checked(packet).expect("it is as long as it says");
            assert_eq!(ip.total_len(), packet.len());
            IpRepr::Ipv6(smoltcp::wire::Ipv6Repr::parse(&ip).expect("smoltcp reads it"))
        }
    };
    let tcp = TcpPacket::new_checked(&packet[ip.header_len()..]).expect("its header is whole");
    (ip, tcp)
}

/// Whatever stands in front of a packet, nothing of it is changed but the checksum that is said to be missing.
///
/// # Panics
/// It is not so.
pub fn only_a_missing_checksum_is_written(input: &[u8]) {
    let Some((header, packet)) = input.split_first_chunk::<{ vnet::LENGTH }>() else { return };
    let mut after = packet.to_vec();
    let is_settled = vnet::finish(*header, &mut after);
    assert_eq!(after.len(), packet.len());
    let short = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let place = short(6) + short(8);
    let changed = (0..after.len()).filter(|at| after[*at] != packet[*at]);
    assert!(changed.clone().all(|at| at == place || at == place + 1), "{:?}", changed.collect::<Vec<_>>());
    assert!(!is_settled || after == packet, "what has been written may be looked at");
}

/// A datagram that lacks its checksum, as a host hands it to a device with offloads, has the right one afterwards.
///
/// The first octet says which family it is of and to which port it goes.
///
/// # Panics
/// It has not.
pub fn a_datagram_that_lacks_its_checksum_gets_the_right_one(input: &[u8]) {
    let Some((first, content)) = input.split_first() else { return };
    let [from, to]: [IpAddress; 2] = if first & 1 == 0 {
        [Ipv4Address::new(192, 0, 2, 1).into(), Ipv4Address::new(192, 0, 2, 2).into()]
    } else {
        [1, 2].map(|last| Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into())
    };
    let udp = UdpRepr { src_port: 53, dst_port: 1 + u16::from(*first) };
    let ip = IpRepr::new(from, to, IpProtocol::Udp, udp.header_len() + content.len(), 64);
    let (mut packet, at, none) = (vec![0; ip.buffer_len()], ip.header_len(), ChecksumCapabilities::ignored());
    ip.emit(&mut packet[..], &none);
    let fill = |place: &mut [u8]| place.copy_from_slice(content);
    udp.emit(&mut UdpPacket::new_unchecked(&mut packet[at..]), &from, &to, content.len(), fill, &none);
    let mut header = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (place, number) in [(6, at), (8, 6)] {
        header[place..place + 2].copy_from_slice(&u16::try_from(number).expect("short").to_ne_bytes());
    }
    // What is not in the datagram but counts: the addresses, the protocol and the length (RFC 768).
    let (addresses, length) = (&packet[if at == 20 { 12..20 } else { 8..40 }], packet.len() - at);
    let words = addresses.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]])));
    let total = words.sum::<u64>() + 17 + length as u64;
    let folded = u16::try_from((total & 0xffff) + (total >> 16)).expect("a sum of few words");
    packet[at + 6..at + 8].copy_from_slice(&folded.to_be_bytes());
    assert!(!vnet::finish(header, &mut packet), "it is whole, and may be looked at");
    let datagram = UdpPacket::new_checked(&packet[at..]).expect("its header is whole");
    assert!(datagram.checksum() != 0, "0 would say that it has none");
    UdpRepr::parse(&datagram, &from, &to, &ChecksumCapabilities::default()).expect("its checksum is right");
}
