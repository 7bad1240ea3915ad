//! What every connection of a node needs to reach the wire: the card, smoltcp's interface, two frames, the recorder.

use super::ethernet::{self, ARP, Arp, ETHERNET, EVERYBODY, IPV4, Known, Mac, Neighbours, is_group};
use super::nic::Nic;
use super::port::Port;
use super::{Counters, Limits};
use crate::tcp::Segment;
use crate::time::{Instant, micros};
use crate::trace::Recorder;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use smoltcp::iface::{Interface, SocketSet};

/// A second, in microseconds.
const SECOND: u64 = 1_000_000;

/// The limits of a node, in microseconds, which are reckoned once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    pub(super) handshake: u64,
    pub(super) connect: u64,
    pub(super) silence: u64,
    pub(super) linger: u64,
    pub(super) two_msl: u64,
    pub(super) answers: u8,
}

impl From<Limits> for Spans {
    fn from(limits: Limits) -> Self {
        Self {
            handshake: micros(limits.handshake),
            connect: micros(limits.connect),
            silence: micros(limits.silence),
            linger: micros(limits.linger),
            two_msl: micros(limits.two_msl),
            answers: limits.answers,
        }
    }
}

/// The way between connections and the wire.
pub(super) struct Seam<'a, N, S> {
    pub(super) nic: N,
    pub(super) iface: Interface,
    pub(super) now: Instant,
    pub(super) address: Ipv4Addr,
    /// The length of the network's prefix, and the way to other networks.
    pub(super) prefix: u8,
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) neighbours: Neighbours,
    pub(super) spans: Spans,
    /// The frame that came last, and its length.
    pub(super) input: &'a mut [u8],
    pub(super) length: usize,
    /// The frame that is about to leave.
    pub(super) output: &'a mut [u8],
    pub(super) recorder: Recorder<S>,
    pub(super) counters: Counters,
    /// Answers to what belongs to nothing that may still be given, and since when that is counted.
    pub(super) answers: (u8, Instant),
}

