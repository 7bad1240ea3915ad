//! Ethernet: the header of a frame (RFC 894), and questions for addresses with their answers (RFC 826).
//!
//! ```text
//! unknown ─► asked : somebody wants to send to it; it is asked for, once a second at most
//! asked   ─► known : it has answered, or said something of itself
//! known   ─► asked : a minute has passed, and somebody wants to send to it
//! ```
//!
//! Only who was asked for is ever learnt, so a flood of answers fills nothing. A question that waits makes no room for
//! another, so a flood of targets has eight asked for a second.

use crate::time::Instant;
use core::net::Ipv4Addr;

/// An Ethernet address.
pub(super) type Mac = [u8; 6];

/// The octets of a frame's header.
pub(super) const ETHERNET: usize = 14;
/// The type of IPv4 in it.
pub(super) const IPV4: [u8; 2] = [0x08, 0x00];
/// The type of questions and answers.
pub(super) const ARP: [u8; 2] = [0x08, 0x06];
/// The address of everybody.
pub(super) const EVERYBODY: Mac = [0xff; 6];
/// How long an address that was heard is good for, in microseconds.
pub(super) const AGE: u64 = 60_000_000;

/// How many neighbours are known or asked for at a time.
const MOST: usize = 8;
/// How long a question waits for its answer before it is asked again, in microseconds (RFC 1122 §2.3.2.1).
const ASK: u64 = 1_000_000;
/// What a question says of its addresses: Ethernet's, of six octets, for IPv4's, of four.
const KINDS: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];

/// Returns whether an address is a group's or everybody's, and so no sender's (IEEE 802.3 §3.2.3).
pub(super) const fn is_group(mac: Mac) -> bool {
    mac[0] & 1 != 0
}

/// Writes a frame's header.
pub(super) fn address(frame: &mut [u8], to: Mac, from: Mac, kind: [u8; 2]) {
    if let Some(place) = frame.first_chunk_mut::<ETHERNET>() {
        place[..6].copy_from_slice(&to);
        place[6..12].copy_from_slice(&from);
        place[12..].copy_from_slice(&kind);
    }
}

/// A question for an address, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arp {
    /// Whether it asks.
    pub(super) asks: bool,
    /// Who says it.
    pub(super) sender: (Mac, Ipv4Addr),
    /// Who is asked for, or answered; a question does not know its Ethernet address.
    pub(super) target: (Mac, Ipv4Addr),
}

impl Arp {
    /// The octets of one behind the frame's header.
    pub(super) const LENGTH: usize = 28;

    /// Reads what stands behind a frame's header; `None` when it is about other addresses, or from a group.
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let octets = octets.first_chunk::<{ Self::LENGTH }>()?;
        let [_, _, _, _, _, _, 0, verb @ (1 | 2), rest @ ..] = octets else { return None };
        let (sender, target) = rest.split_at(10);
        let sender = pair(sender)?;
        let sane = octets[..6] == KINDS && !is_group(sender.0);
        sane.then_some(Self { asks: *verb == 1, sender, target: pair(target)? })
    }

    /// Writes it behind a frame's header; returns its length, 0 if it does not fit.
    pub(super) fn write(&self, octets: &mut [u8]) -> usize {
        let Some(place) = octets.first_chunk_mut::<{ Self::LENGTH }>() else { return 0 };
        place[..6].copy_from_slice(&KINDS);
        place[6..8].copy_from_slice(&[0, if self.asks { 1 } else { 2 }]);
        place[8..14].copy_from_slice(&self.sender.0);
        place[14..18].copy_from_slice(&self.sender.1.octets());
        place[18..24].copy_from_slice(&self.target.0);
        place[24..].copy_from_slice(&self.target.1.octets());
        Self::LENGTH
    }
}

/// Reads an Ethernet address and the one of IPv4 behind it.
fn pair(octets: &[u8]) -> Option<(Mac, Ipv4Addr)> {
    let (mac, ip) = octets.split_first_chunk::<6>()?;
    Some((*mac, Ipv4Addr::from(*ip.first_chunk::<4>()?)))
}

/// One neighbour.
#[derive(Clone, Copy, Debug)]
struct Neighbour {
    ip: Ipv4Addr,
    /// Its address, or none while it is asked for.
    mac: Option<Mac>,
    /// Until when that is good, or when it may be asked for again.
    until: Instant,
}

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Its address.
    Mac(Mac),
    /// Nothing, and it is to be asked for now.
    Ask,
    /// Nothing until it answers, or something else does not.
    Wait,
}

/// The neighbours that somebody wants to send to.
#[derive(Debug)]
pub(super) struct Neighbours([Neighbour; MOST]);

