//! Segments changed in place with their checksums kept right, and empty ones made (RFC 9293 §3.1, RFC 1624).

use super::{Flags, IPV6, Segment, Seq};
use core::net::{IpAddr, SocketAddr};

/// The octets of the longest packet that [`Empty::write`] makes: IPv6 and TCP headers.
pub const EMPTY: usize = 60;

/// The octets of a TCP header without options.
const TCP: usize = 20;
/// The number of TCP in an IP header.
const TCP_NUMBER: u8 = 6;

/// Returns whether the checksums of a segment and of its IPv4 header are right.
///
/// The packet is one that [`Segment::parse`] takes.
pub fn is_intact(packet: &[u8]) -> bool {
    let (at, total) = bounds(packet);
    if is_four(packet) && internet_sum(packet.get(..at).unwrap_or(&[])) != 0xffff {
        return false;
    }
    packet.get(at..total).is_some_and(|tcp| transport_sum(packet, TCP_NUMBER, tcp) == 0xffff)
}

/// A segment without payload, as it is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Its number.
    pub seq: Seq,
    /// The number it acknowledges.
    pub ack: Seq,
    /// Its control bits.
    pub flags: Flags,
    /// Its window, unscaled.
    pub window: u16,
}

impl Empty {
    /// Returns the view of it, with addresses that say nothing.
    pub(crate) const fn segment(&self) -> Segment {
        let nowhere = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);
        Segment {
            src: nowhere,
            dst: nowhere,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            len: 0,
            header: 0,
            mss: None,
            scale: None,
            sack: [None; 2],
        }
    }

    /// Writes the packet with its headers and checksums into `out` and returns its length; 0 if it does not fit.
    pub fn write(&self, from: SocketAddr, to: SocketAddr, out: &mut [u8]) -> usize {
        let length = match (from.ip(), to.ip()) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                let mut header = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                header[12..16].copy_from_slice(&source.octets());
                header[16..].copy_from_slice(&target.octets());
                let check = !fold(sum(&header));
                header[10..12].copy_from_slice(&check.to_be_bytes());
                join(out, header, self.header(from, to))
            }
            (IpAddr::V6(source), IpAddr::V6(target)) if IPV6 => {
                let mut header = [0; 40];
                header[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 20, 6, 64]);
                header[8..24].copy_from_slice(&source.octets());
                header[24..].copy_from_slice(&target.octets());
                join(out, header, self.header(from, to))
            }
            (IpAddr::V4(_) | IpAddr::V6(_), _) => 0,
        };
        if let Some(packet) = out.get_mut(..length).filter(|packet| !packet.is_empty()) {
            seal(packet);
        }
        length
    }

    /// Returns the TCP header, without its checksum.
    fn header(&self, from: SocketAddr, to: SocketAddr) -> [u8; TCP] {
        let mut header = [0; TCP];
        header[0..2].copy_from_slice(&from.port().to_be_bytes());
        header[2..4].copy_from_slice(&to.port().to_be_bytes());
        header[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        header[8..12].copy_from_slice(&self.ack.0.to_be_bytes());
        header[12..14].copy_from_slice(&[0x50, self.flags.0]);
        header[14..16].copy_from_slice(&self.window.to_be_bytes());
        header
    }
}

/// Writes two headers, and returns the octets of both; 0 if they do not fit.
fn join<const N: usize>(out: &mut [u8], ip: [u8; N], tcp: [u8; TCP]) -> usize {
    let Some((place, rest)) = out.split_first_chunk_mut::<N>() else { return 0 };
    let Some(behind) = rest.first_chunk_mut::<TCP>() else { return 0 };
    (*place, *behind) = (ip, tcp);
    N + TCP
}

