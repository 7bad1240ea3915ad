//! From the wire to a socket: steps 1 to 6 of a node's round.

use super::ethernet::{ARP, Arp, ETHERNET};
use super::flow::Flow;
use super::seam::v4;
use super::wait::Wait;
use super::{Nic, Node};
use crate::tcp::{Cause, Empty, Flags, Marks, Segment, Seq, State, internet_sum, is_intact, isn};
use crate::time::{Instant, Reason};
use crate::trace::{Drop, Sink};
use core::net::{SocketAddr, SocketAddrV4};
use smoltcp::iface::SocketSet;

/// How many microseconds a peer that means it takes to finish its handshake, on the links that devices have.
const ROUND_TRIP: u64 = 250_000;
/// The numbers of protocols in an IPv4 header.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// The type of a notice that something was not reached, and the code of a port (RFC 792).
const UNREACHABLE: u8 = 3;
const PORT: u8 = 3;

impl<N: Nic, S: Sink> Node<'_, N, S> {
    /// Takes the frame that came last, and answers at once where the protocol does.
    pub(super) fn ingress(&mut self) {
        self.seam.counters.frames_in = self.seam.counters.frames_in.wrapping_add(1);
        if !self.seam.is_for_us() {
            return;
        }
        let Some(packet) = self.seam.packet() else { return self.arp() };
        match Segment::parse(packet) {
            Ok(segment) => {
                let intact = is_intact(packet);
                let Some(ends) = self.ends(&segment) else { return };
                if intact {
                    self.segment(&segment, ends);
                } else {
                    self.seam.counters.corrupt = self.seam.counters.corrupt.wrapping_add(1);
                    self.seam.recorder.dropped(self.seam.now, 0, &segment, Drop::Checksum);
                }
            }
            Err(_) if packet.get(9) == Some(&TCP) => {
                self.seam.counters.corrupt = self.seam.counters.corrupt.wrapping_add(1);
            }
            Err(_) if self.datagrams.take(&mut self.seam) => {}
            Err(_) => self.answer(),
        }
    }

    /// Returns the local and the remote end of a segment that is for the node and from somewhere else (RFC 1122 §3.2.1.3).
    fn ends(&self, segment: &Segment) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let (from, to) = (v4(segment.src), v4(segment.dst));
        let strange = from.ip().is_unspecified() || from.ip().is_broadcast() || from.ip().is_multicast();
        let ours = *to.ip() == self.seam.address && *from.ip() != self.seam.address && !strange;
        ours.then_some((to, from))
    }

    /// Answers a question for the node's Ethernet address, and takes note of what others say of theirs (RFC 826).
    fn arp(&mut self) {
        let Some(own) = self.seam.nic.address() else { return };
        let frame = self.seam.input.get(..self.seam.length).unwrap_or(&[]);
        let behind = frame.get(12..ETHERNET).filter(|kind| *kind == ARP).and_then(|_| frame.get(ETHERNET..));
        let Some(arp) = behind.and_then(Arp::parse) else { return };
        let (mac, ip) = arp.sender;
        if ip == self.seam.address {
            return;
        }
        self.seam.neighbours.heard(self.seam.now, arp.sender);
        for flow in self.flows.iter_mut().chain(self.door.iter_mut()) {
            if flow.mac.is_some() && self.seam.hop(*flow.remote.ip()) == Some(ip) {
                flow.mac = Some(mac);
            }
        }
        if arp.asks && arp.target.1 == self.seam.address {
            let answer = Arp { asks: false, sender: (own, self.seam.address), target: arp.sender };
            self.seam.say(mac, answer);
        }
    }

    /// Lets smoltcp answer what belongs to no connection, at most so often a second; groups are not answered.
    fn answer(&mut self) {
        let to = self.seam.packet().and_then(|packet| packet.get(16).copied());
        if to.is_none_or(|octet| octet >= 224) || !self.seam.may_answer() {
            return;
        }
        let sent = self.seam.show(&mut SocketSet::new(&mut [][..]));
        name_port(self.seam.out().get_mut(..sent).unwrap_or(&mut []));
        self.seam.transmit(self.seam.sender(), sent);
    }

    fn segment(&mut self, segment: &Segment, (local, remote): (SocketAddrV4, SocketAddrV4)) {
        let mut flows = self.flows.iter_mut().chain(self.door.iter_mut());
        if let Some(flow) = flows.find(|flow| flow.joins(local, remote)) {
            return flow.meet(&mut self.seam, segment);
        }
        let bare_syn =
            segment.flags.contains(Flags::SYN) && !segment.flags.intersects(Flags::ACK | Flags::RST);
        let heard = bare_syn && self.listeners.contains(&local.port());
        let mut after = None;
        if let Some(place) = self.waits.find(local, remote) {
            // A SYN beyond what was received starts anew (RFC 9293 §3.10.7.4, RFC 6191).
            let renews = |wait: &mut Wait| heard && segment.seq.is_after(wait.rcv_nxt);
            match place.take_if(renews) {
                Some(wait) => after = Some(wait.snd_nxt),
                None => return self.meet_wait(segment, (local, remote)),
            }
        }
        if heard {
            return self.open(segment, (local, remote), after);
        }
        self.seam.recorder.dropped(self.seam.now, 0, segment, Drop::Unmatched);
        if !segment.flags.contains(Flags::RST) {
            self.answer();
        }
    }

    /// Gives a SYN a place and a socket.
    fn open(&mut self, segment: &Segment, (local, remote): (SocketAddrV4, SocketAddrV4), after: Option<Seq>) {
        let now = self.seam.now;
        let number = isn(&self.seed, segment.dst, segment.src, now, after);
        let serial = self.next_serial();
        let deadline = now.after(self.seam.spans.handshake);
        let late = now.after(self.seam.spans.handshake.saturating_sub(ROUND_TRIP));
        let Some(flow) = room(self.flows, self.door, late) else {
            self.seam.counters.refused = self.seam.counters.refused.wrapping_add(1);
            self.seam.recorder.dropped(now, 0, segment, Drop::Limit);
            return;
        };
        if !flow.is_free() {
            self.seam.counters.evicted = self.seam.counters.evicted.wrapping_add(1);
            flow.end(&mut self.seam);
        }
        flow.begin(serial, local, remote, number);
        flow.half_open = true;
        flow.deadline = Some((deadline, Reason::Handshake));
        self.seam.recorder.opened(now, serial, segment.dst, segment.src, false);
        if flow.socket().listen(local).is_err() {
            return flow.end(&mut self.seam);
        }
        flow.note(&mut self.seam, Cause::Listen);
        flow.meet(&mut self.seam, segment);
    }

    /// Answers a segment of a connection in TIME-WAIT: what takes numbers is acknowledged again, resets are ignored.
    fn meet_wait(&mut self, segment: &Segment, (local, remote): (SocketAddrV4, SocketAddrV4)) {
        let Some(wait) = self.waits.find(local, remote).and_then(Option::as_mut) else { return };
        let (now, state, marks) = (self.seam.now, State::TimeWait, Marks::default());
        self.seam.recorder.received(now, wait.serial, segment, state, state, marks);
        let speaks = segment.len > 0 || segment.flags.intersects(Flags::SYN | Flags::FIN);
        if segment.flags.contains(Flags::RST) || !speaks {
            return;
        }
        if segment.flags.contains(Flags::FIN) {
            wait.until = now.after(self.seam.spans.two_msl);
        }
        let serial = wait.serial;
        let answer = Empty { seq: wait.snd_nxt, ack: wait.rcv_nxt, flags: Flags::ACK, window: wait.window };
        let length = answer.write(SocketAddr::V4(local), SocketAddr::V4(remote), self.seam.out());
        if let Some(answer) = self.seam.leaving(length) {
            self.seam.recorder.sent(now, serial, &answer, state, state, marks);
        }
        self.seam.transmit(self.seam.sender(), length);
    }
}

