//! Segments larger than a packet: what a device that cuts them does, for devices that do not.
//!
//! A stack is cheaper when it handles 64 KiB at a time. The wire takes no more than its MTU at a time, so somebody cuts
//! a large segment into packets and computes their checksums: the kernel where it can, [`cut`] otherwise.
//!
//! ```
//! use sockhop::tcp::{Empty, Flags, Seq, is_intact};
//! use sockhop_hosted::segmentation::cut;
//!
//! let (from, to) = ("[2001:db8::1]:1080".parse().unwrap(), "[2001:db8::2]:40000".parse().unwrap());
//! let mut segment = vec![0; 60 + 3_000];
//! Empty { seq: Seq(1), ack: Seq(7), flags: Flags::ACK, window: 9 }.write(from, to, &mut segment);
//! segment[4..6].copy_from_slice(&(20 + 3_000_u16).to_be_bytes()); // the length in its IPv6 header
//!
//! let mut lengths = vec![];
//! cut(&mut segment, 60, 1_440, |packet| {
//!     assert!(is_intact(packet));
//!     lengths.push(packet.len());
//! });
//! assert_eq!(lengths, [1_500, 1_500, 180]);
//! ```

use core::ops::Range;
use sockhop::tcp::{Flags, internet_sum, seal};

/// The most octets of IP and TCP headers, options included.
const HEADERS: usize = 120;
/// The place of a TCP header's control bits.
const FLAGS: usize = 13;
/// The kinds of options that are looked at (RFC 9293 §3.2).
const END: u8 = 0;
const NOTHING: u8 = 1;
const MSS: u8 = 2;

/// Sends a TCP segment in packets of at most `most` octets of payload, each with its checksums.
///
/// `headers` is the length of its IP and TCP headers. The segment is used up: the headers of a packet are written over
/// the end of the one before it, which has been sent by then, so that no payload is copied.
pub fn cut(segment: &mut [u8], headers: usize, most: usize, mut send: impl FnMut(&[u8])) {
    let (most, total) = (most.max(1), segment.len());
    if total <= headers + most {
        seal(segment);
        return send(segment);
    }
    let mut kept = [0; HEADERS];
    let Some(kept) = kept.get_mut(..headers) else { return };
    kept.copy_from_slice(&segment[..headers]);
    let mut from = 0;
    while from + headers < total {
        let end = (from + headers + most).min(total);
        let packet = &mut segment[from..end];
        packet[..headers].copy_from_slice(kept);
        number(packet, from, most);
        if end < total {
            // Only the last octet of all is where the sender ends (RFC 9293 §3.10.4).
            packet[tcp_of(packet) + FLAGS] &= !(Flags::FIN.0 | Flags::PSH.0);
        }
        seal(packet);
        send(packet);
        from += most;
    }
}

/// Makes a piece's headers say where in the segment it stands, and how long it is.
fn number(packet: &mut [u8], from: usize, most: usize) {
    let at = tcp_of(packet);
    let begins = be32(packet, at + 4).wrapping_add(u32::try_from(from).unwrap_or(0));
    packet[at + 4..at + 8].copy_from_slice(&begins.to_be_bytes());
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    if at == 40 {
        packet[4..6].copy_from_slice(&(length - 40).to_be_bytes());
        return;
    }
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    // Every packet of a source has an identification of its own (RFC 6864).
    let piece = u16::try_from(from / most).unwrap_or(0);
    let identification = u16::from_be_bytes([packet[4], packet[5]]).wrapping_add(piece);
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    seal_header(&mut packet[..at]);
}

/// Writes the checksum of an IPv4 header.
pub(crate) fn seal_header(header: &mut [u8]) {
    header[10..12].fill(0);
    let check = !internet_sum(header);
    header[10..12].copy_from_slice(&check.to_be_bytes());
}

/// Makes a SYN say that segments of at most `most` octets are taken; its checksum is not touched.
pub(crate) fn limit_mss(packet: &mut [u8], most: u16) {
    let Some(place) = mss_of(packet) else { return };
    let said = u16::from_be_bytes([packet[place.start], packet[place.start + 1]]);
    packet[place].copy_from_slice(&said.min(most).to_be_bytes());
}

