//! The header that the kernel and a TUN device with offloads put in front of each packet: `struct virtio_net_hdr`.
//!
//! It says which checksum is still to be computed, and into which pieces a segment is still to be cut. Numbers are in the
//! byte order of the host.
//!
//! ```
//! use sockhop_hosted::tun::vnet::{LENGTH, finish};
//!
//! let mut segment = [0; 60];
//! segment[0] = 0x45; // IPv4
//! let whole = [0; LENGTH];
//! assert!(!finish(whole, &mut segment), "it came from elsewhere: its checksum has to be looked at");
//! ```

use crate::segmentation::tcp_of;
use sockhop::tcp::internet_sum;

/// The octets of the header.
pub const LENGTH: usize = 10;
/// The place of the checksum in a TCP header.
const TCP_CHECKSUM: u16 = 16;
/// A checksum is to be computed: only the sum of its pseudo-header stands in its place.
const NEEDS_CHECKSUM: u8 = 1;
/// Whoever received the packet found its checksum right.
const VERIFIED: u8 = 2;
/// What is to be cut, and how.
const TCP4: u8 = 1;
const TCP6: u8 = 4;

/// Returns what is put in front of a TCP segment of up to 64 KiB that lacks its checksum, with `headers` octets of IP and
/// TCP headers, so that it is cut into pieces of `most` octets if it is longer.
pub(super) fn segment(packet: &[u8], headers: usize, most: usize) -> [u8; LENGTH] {
    let at = tcp_of(packet);
    let is_large = packet.len() > headers + most;
    let kind = match (is_large, at) {
        (false, _) => 0,
        (true, 40) => TCP6,
        (true, _) => TCP4,
    };
    let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let size = if is_large { short(most) } else { 0 };
    let mut header = [NEEDS_CHECKSUM, kind, 0, 0, 0, 0, 0, 0, 0, 0];
    for (place, number) in [(2, short(headers)), (4, size), (6, short(at)), (8, TCP_CHECKSUM)] {
        header[place..place + 2].copy_from_slice(&number.to_ne_bytes());
    }
    header
}

/// Reads what stands in front of a packet: whether its checksum need not be looked at.
///
/// A checksum that is still to be computed is computed, unless it is a TCP segment's, which nobody looks at again.
pub fn finish(header: [u8; LENGTH], packet: &mut [u8]) -> bool {
    let needs = header[0] & NEEDS_CHECKSUM != 0;
    let at = |place: usize| usize::from(u16::from_ne_bytes([header[place], header[place + 1]]));
    let (from, offset) = (at(6), at(8));
    if needs && offset != usize::from(TCP_CHECKSUM) {
        let Some(rest) = packet.get_mut(from..).filter(|rest| rest.len() >= offset + 2) else { return false };
        let check = match !internet_sum(rest) {
            // Of UDP, 0 says that there is none (RFC 768).
            0 => 0xffff,
            check => check,
        };
        rest[offset..offset + 2].copy_from_slice(&check.to_be_bytes());
        return false;
    }
    needs || header[0] & VERIFIED != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_cut_only_when_it_is_longer_than_a_packet() {
        let mut packet = vec![0; 40 + 3_000];
        packet[0] = 0x45;
        let short = |header: [u8; LENGTH], at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let header = segment(&packet, 40, 1_460);
        assert_eq!((header[0], header[1]), (NEEDS_CHECKSUM, TCP4));
        assert_eq!([2, 4, 6, 8].map(|at| short(header, at)), [40, 1_460, 20, 16]);
        let header = segment(&packet[..1_500], 40, 1_460);
        assert_eq!((header[1], short(header, 4)), (0, 0));
        packet[0] = 0x60;
        let header = segment(&packet, 60, 1_440);
        assert_eq!((header[1], short(header, 6)), (TCP6, 40));
    }

    #[test]
    fn the_checksum_of_a_datagram_is_completed_and_that_of_a_segment_is_trusted() {
        let mut packet = [0; 28];
        packet[0] = 0x45;
        packet[20..28].copy_from_slice(&[0, 53, 0, 99, 0, 8, 0x12, 0x34]);
        let mut header = [NEEDS_CHECKSUM, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[6..8].copy_from_slice(&20_u16.to_ne_bytes());
        header[8..10].copy_from_slice(&6_u16.to_ne_bytes());
        assert!(!finish(header, &mut packet), "it is whole, and may be looked at");
        assert_eq!(u16::from_be_bytes([packet[26], packet[27]]), !(53 + 99 + 8 + 0x1234));
        let whole = packet;
        header[8..10].copy_from_slice(&TCP_CHECKSUM.to_ne_bytes());
        assert!(finish(header, &mut packet) && packet == whole);
        assert!(finish([VERIFIED; LENGTH], &mut packet) && packet == whole);
        assert!(!finish([0; LENGTH], &mut packet) && packet == whole, "a stranger's has to be verified");
        header[6..10].fill(0xff);
        assert!(!finish(header, &mut packet) && packet == whole, "a place outside of the packet is none");
    }
}
