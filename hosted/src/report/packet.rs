//! Packets made anew from events: every header as it stood on the wire, and no payload.

use core::net::{IpAddr, SocketAddr};
use sockhop::tcp::{Flags, Seq, internet_sum, seal};

/// What a segment's headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) flags: Flags,
    pub(super) seq: Seq,
    pub(super) ack: Seq,
    pub(super) window: u16,
    pub(super) len: u16,
    pub(super) mss: Option<u16>,
    pub(super) scale: Option<u8>,
    pub(super) sack: [Option<(Seq, Seq)>; 2],
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Returns the headers of a segment; the packet is longer by its payload, which no event keeps.
///
/// The TCP checksum is right where there is no payload, and 0 elsewhere, since it cannot be known.
pub(super) fn segment(head: &Head) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(60);
    tcp.extend(head.from.port().to_be_bytes());
    tcp.extend(head.to.port().to_be_bytes());
    tcp.extend(head.seq.0.to_be_bytes());
    tcp.extend(if head.flags.contains(Flags::ACK) { head.ack.0 } else { 0 }.to_be_bytes());
    let options = options(head);
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(5);
    tcp.extend([words << 4, head.flags.0]);
    tcp.extend(head.window.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(options);
    let whole = tcp.len() + usize::from(head.len);
    let mut packet = [ip(head.from.ip(), head.to.ip(), TCP, whole), tcp].concat();
    if head.len == 0 {
        seal(&mut packet);
    }
    packet
}

/// Returns the headers of a datagram with `len` octets of payload, without a checksum.
pub(super) fn datagram(from: SocketAddr, to: SocketAddr, len: u16) -> Vec<u8> {
    let whole = 8 + usize::from(len);
    let mut udp = Vec::with_capacity(8);
    udp.extend(from.port().to_be_bytes());
    udp.extend(to.port().to_be_bytes());
    udp.extend(u16::try_from(whole).unwrap_or(u16::MAX).to_be_bytes());
    udp.extend([0; 2]);
    [ip(from.ip(), to.ip(), UDP, whole), udp].concat()
}

fn options(head: &Head) -> Vec<u8> {
    let mut options = Vec::new();
    if let Some(mss) = head.mss {
        options.extend([2, 4]);
        options.extend(mss.to_be_bytes());
    }
    if let Some(scale) = head.scale {
        options.extend([1, 3, 3, scale]);
    }
    let blocks: Vec<(Seq, Seq)> = head.sack.into_iter().flatten().collect();
    if !blocks.is_empty() {
        options.extend([1, 1, 5, u8::try_from(2 + 8 * blocks.len()).unwrap_or(18)]);
        for (left, right) in blocks {
            options.extend(left.0.to_be_bytes());
            options.extend(right.0.to_be_bytes());
        }
    }
    options
}

/// Returns an IP header for this many octets behind it.
fn ip(from: IpAddr, to: IpAddr, protocol: u8, behind: usize) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let total = u16::try_from(20 + behind).unwrap_or(u16::MAX).to_be_bytes();
            let mut header = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
            header.extend(from.octets());
            header.extend(to.octets());
            let check = !internet_sum(&header);
            header[10..12].copy_from_slice(&check.to_be_bytes());
            header
        }
        (from, to) => {
            let length = u16::try_from(behind).unwrap_or(u16::MAX).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 64];
            header.extend(six(from));
            header.extend(six(to));
            header
        }
    }
}

fn six(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