/// Returns where a SYN's largest segment stands.
fn mss_of(packet: &[u8]) -> Option<Range<usize>> {
    let at = tcp_of(packet);
    let end = at + usize::from(packet.get(at + 12)? >> 4) * 4;
    let mut option = at + 20;
    while option < end {
        match *packet.get(option)? {
            END => return None,
            NOTHING => option += 1,
            MSS => return (option + 4 <= end.min(packet.len())).then_some(option + 2..option + 4),
            _ => option += usize::from(*packet.get(option + 1)?).max(2),
        }
    }
    None
}

/// Returns where TCP begins in a packet that holds a segment and has no extension headers.
pub(crate) fn tcp_of(packet: &[u8]) -> usize {
    match packet.first() {
        Some(first) if first >> 4 == 4 => usize::from(first & 0x0f) * 4,
        _ => 40,
    }
}

fn be32(packet: &[u8], at: usize) -> u32 {
    packet[at..at + 4].iter().fold(0, |word, octet| word << 8 | u32::from(*octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::SocketAddr;
    use sockhop::tcp::{Empty, Segment, Seq, is_intact};

    /// A segment with this many octets, each of which says where it stands.
    fn segment(six: bool, flags: Flags, length: usize) -> Vec<u8> {
        let [from, to]: [SocketAddr; 2] = if six {
            ["[2001:db8::1]:1000".parse().unwrap(), "[2001:db8::2]:80".parse().unwrap()]
        } else {
            ["192.0.2.1:1000".parse().unwrap(), "192.0.2.2:80".parse().unwrap()]
        };
        let mut packet = vec![0; HEADERS];
        let empty = Empty { seq: Seq(u32::MAX - 2_000), ack: Seq(7), flags, window: 99 };
        let headers = empty.write(from, to, &mut packet);
        packet.truncate(headers);
        packet.extend((0..length).map(|at| u8::try_from(at % 251).unwrap()));
        let total = u16::try_from(packet.len() - if six { 40 } else { 0 }).unwrap();
        let place = if six { 4 } else { 2 };
        packet[place..place + 2].copy_from_slice(&total.to_be_bytes());
        if !six {
            seal_header(&mut packet[..20]);
        }
        packet
    }

    #[test]
    fn the_pieces_of_a_segment_are_intact_and_say_the_same_as_the_whole() {
        for (six, length, most) in [
            (false, 10_000, 1_460),
            (true, 10_000, 1_440),
            (false, 1_461, 1_460),
            (true, 5, 2),
            (false, 7, 100),
        ] {
            let flags = Flags::ACK | Flags::PSH | Flags::FIN;
            let mut whole = segment(six, flags, length);
            let payload = whole[whole.len() - length..].to_vec();
            let headers = whole.len() - length;
            let (mut next, mut octets, mut last) = (Seq(u32::MAX - 2_000), vec![], Flags::default());
            cut(&mut whole, headers, most, |packet| {
                assert!(is_intact(packet));
                let piece = Segment::parse(packet).unwrap();
                assert_eq!((piece.seq, piece.ack, piece.window), (next, Seq(7), 99));
                assert!(piece.len as usize <= most && !last.contains(Flags::FIN));
                (next, last) = (next + piece.len, piece.flags);
                octets.extend_from_slice(&packet[headers..]);
            });
            assert_eq!(octets, payload);
            assert_eq!(last, flags);
        }
    }

    #[test]
    fn a_syn_says_no_more_than_the_link_takes_wherever_its_option_stands() {
        let mut syn = segment(false, Flags::SYN, 0);
        let at = syn.len();
        syn.extend([NOTHING, 3, 3, 7, MSS, 4, 0xff, 0xd7]);
        syn[32] = 0x70;
        limit_mss(&mut syn, 1_460);
        assert_eq!(syn[at..], [NOTHING, 3, 3, 7, MSS, 4, 0x05, 0xb4]);
        limit_mss(&mut syn, 9_000);
        assert_eq!(syn[at + 6..], [0x05, 0xb4], "what is less stays");
        syn[at] = END;
        let before = syn.clone();
        limit_mss(&mut syn, 100);
        assert_eq!(syn, before, "what stands behind the end is none");
        syn[at] = NOTHING;
        syn.truncate(at + 7);
        let before = syn.clone();
        limit_mss(&mut syn, 100);
        assert_eq!(syn, before, "half an option is none");
    }
}