/// Makes the packet's headers say what `to` says where that differs from `from`, and returns its new length.
///
/// Numbers, window and control bits may differ, and the payload may be shorter.
pub(super) fn rewrite(packet: &mut [u8], from: &Segment, to: &Segment) -> usize {
    let (at, total) = bounds(packet);
    let cut = from.len.saturating_sub(to.len) as usize;
    if cut > 0 {
        put_fields(packet, at, to, |_, _, _| {});
        let total = shorten(packet, total.saturating_sub(cut));
        if let Some(shorter) = packet.get_mut(..total) {
            seal(shorter);
        }
        return total;
    }
    let mut check = u32::from(word(packet, at + 16));
    put_fields(packet, at, to, |_, old, new| {
        // RFC 1624 §3, equation 3; the complement is taken once, at the end.
        check = u32::from(fold(u64::from(!check & 0xffff) + u64::from(!old) + u64::from(new)));
        check = !check & 0xffff;
    });
    put(packet, at + 16, u16::try_from(check).unwrap_or(0));
    total
}

/// Writes the fields that may differ, and tells each word that changes: where it is, what it was, what it is.
fn put_fields(packet: &mut [u8], at: usize, to: &Segment, mut tell: impl FnMut(usize, u16, u16)) {
    let high = |seq: Seq| u16::try_from(seq.0 >> 16).unwrap_or(0);
    let low = |seq: Seq| u16::try_from(seq.0 & 0xffff).unwrap_or(0);
    let flags = word(packet, at + 12) & 0xffe0 | u16::from(to.flags.0);
    let words = [high(to.seq), low(to.seq), high(to.ack), low(to.ack), flags, to.window];
    for (index, new) in words.into_iter().enumerate() {
        let place = at + 4 + 2 * index;
        let old = word(packet, place);
        if old != new {
            tell(place, old, new);
            put(packet, place, new);
        }
    }
}

/// Writes the packet's new length into its IP header.
fn shorten(packet: &mut [u8], total: usize) -> usize {
    if is_four(packet) {
        put(packet, 2, u16::try_from(total).unwrap_or(u16::MAX));
        put(packet, 10, 0);
        let (header, _) = bounds(packet);
        let check = !internet_sum(packet.get(..header).unwrap_or(&[]));
        put(packet, 10, check);
    } else {
        put(packet, 4, u16::try_from(total.saturating_sub(40)).unwrap_or(u16::MAX));
    }
    total
}

/// Writes the checksum of a whole segment.
///
/// The packet is one that [`Segment::parse`] takes.
pub fn seal(packet: &mut [u8]) {
    let (at, total) = bounds(packet);
    put(packet, at + 16, 0);
    let tcp = packet.get(at..total).unwrap_or(&[]);
    let check = !transport_sum(packet, TCP_NUMBER, tcp);
    put(packet, at + 16, check);
}

/// Writes into the checksum's place what a device that completes checksums expects there: the sum of the
/// pseudo-header (RFC 9293 §3.1), not complemented.
///
/// The packet is one that [`Segment::parse`] takes.
pub fn seal_for_device(packet: &mut [u8]) {
    let (at, total) = bounds(packet);
    let begun = fold(pseudo(packet, TCP_NUMBER, total.saturating_sub(at)));
    put(packet, at + 16, begun);
}

/// Returns where TCP begins and the packet ends.
fn bounds(packet: &[u8]) -> (usize, usize) {
    if is_four(packet) {
        let first = packet.first().copied().unwrap_or(0);
        (usize::from(first & 0x0f) * 4, usize::from(word(packet, 2)))
    } else {
        (40, 40 + usize::from(word(packet, 4)))
    }
}

/// Returns the sum of a packet's pseudo-header (RFC 9293 §3.1, RFC 768) and of what it carries, not complemented.
pub(crate) fn transport_sum(packet: &[u8], protocol: u8, carried: &[u8]) -> u16 {
    fold(pseudo(packet, protocol, carried.len()) + sum(carried))
}

/// Returns the sum of the pseudo-header.
fn pseudo(packet: &[u8], protocol: u8, length: usize) -> u64 {
    let addresses = if is_four(packet) { packet.get(12..20) } else { packet.get(8..40) };
    sum(addresses.unwrap_or(&[])) + u64::from(protocol) + length as u64
}