/// Has a notice about a datagram say that nobody is at its port (RFC 1122 §3.2.2.1).
///
/// The node keeps its UDP ports itself, so smoltcp says that nobody has the protocol.
fn name_port(notice: &mut [u8]) {
    let Some((ip, icmp)) = notice.split_at_mut_checked(20) else { return };
    if ip[9] != ICMP || icmp.get(17) != Some(&UDP) {
        return;
    }
    if let Some([UNREACHABLE, code, sum @ ..]) = icmp.first_chunk_mut::<4>() {
        *code = PORT;
        *sum = [0; 2];
        let check = !internet_sum(icmp);
        icmp[2..4].copy_from_slice(&check.to_be_bytes());
    }
}

/// Returns a place for a client: a free one, or that of a handshake that should have been finished long ago; else the
/// door, where it can be turned away in good order; else that of the oldest unfinished handshake, so that who answers
/// within a round trip is not hit by a flood.
fn room<'f, 'a>(
    flows: &'f mut [Flow<'a>],
    door: &'f mut [Flow<'a>],
    late: Instant,
) -> Option<&'f mut Flow<'a>> {
    let fronts = flows.iter_mut().step_by(2);
    // A free place has serial 0, so it comes before every unfinished handshake.
    let best = fronts.filter(|flow| flow.is_free() || flow.half_open).min_by_key(|flow| flow.serial);
    let door = door.iter_mut().find(|flow| flow.is_free() || flow.half_open);
    let settled = |flow: &Flow<'a>| flow.is_free() || flow.deadline.is_none_or(|(at, _)| at <= late);
    match (best, door) {
        (Some(front), _) if settled(front) => Some(front),
        (_, Some(door)) if settled(door) => Some(door),
        (front, door) => front.or(door),
    }
}
