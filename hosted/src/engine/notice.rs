//! What routers and hosts say about our segments: ICMP errors that quote one (RFC 792, RFC 4443, RFC 1191, RFC 8201).
//!
//! A notice counts only if the number it quotes has been sent and is not acknowledged (RFC 5927 §4). One that says the
//! target cannot be reached ends a connection that is being opened and is no reason to end one that stands; one that
//! says a packet was too big makes the connection's packets smaller.

use super::directory::Claim;
use super::{Engine, Place};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use sockhop::stack::Wish;
use sockhop::tcp::{Seq, State};
use sockhop::trace::Sink;

const TCP: u8 = 6;
/// Sizes that paths have (RFC 1191 §7, and those of tunnels and of IPv6 between): a path is taken to be as wide as the
/// largest that fits, so that as many interfaces are enough for all connections.
pub(super) const PLATEAUS: [usize; 11] =
    [32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_420, 1_280, 1_006, 768, 576];

/// Why a target cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// No route leads to its network.
    Network,
    /// The host does not answer, or may not be asked.
    Host,
    /// The host has nobody at this port, or does not speak the protocol.
    Port,
}

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    Unreachable(Unreachable),
    /// The largest packet that gets through, in octets; 0 from a router that does not say.
    TooBig(usize),
}

/// An ICMP error and the segment it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quoted {
    notice: Notice,
    from: SocketAddr,
    to: SocketAddr,
    seq: Seq,
    /// The length of the packet that was quoted.
    length: usize,
}

impl<S: Sink> Engine<S> {
    /// Takes a packet if it is an ICMP error about a segment of ours; returns whether it was one.
    pub(super) fn take_notice(&mut self, packet: &[u8]) -> bool {
        let Some(quoted) = read(packet) else { return false };
        let tuple = (quoted.from, quoted.to);
        let Some(Place::Flow(slot)) = self.places.get(&tuple).copied() else {
            self.hand_over(&[Claim::Flow(tuple)], packet);
            return true;
        };
        let flow = &mut self.flows[slot];
        let first = flow.guard.tracker().snd_una() + flow.guard.offset();
        let under_way =
            quoted.seq == first || quoted.seq.is_after(first) && flow.guard.sent_up_to().is_after(quoted.seq);
        if !under_way {
            return true;
        }
        match quoted.notice {
            Notice::Unreachable(why) if flow.state == State::SynSent => {
                flow.unreachable = Some(why);
                flow.wish = Wish::Abort;
                self.mark(slot);
            }
            Notice::Unreachable(_) => {}
            Notice::TooBig(size) => {
                // A size that is not said is less than the one that was too big.
                let most = if size == 0 { quoted.length.saturating_sub(1) } else { size };
                if let Some(plateau) = PLATEAUS.iter().find(|plateau| **plateau <= most) {
                    flow.path = flow.path.min(*plateau);
                    self.mark(slot);
                }
            }
        }
        true
    }
}

/// Reads an ICMP error whose checksum is right and that quotes a TCP segment.
fn read(packet: &[u8]) -> Option<Quoted> {
    use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, IpProtocol, Ipv4Packet, Ipv6Packet};
    match packet.first()? >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(packet).ok()?;
            let whole = !ip.more_frags() && ip.frag_offset() == 0;
            if ip.next_header() != IpProtocol::Icmp || !whole || !ip.verify_checksum() {
                return None;
            }
            let icmp = packet.get(usize::from(ip.header_len())..usize::from(ip.total_len()))?;
            Icmpv4Packet::new_checked(icmp).ok().filter(Icmpv4Packet::verify_checksum)?;
            let next_hop = usize::from(u16::from_be_bytes([icmp[6], icmp[7]]));
            quote4(notice4(icmp[0], icmp[1], next_hop)?, icmp.get(8..)?)
        }
        6 => {
            let ip = Ipv6Packet::new_checked(packet).ok()?;
            let icmp = packet.get(40..40 + usize::from(ip.payload_len()))?;
            let (from, to) = (ip.src_addr(), ip.dst_addr());
            let checked = Icmpv6Packet::new_checked(icmp).ok()?;
            if ip.next_header() != IpProtocol::Icmpv6 || !checked.verify_checksum(&from, &to) {
                return None;
            }
            let next_hop = u32::from_be_bytes([icmp[4], icmp[5], icmp[6], icmp[7]]);
            quote6(notice6(icmp[0], icmp[1], usize::try_from(next_hop).ok()?)?, icmp.get(8..)?)
        }
        _ => None,
    }
}

/// Returns what a type and a code of ICMP mean (RFC 792, RFC 1812 §5.2.7.1).
const fn notice4(kind: u8, code: u8, next_hop: usize) -> Option<Notice> {
    Some(match (kind, code) {
        (3, 0 | 6 | 9 | 11) => Notice::Unreachable(Unreachable::Network),
        (3, 2 | 3) => Notice::Unreachable(Unreachable::Port),
        (3, 4) => Notice::TooBig(next_hop),
        (3, _) | (11, 0) => Notice::Unreachable(Unreachable::Host),
        _ => return None,
    })
}

/// Returns what a type and a code of ICMPv6 mean (RFC 4443 §3).
const fn notice6(kind: u8, code: u8, next_hop: usize) -> Option<Notice> {
    Some(match (kind, code) {
        (1, 0 | 5 | 6) => Notice::Unreachable(Unreachable::Network),
        (1, 4) => Notice::Unreachable(Unreachable::Port),
        (1, _) | (3, 0) => Notice::Unreachable(Unreachable::Host),
        // Nothing narrower than 1,280 octets is believed (RFC 8201 §4).
        (2, _) => Notice::TooBig(if next_hop < 1_280 { 1_280 } else { next_hop }),
        _ => return None,
    })
}

/// Reads the IPv4 header and the first eight octets of TCP that an error quotes.
fn quote4(notice: Notice, quote: &[u8]) -> Option<Quoted> {
    let ihl = usize::from(*quote.first()? & 0xf) * 4;
    let tcp = quote.get(ihl..ihl + 8)?;
    if quote[0] >> 4 != 4 || ihl < 20 || quote[9] != TCP {
        return None;
    }
    let ip = |at: usize| Ipv4Addr::new(quote[at], quote[at + 1], quote[at + 2], quote[at + 3]);
    let length = usize::from(u16::from_be_bytes([quote[2], quote[3]]));
    Some(quoted(notice, (ip(12).into(), ip(16).into()), tcp, length))
}

/// Reads the IPv6 header and the first eight octets of TCP that an error quotes.
fn quote6(notice: Notice, quote: &[u8]) -> Option<Quoted> {
    let tcp = quote.get(40..48)?;
    if quote[0] >> 4 != 6 || quote[6] != TCP {
        return None;
    }
    let ip = |at: usize| quote[at..at + 16].try_into().map(|octets: [u8; 16]| Ipv6Addr::from(octets));
    let length = 40 + usize::from(u16::from_be_bytes([quote[4], quote[5]]));
    Some(quoted(notice, (ip(8).ok()?.into(), ip(24).ok()?.into()), tcp, length))
}

fn quoted(notice: Notice, (from, to): (IpAddr, IpAddr), tcp: &[u8], length: usize) -> Quoted {
    let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let seq = Seq(u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]));
    Quoted { notice, from: SocketAddr::new(from, port(0)), to: SocketAddr::new(to, port(2)), seq, length }
}