impl Neighbours {
    pub(super) const fn new() -> Self {
        Self([Neighbour { ip: Ipv4Addr::UNSPECIFIED, mac: None, until: Instant::ZERO }; MOST])
    }

    /// Returns what is known of a neighbour that somebody wants to send to.
    pub(super) fn look_up(&mut self, now: Instant, ip: Ipv4Addr) -> Known {
        if let Some(one) = self.0.iter().find(|one| one.ip == ip && now < one.until) {
            return one.mac.map_or(Known::Wait, Known::Mac);
        }
        let free = |one: &&mut Neighbour| one.mac.is_some() || one.until <= now;
        let Some(place) = self.0.iter_mut().filter(free).min_by_key(|one| (one.ip != ip, one.until)) else {
            return Known::Wait;
        };
        *place = Neighbour { ip, mac: None, until: now.after(ASK) };
        Known::Ask
    }

    /// Returns when a neighbour that does not answer may be asked for again.
    pub(super) fn asks_at(&self, ip: Ipv4Addr) -> Option<Instant> {
        self.0.iter().find(|one| one.ip == ip && one.mac.is_none()).map(|one| one.until)
    }

    /// Takes note of what a neighbour says of itself, if anybody wants to send to it.
    pub(super) fn heard(&mut self, now: Instant, (mac, ip): (Mac, Ipv4Addr)) {
        if let Some(one) = self.0.iter_mut().find(|one| one.ip == ip) {
            (one.mac, one.until) = (Some(mac), now.after(AGE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, last)
    }

    fn mac(last: u8) -> Mac {
        [2, 0, 0, 0, 0, last]
    }

    #[test]
    fn what_is_written_is_read_back_and_what_is_about_others_is_not() {
        let arp = Arp { asks: true, sender: (mac(1), ip(1)), target: ([0; 6], ip(2)) };
        let mut octets = [0; Arp::LENGTH];
        assert_eq!(arp.write(&mut octets), 28);
        assert_eq!(Arp::parse(&octets), Some(arp));
        assert_eq!(Arp::parse(&octets[..27]), None, "it is cut");
        for (at, other) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (6, 1), (7, 0), (7, 3), (8, 0xff)] {
            let mut wrong = octets;
            wrong[at] = other;
            assert_eq!(Arp::parse(&wrong), None, "octet {at} is {other}");
        }
    }

    #[test]
    fn a_neighbour_is_asked_for_once_a_second_known_for_a_minute_and_asked_for_again() {
        let mut all = Neighbours::new();
        let at = |micros: u64| Instant::from_micros(micros);
        assert_eq!(all.look_up(at(0), ip(9)), Known::Ask);
        assert_eq!(all.look_up(at(SECOND - 1), ip(9)), Known::Wait);
        assert_eq!(all.asks_at(ip(9)), Some(at(SECOND)));
        assert_eq!(all.look_up(at(SECOND), ip(9)), Known::Ask);
        all.heard(at(SECOND), (mac(9), ip(9)));
        assert_eq!(all.look_up(at(60 * SECOND), ip(9)), Known::Mac(mac(9)));
        all.heard(at(60 * SECOND), (mac(10), ip(9)));
        assert_eq!(all.look_up(at(119 * SECOND), ip(9)), Known::Mac(mac(10)), "it has moved, and says so");
        assert_eq!(all.look_up(at(120 * SECOND), ip(9)), Known::Ask);
    }

    #[test]
    fn nobody_is_learnt_who_was_not_asked_for() {
        let mut all = Neighbours::new();
        all.heard(Instant::ZERO, (mac(9), ip(9)));
        assert_eq!(all.look_up(Instant::ZERO, ip(9)), Known::Ask);
    }

    #[test]
    fn questions_that_wait_make_no_room_and_answers_do_the_oldest_first() {
        let mut all = Neighbours::new();
        let later = Instant::from_micros(SECOND);
        for last in 1..=8 {
            assert_eq!(all.look_up(Instant::ZERO, ip(last)), Known::Ask);
        }
        assert_eq!(all.look_up(Instant::ZERO, ip(9)), Known::Wait);
        all.heard(Instant::from_micros(5), (mac(3), ip(3)));
        all.heard(Instant::from_micros(4), (mac(4), ip(4)));
        assert_eq!(all.look_up(Instant::from_micros(6), ip(9)), Known::Ask);
        assert_eq!(all.look_up(Instant::from_micros(6), ip(3)), Known::Mac(mac(3)));
        assert_eq!(all.look_up(later, ip(4)), Known::Ask, "it made room");
    }
}