impl<N: Nic, S> Seam<'_, N, S> {
    /// Returns the octets before the IP header.
    pub(super) fn head(&self) -> usize {
        if self.nic.address().is_some() { ETHERNET } else { 0 }
    }

    /// Returns smoltcp's clock.
    pub(super) fn clock(&self) -> smoltcp::time::Instant {
        smoltcp::time::Instant::from_micros(i64::try_from(self.now.micros()).unwrap_or(i64::MAX))
    }

    /// Returns the IPv4 packet of the frame that came last.
    pub(super) fn packet(&mut self) -> Option<&mut [u8]> {
        let head = self.head();
        ipv4(self.input.get_mut(..self.length)?, head)
    }

    /// Returns who sent the frame that came last.
    pub(super) fn sender(&self) -> Mac {
        self.input.get(6..12).and_then(|octets| octets.try_into().ok()).unwrap_or_default()
    }

    /// Returns whether the frame that came last is from one station, and for this card or a group.
    pub(super) fn is_for_us(&self) -> bool {
        let Some(own) = self.nic.address() else { return true };
        self.input.first_chunk::<6>().is_some_and(|to| *to == own || is_group(*to))
            && !is_group(self.sender())
    }

    /// Returns the place for the packet that is about to leave.
    pub(super) fn out(&mut self) -> &mut [u8] {
        let head = self.head();
        self.output.get_mut(head..).unwrap_or(&mut [])
    }

    /// Lets the sockets of a set see the packet that came last; returns the length of the answer, 0 for none.
    pub(super) fn show(&mut self, sockets: &mut SocketSet<'_>) -> usize {
        let (head, clock) = (self.head(), self.clock());
        let packet = self.input.get(head..self.length).unwrap_or(&[]);
        let mut port = Port::new(Some(packet), self.output.get_mut(head..).unwrap_or(&mut []));
        self.iface.poll_ingress_single(clock, &mut port, sockets);
        port.sent()
    }

    /// Lets the sockets of a set send one packet; returns its length, 0 for none.
    pub(super) fn ask(&mut self, sockets: &mut SocketSet<'_>) -> usize {
        let (head, clock) = (self.head(), self.clock());
        let mut port = Port::new(None, self.output.get_mut(head..).unwrap_or(&mut []));
        self.iface.poll_egress(clock, &mut port, sockets);
        port.sent()
    }

    /// Returns the segment in the packet of `length` octets that is about to leave.
    pub(super) fn leaving(&mut self, length: usize) -> Option<Segment> {
        Segment::parse(self.out().get(..length)?).ok()
    }

    /// Transmits the packet of `length` octets that is about to leave; a length of 0 is no packet.
    pub(super) fn transmit(&mut self, to: Mac, length: usize) {
        self.frame(to, IPV4, length);
    }

    /// Transmits what stands behind a frame's header, which is written where the link has one.
    fn frame(&mut self, to: Mac, kind: [u8; 2], length: usize) {
        let whole = self.head() + length;
        let Some(frame) = self.output.get_mut(..whole).filter(|_| length > 0) else { return };
        if let Some(own) = self.nic.address() {
            ethernet::address(frame, to, own, kind);
        }
        self.counters.frames_out = self.counters.frames_out.wrapping_add(1);
        self.nic.transmit(frame);
    }

    /// Returns the Ethernet address that a packet to `to` goes to; if it is not known, it is asked for.
    pub(super) fn way(&mut self, to: Ipv4Addr) -> Option<Mac> {
        let Some(own) = self.nic.address() else { return Some(EVERYBODY) };
        if let Some(group) = self.group(to) {
            return Some(group);
        }
        let hop = self.hop(to)?;
        match self.neighbours.look_up(self.now, hop) {
            Known::Mac(mac) => return Some(mac),
            Known::Wait => {}
            Known::Ask => {
                let question = Arp { asks: true, sender: (own, self.address), target: ([0; 6], hop) };
                self.say(EVERYBODY, question);
            }
        }
        None
    }

    /// Transmits a question for an address, or an answer.
    pub(super) fn say(&mut self, to: Mac, arp: Arp) {
        let length = arp.write(self.out());
        self.frame(to, ARP, length);
    }

    /// Returns when the way to `to` may be asked for again.
    pub(super) fn asks_at(&self, to: Ipv4Addr) -> Instant {
        let Some(hop) = self.hop(to) else { return self.now.after(SECOND) };
        self.neighbours.asks_at(hop).unwrap_or(self.now)
    }

    /// Returns whom a packet to `to` is handed to: itself in the node's own network, else the gateway.
    pub(super) fn hop(&self, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let differ = (to.to_bits() ^ self.address.to_bits()) & !self.hosts();
        if differ == 0 { Some(to) } else { self.gateway }
    }

    /// Returns the Ethernet address of everybody and of groups (RFC 894, RFC 1112 §6.4); `None` for a lone host.
    fn group(&self, to: Ipv4Addr) -> Option<Mac> {
        let [_, a, b, c] = to.octets();
        if to.is_multicast() {
            return Some([0x01, 0x00, 0x5e, a & 0x7f, b, c]);
        }
        let all = Ipv4Addr::from_bits(self.address.to_bits() | self.hosts());
        // A network of two hosts has no address of all (RFC 3021).
        (to.is_broadcast() || to == all && self.prefix < 31).then_some(EVERYBODY)
    }

    /// Returns the bits of an address that tell hosts of the node's network apart.
    fn hosts(&self) -> u32 {
        u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0)
    }

    /// Returns whether one more answer to what belongs to nothing may be given in this second.
    pub(super) fn may_answer(&mut self) -> bool {
        if self.now >= self.answers.1.after(SECOND) {
            self.answers = (self.spans.answers, self.now);
        }
        let may = self.answers.0 > 0;
        self.answers.0 = self.answers.0.saturating_sub(1);
        may
    }
}

/// Returns the IPv4 packet of a frame whose header has `head` octets.
pub(super) fn ipv4(frame: &mut [u8], head: usize) -> Option<&mut [u8]> {
    if head > 0 && frame.get(12..head) != Some(&IPV4) {
        return None;
    }
    let packet = frame.get_mut(head..)?;
    (packet.first()? >> 4 == 4).then_some(packet)
}

/// Returns an IPv4 endpoint; one of IPv6, which a node does not have, becomes 0.0.0.0.
pub(super) const fn v4(end: SocketAddr) -> SocketAddrV4 {
    match end {
        SocketAddr::V4(end) => end,
        SocketAddr::V6(end) => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, end.port()),
    }
}
