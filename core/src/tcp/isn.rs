//! Initial sequence numbers that nobody can guess (RFC 6528 §3).

use super::Seq;
use super::sip::sip;
use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};

/// What a reused pair of addresses jumps past its predecessor's last number, at the least: any window without a
/// shift.
const JUMP: u32 = 65_536;

/// The octets of an address and a port.
const END: usize = 18;

/// Returns the initial number of a connection: a clock of 4 µs plus a keyed hash of its addresses.
///
/// `after` is the last number of the connection that had the same addresses before, if one is known: the new
/// numbers begin beyond it (RFC 9293 §3.4.1).
pub fn isn(key: &[u64; 2], local: SocketAddr, remote: SocketAddr, now: Instant, after: Option<Seq>) -> Seq {
    let mut ends = [0; 2 * END];
    for (place, end) in ends.chunks_exact_mut(END).zip([local, remote]) {
        let ip = match end.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        place[..16].copy_from_slice(&ip.octets());
        place[16..].copy_from_slice(&end.port().to_be_bytes());
    }
    let hash = sip(key, &ends);
    let clock = now.micros() / 4;
    let number = Seq(u32::try_from(hash.wrapping_add(clock) & 0xffff_ffff).unwrap_or(0));
    match after {
        Some(last) if !number.is_after(last + JUMP) => last + JUMP + 1,
        Some(_) | None => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn the_clock_advances_a_tuples_numbers_and_a_predecessor_is_passed() {
        let (local, remote) =
            (SocketAddr::from(([192, 0, 2, 1], 80)), SocketAddr::from(([192, 0, 2, 2], 5_000)));
        let at = |micros, after| isn(&[1, 2], local, remote, Instant::from_micros(micros), after);
        assert_eq!(at(4_000_000, None).since(at(0, None)), 1_000_000);
        let last = at(0, None) + 90_000_000;
        assert!(at(1_000, Some(last)).is_after(last));
        let later = Instant::ZERO + Duration::from_secs(3_600);
        assert_eq!(isn(&[1, 2], local, remote, later, Some(last)), isn(&[1, 2], local, remote, later, None));
    }
}