/// Returns the sum of the octets as big-endian words in ones' complement, not complemented (RFC 1071): what is written as
/// a checksum is the complement of it.
pub fn internet_sum(octets: &[u8]) -> u16 {
    fold(sum(octets))
}

/// Returns the sum of the octets as big-endian words, not folded yet.
fn sum(octets: &[u8]) -> u64 {
    // The sum of words is the same in either order of octets, but for a swap at the end (RFC 1071 §2).
    let mut whole = octets.chunks_exact(4);
    let mut total: u64 =
        whole.by_ref().map(|four| u64::from(u32::from_ne_bytes([four[0], four[1], four[2], four[3]]))).sum();
    let mut last = [0; 4];
    let rest = whole.remainder();
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_ne_bytes(last));
    u64::from(u16::from_be_bytes(fold(total).to_ne_bytes()))
}

fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    u16::try_from(total).unwrap_or(0)
}

fn is_four(packet: &[u8]) -> bool {
    !IPV6 || packet.first().is_some_and(|octet| octet >> 4 == 4)
}

fn word(packet: &[u8], at: usize) -> u16 {
    let place = packet.get(at..).and_then(<[u8]>::first_chunk::<2>);
    place.map_or(0, |octets| u16::from_be_bytes(*octets))
}

fn put(packet: &mut [u8], at: usize, value: u16) {
    if let Some(place) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *place = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(six: bool) -> (SocketAddr, SocketAddr) {
        let parse = |text: &str| text.parse().expect("an address");
        if six {
            (parse("[2001:db8::1]:1000"), parse("[2001:db8::2]:80"))
        } else {
            (parse("192.0.2.1:1000"), parse("192.0.2.2:80"))
        }
    }

    /// A packet with 9 octets of payload.
    fn packet(six: bool, room: &mut [u8; 80]) -> usize {
        let (from, to) = ends(six);
        let empty = Empty { seq: Seq(7), ack: Seq(0xffff_fff0), flags: Flags(0x19), window: 1_234 };
        let length = empty.write(from, to, room) + 9;
        room[length - 9..length].copy_from_slice(b"123456789");
        shorten(room, length);
        seal(&mut room[..length]);
        length
    }

    #[test]
    fn what_is_made_is_read_back_and_intact() {
        for six in [false, true].into_iter().filter(|six| IPV6 || !six) {
            let (mut room, (from, to)) = ([0; 80], ends(six));
            let length = packet(six, &mut room);
            assert!(is_intact(&room[..length]));
            let segment = Segment::parse(&room[..length]).expect("it is whole");
            assert_eq!((segment.src, segment.dst, segment.len), (from, to, 9));
            room[length - 1] ^= 4;
            assert!(!is_intact(&room[..length]));
        }
    }

    #[test]
    fn a_device_completes_what_is_begun_for_it() {
        for six in [false, true] {
            let mut room = [0; 80];
            let length = packet(six, &mut room);
            let whole = room;
            seal_for_device(&mut room[..length]);
            // What a device does: the sum from where TCP begins, what stands in the checksum's place included.
            let at = if six { 40 } else { 20 };
            let check = !internet_sum(&room[at..length]);
            put(&mut room, at + 16, check);
            assert_eq!(room, whole);
        }
    }

    #[test]
    fn a_rewritten_segment_stays_intact() {
        let cases = [(false, 9), (true, 9), (false, 4), (true, 1), (false, 0)];
        for (six, len) in cases.into_iter().filter(|(six, _)| IPV6 || !six) {
            let mut room = [0; 80];
            let length = packet(six, &mut room);
            let from = Segment::parse(&room[..length]).expect("it is whole");
            let to = Segment {
                seq: Seq(0xdead_beef),
                ack: Seq(0),
                flags: Flags::ACK,
                window: 65_535,
                len,
                ..from
            };
            let shorter = rewrite(&mut room, &from, &to);
            assert_eq!(shorter, length - (9 - len as usize));
            assert!(is_intact(&room[..shorter]));
            assert_eq!(Segment::parse(&room[..shorter]), Ok(to));
        }
    }
}
