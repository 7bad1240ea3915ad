//! What every connection of a node needs to reach the wire: the card, smoltcp's interface, two frames, the recorder.

use super::nic::Nic;
use super::port::{ETHERNET, Port};
use super::{Counters, Limits};
use crate::tcp::Segment;
use crate::time::{Instant, micros};
use crate::trace::Recorder;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use smoltcp::iface::{Interface, SocketSet};

/// The type of IPv4 in an Ethernet header (RFC 894).
const IPV4: [u8; 2] = [0x08, 0x00];

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
        if cfg!(not(feature = "smoltcp")) || self.nic.address().is_some() { ETHERNET } else { 0 }
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
    pub(super) fn sender(&self) -> [u8; 6] {
        self.input.get(6..12).and_then(|octets| octets.try_into().ok()).unwrap_or_default()
    }

    /// Lets the sockets of a set see the frame that came last; returns the length of the answer, 0 for none.
    pub(super) fn show(&mut self, sockets: &mut SocketSet<'_>) -> usize {
        let (head, clock) = (self.head(), self.clock());
        let frame = self.input.get(..self.length).unwrap_or(&[]);
        let mut port = Port::new(head, Some(frame), self.output);
        self.iface.poll_ingress_single(clock, &mut port, sockets);
        port.sent()
    }

    /// Lets the sockets of a set send one frame; returns its length, 0 for none.
    pub(super) fn ask(&mut self, sockets: &mut SocketSet<'_>) -> usize {
        let (head, clock) = (self.head(), self.clock());
        let mut port = Port::new(head, None, self.output);
        self.iface.poll_egress(clock, &mut port, sockets);
        port.sent()
    }

    /// Returns the segment in the first `length` octets of the frame that is about to leave.
    pub(super) fn leaving(&mut self, length: usize) -> Option<Segment> {
        let head = self.head();
        Segment::parse(ipv4(self.output.get_mut(..length)?, head)?).ok()
    }

    /// Transmits the first `length` octets of the frame that is about to leave; a length of 0 is no frame.
    pub(super) fn transmit(&mut self, length: usize) {
        if let Some(frame) = self.output.get(..length).filter(|frame| !frame.is_empty()) {
            self.counters.frames_out = self.counters.frames_out.wrapping_add(1);
            self.nic.transmit(frame);
        }
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

    /// Writes an Ethernet header, where the link has one, into a frame; returns where the packet begins.
    pub(super) fn address(own: Option<[u8; 6]>, frame: &mut [u8], to: [u8; 6], from: [u8; 6]) -> usize {
        let Some(place) = frame.first_chunk_mut::<ETHERNET>().filter(|_| own.is_some()) else { return 0 };
        let [t0, t1, t2, t3, t4, t5] = to;
        let [f0, f1, f2, f3, f4, f5] = from;
        *place = [t0, t1, t2, t3, t4, t5, f0, f1, f2, f3, f4, f5, IPV4[0], IPV4[1]];
        ETHERNET
    }
}

/// Returns the IPv4 packet of a frame whose header has `head` octets.
pub(super) fn ipv4(frame: &mut [u8], head: usize) -> Option<&mut [u8]> {
    if head > 0 && frame.get(12..14) != Some(&IPV4) {
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
