//! From the wire to a socket: steps 1 to 6 of the engine's round.

use super::directory::{Claim, claim, give_up};
use super::flow::Flow;
use super::port::{Link, Port};
use super::wait::Tuple;
use super::{Engine, Event, FlowId, Place, Wire};
use crate::segmentation::{limit_mss, tcp_of};
use core::net::IpAddr;
use core::panic::AssertUnwindSafe;
use sockhop::tcp::{Cause, EDGES, Empty, Flags, Marks, Segment, Seq, State, Verdict, is_intact, seal};
use sockhop::time::{Instant, Reason};
use sockhop::trace::{Call, Drop, Sink, Tick, Timer, View};
use std::panic::catch_unwind;

const TCP: u8 = 6;
/// The octets of a TCP header without options.
const HEADER: usize = 20;
/// Handshakes that are over and not worth being forgotten.
const FEW: usize = 64;

impl<S: Sink> Engine<S> {
    /// Takes one IP packet from the wire, and answers on it at once where the protocol does.
    ///
    /// The guard changes the packet where smoltcp would misunderstand it.
    pub fn ingress(&mut self, now: Instant, packet: &mut [u8], wire: &mut impl Wire) {
        self.take(now, packet, false, wire);
    }

    /// Takes one IP packet like [`ingress`](Self::ingress) whose checksums somebody has verified, or which never left
    /// this host and has none.
    pub fn ingress_verified(&mut self, now: Instant, packet: &mut [u8], wire: &mut impl Wire) {
        self.take(now, packet, true, wire);
    }

    fn take(&mut self, now: Instant, packet: &mut [u8], verified: bool, wire: &mut impl Wire) {
        self.now = now;
        self.counters.packets_in += 1;
        match Segment::parse(packet) {
            Ok(segment) if self.is_ours(&segment) && !verified && !is_intact(packet) => {
                self.counters.corrupt += 1;
                self.recorder.dropped(now, 0, &segment, Drop::Checksum);
            }
            Ok(segment) if self.is_ours(&segment) => self.segment(&segment, packet, wire),
            Ok(_) => self.counters.malformed += 1,
            Err(_) if protocol(packet) == Some(TCP) => self.counters.malformed += 1,
            Err(_) if self.take_datagram(packet) => {}
            Err(_) if self.take_notice(packet) => {}
            Err(_) => self.other(packet, wire),
        }
    }

    /// Returns whether a segment is for the stack and from somewhere else (RFC 1122 §3.2.1.3).
    fn is_ours(&self, segment: &Segment) -> bool {
        let own = |ip: IpAddr| self.config.addresses.iter().any(|(address, _)| *address == ip);
        own(segment.dst.ip()) && !own(segment.src.ip()) && !segment.src.ip().is_unspecified()
    }

    fn segment(&mut self, segment: &Segment, packet: &mut [u8], wire: &mut impl Wire) {
        let tuple = (segment.dst, segment.src);
        match self.places.get(&tuple).copied() {
            Some(Place::Flow(slot)) => self.meet_flow(slot, segment, packet, wire),
            Some(Place::Wait(slot)) => self.meet_wait(slot, segment, packet, wire),
            None => self.meet_listener(tuple, None, segment, packet, wire),
        }
    }

    fn meet_listener(
        &mut self,
        tuple: Tuple,
        after: Option<Seq>,
        segment: &Segment,
        packet: &mut [u8],
        wire: &mut impl Wire,
    ) {
        let bare_syn =
            segment.flags.contains(Flags::SYN) && !segment.flags.intersects(Flags::ACK | Flags::RST);
        let service = self.listener(tuple.0, tuple.1.ip());
        let (true, Some(service)) = (bare_syn, service) else {
            let claims = [Claim::Flow(tuple), Claim::Listener(tuple.0)];
            let handed = self.hand_over(if bare_syn { &claims } else { &claims[..1] }, packet);
            if !handed {
                self.reset(segment, packet, wire);
            }
            return;
        };
        if let Err(owner) = claim(self.seat.as_ref(), Claim::Flow(tuple)) {
            return self.send_over(owner, packet);
        }
        if self.half_open >= self.config.limits.half_open {
            self.evict();
        }
        let Some(slot) = self.add(tuple.0, tuple.1, after) else {
            self.counters.refused += 1;
            return give_up(self.seat.as_ref(), Claim::Flow(tuple));
        };
        let flow = &mut self.flows[slot];
        flow.service = Some(service);
        flow.half_open = true;
        flow.deadline = Some((self.now + self.config.limits.handshake, Reason::Handshake));
        self.half_open += 1;
        let serial = flow.serial;
        self.begin(FlowId { slot, serial });
        self.recorder.opened(self.now, serial, tuple.0, tuple.1, false);
        self.recorder.call(self.now, serial, Call::Listen, 0, 0);
        if self.flows[slot].socket().listen(tuple.0).is_err() {
            return self.remove(slot);
        }
        self.note(slot, Cause::Listen);
        self.meet_flow(slot, segment, packet, wire);
    }

    /// Notes that a handshake has begun, and forgets those that are over once they are the most by far.
    fn begin(&mut self, id: FlowId) {
        if self.opening.len() > FEW + 4 * self.half_open {
            let flows = &self.flows;
            let is_open = |id: &FlowId| {
                flows.get(id.slot).is_some_and(|flow| flow.serial == id.serial && flow.half_open)
            };
            self.opening.retain(is_open);
        }
        self.opening.push_back(id);
    }

    /// Lets the oldest unfinished handshake make room: who answers within a round trip is not hit by a flood.
    fn evict(&mut self) {
        while let Some(id) = self.opening.pop_front() {
            if self.find(id).is_some_and(|flow| flow.half_open) {
                self.counters.evicted += 1;
                return self.remove(id.slot);
            }
        }
    }

    fn meet_flow(&mut self, slot: usize, segment: &Segment, packet: &mut [u8], wire: &mut impl Wire) {
        let flow = &mut self.flows[slot];
        let before = flow.state;
        flow.octets.0 += u64::from(segment.len);
        let marks = if self.recorder.enabled() { would_mark(flow, segment) } else { Marks::default() };
        let verdict = flow.guard.ingress(self.now, packet, segment);
        match verdict {
            Verdict::Pass => {}
            Verdict::Drop | Verdict::Answer(_) => {
                self.recorder.received(self.now, flow.serial, segment, before, before, marks);
                self.confess(slot, false);
                if let Verdict::Answer(answer) = verdict {
                    self.send_empty(slot, answer, wire);
                }
                return self.mark(slot);
            }
        }
        flow.order.shows(segment);
        let Some(sent) = self.show(slot, packet) else { return };
        let flow = &mut self.flows[slot];
        let after = State::from(flow.socket_ref().state());
        flow.tally.heard(self.now, after, flow.guard.tracker());
        self.recorder.received(self.now, flow.serial, segment, before, after, marks);
        self.confess(slot, false);
        if before != after {
            self.note(slot, cause(before, after, segment));
        }
        self.sent(slot, sent, wire);
        if after == State::Listen {
            return self.remove(slot);
        }
        self.tell(slot);
        self.mark(slot);
    }

    /// Lets a flow's socket see a packet, and returns the length of its answer; `None` if that cost the flow its life.
    pub(super) fn show(&mut self, slot: usize, packet: &[u8]) -> Option<usize> {
        let flow = &mut self.flows[slot];
        let mut port = Port::new(Some(packet), &mut self.out, Link::tcp(&self.config, flow.path));
        let (tcp, clock) = (self.tcp.of(flow.path, &self.config), stack_time(self.now));
        let outcome =
            catch_unwind(AssertUnwindSafe(|| tcp.poll_ingress_single(clock, &mut port, flow.sockets())));
        let sent = port.sent();
        if outcome.is_err() {
            self.counters.panics += 1;
            self.remove(slot);
            return None;
        }
        Some(sent)
    }

    /// Records what the guard of a flow has done.
    pub(super) fn confess(&mut self, slot: usize, outward: bool) {
        let flow = &mut self.flows[slot];
        let acted = flow.guard.acted();
        if acted.0 == 0 {
            return;
        }
        let (una, edge) = (flow.guard.tracker().snd_una() + flow.guard.offset(), flow.guard.edge());
        for rule in acted.iter() {
            self.counters.guarded += 1;
            flow.tally.guarded();
            self.recorder.record(self.now, flow.serial, View::Guarded { rule, outward, una, edge });
        }
    }

    /// Sends a segment that the guard has made.
    pub(super) fn send_empty(&mut self, slot: usize, empty: Empty, wire: &mut impl Wire) {
        let flow = &self.flows[slot];
        let sent = empty.write(flow.local, flow.remote, &mut self.out);
        if let Ok(segment) = Segment::parse(&self.out[..sent]) {
            self.recorder.sent(self.now, flow.serial, &segment, flow.state, flow.state, Marks::default());
        }
        self.transmit(sent, wire);
    }

    /// Tells the owner that a flow is open, or may have changed.
    pub(super) fn tell(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        let id = FlowId { slot, serial: flow.serial };
        let open = !matches!(flow.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
        if open && flow.deadline.is_some_and(|(_, reason)| reason == Reason::Connect) {
            flow.deadline = None;
        }
        if flow.half_open && (open || flow.state == State::Closed) {
            flow.half_open = false;
            self.half_open -= 1;
            flow.deadline = None;
            if let (true, Some(service)) = (open, flow.service) {
                flow.owned = true;
                self.counters.accepted += 1;
                self.events.push_back(Event::Opened {
                    flow: id,
                    service,
                    local: flow.local,
                    remote: flow.remote,
                });
            }
        }
        if flow.owned && !flow.woken {
            flow.woken = true;
            self.events.push_back(Event::Ready(id));
        }
    }

    /// Answers a segment of a connection in TIME-WAIT: a repeated FIN is acknowledged again, a reset ignored
    /// (RFC 1337), and a SYN beyond what was received starts a new connection (RFC 9293 §3.10.7.4, RFC 6191).
    fn meet_wait(&mut self, slot: usize, segment: &Segment, packet: &mut [u8], wire: &mut impl Wire) {
        let Some(record) = self.waits.get(slot) else { return };
        let (before, marks) = (State::TimeWait, Default::default());
        self.recorder.received(self.now, record.serial, segment, before, before, marks);
        if segment.flags.contains(Flags::RST) {
            return;
        }
        let bare_syn = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
        if bare_syn
            && segment.seq.is_after(record.rcv_nxt)
            && self.listener(segment.dst, segment.src.ip()).is_some()
        {
            self.waits.remove(slot);
            self.places.remove(&record.tuple);
            return self.meet_listener(record.tuple, Some(record.snd_nxt), segment, packet, wire);
        }
        let empty = segment.len == 0 && !segment.flags.intersects(Flags::SYN | Flags::FIN);
        if empty {
            return;
        }
        if segment.flags.contains(Flags::FIN) {
            self.waits.restart(self.now, slot);
            let due = self.now + self.config.two_msl;
            self.recorder.timer(self.now, record.serial, Timer::TwoMsl, Tick::Set, due);
        }
        let (seq, ack, window) = (record.snd_nxt, record.rcv_nxt, record.window);
        let answer = Empty { seq, ack, flags: Flags::ACK, window };
        let sent = answer.write(record.tuple.0, record.tuple.1, &mut self.out);
        if let Ok(answer) = Segment::parse(&self.out[..sent]) {
            self.recorder.sent(self.now, record.serial, &answer, before, before, marks);
        }
        self.transmit(sent, wire);
    }

    /// Lets smoltcp answer a segment that belongs to nothing (RFC 9293 §3.10.7.1).
    fn reset(&mut self, segment: &Segment, packet: &[u8], wire: &mut impl Wire) {
        self.recorder.dropped(self.now, 0, segment, Drop::Unmatched);
        if segment.flags.contains(Flags::RST) {
            return;
        }
        if !self.answers.take(self.now) {
            self.counters.unanswered += 1;
            return;
        }
        let link = Link::tcp(&self.config, self.config.mtu);
        let mut port = Port::new(Some(packet), &mut self.out, link);
        self.tcp.wide().poll_ingress_single(stack_time(self.now), &mut port, &mut self.nobody);
        let sent = port.sent();
        if let Ok(answer) = Segment::parse(&self.out[..sent]) {
            seal(&mut self.out[..sent]);
            let (state, marks) = (State::Closed, Marks::default());
            self.recorder.sent(self.now, 0, &answer, state, state, marks);
        }
        self.transmit(sent, wire);
    }

    /// Lets smoltcp answer what is not TCP.
    fn other(&mut self, packet: &[u8], wire: &mut impl Wire) {
        if is_multicast(packet) {
            return;
        }
        if let Some(view) = icmp(packet).filter(|_| self.recorder.enabled()) {
            self.recorder.record(self.now, 0, view);
        }
        let mut port = Port::new(Some(packet), &mut self.out, Link::plain(self.config.mtu));
        self.others.poll_ingress_single(stack_time(self.now), &mut port, &mut self.nobody);
        let sent = port.sent();
        if sent > 0 && !self.answers.take(self.now) {
            self.counters.unanswered += 1;
            return;
        }
        self.transmit(sent, wire);
    }

    /// Notes and transmits what a flow's socket has put into the port.
    pub(super) fn sent(&mut self, slot: usize, sent: usize, wire: &mut impl Wire) {
        if sent == 0 {
            return;
        }
        if self.config.offload {
            self.say_mss(sent);
        }
        let flow: &mut Flow = &mut self.flows[slot];
        let Ok(segment) = Segment::parse(&self.out[..sent]) else { return };
        let marks = if self.recorder.enabled() {
            let mut tracker = *flow.guard.tracker();
            tracker.sent(&segment).marks
        } else {
            Marks::default()
        };
        flow.octets.1 += u64::from(segment.len);
        flow.order.says(&segment);
        flow.tally.sending(flow.guard.tracker(), &segment);
        let sent = flow.guard.egress(self.now, &mut self.out[..sent], &segment);
        let (serial, state) = (flow.serial, flow.state);
        self.confess(slot, true);
        if sent > 0
            && self.recorder.enabled()
            && let Ok(wired) = Segment::parse(&self.out[..sent])
        {
            self.recorder.sent(self.now, serial, &wired, state, state, marks);
        }
        if self.config.offload && sent > 0 {
            let (headers, most) = (usize::from(segment.header), most(&self.flows[slot], &segment));
            self.counters.packets_out += 1;
            return wire.transmit_segment(&mut self.out[..sent], headers, most);
        }
        self.transmit(sent, wire);
    }

    /// Makes a SYN of smoltcp's, which thinks that the link takes everything, say what the link takes.
    fn say_mss(&mut self, sent: usize) {
        let packet = &mut self.out[..sent];
        let at = tcp_of(packet);
        if packet.get(at + 13).is_some_and(|flags| flags & Flags::SYN.0 != 0) {
            let most = self.config.mtu.saturating_sub(at + HEADER);
            limit_mss(packet, u16::try_from(most).unwrap_or(u16::MAX));
        }
    }

    fn transmit(&mut self, sent: usize, wire: &mut impl Wire) {
        if sent > 0 {
            self.counters.packets_out += 1;
            wire.transmit(&self.out[..sent]);
        }
    }

    /// Compares a socket's state with the one last seen, and records the difference with its cause.
    pub(super) fn note(&mut self, slot: usize, cause: Cause) {
        let flow = &mut self.flows[slot];
        let (before, after) = (flow.state, State::from(flow.socket_ref().state()));
        if before != after {
            flow.state = after;
            flow.tally.changed(before, after);
            let tracker = flow.guard.tracker();
            let (una, nxt): (Seq, Seq) = (tracker.snd_una() + flow.guard.offset(), tracker.rcv_nxt());
            self.recorder.state(self.now, flow.serial, before, cause, after, una, nxt);
        }
    }
}

/// Returns how many octets of payload a packet with this segment's headers may carry to the peer.
fn most(flow: &Flow, segment: &Segment) -> usize {
    // What a peer says of its largest segment includes options, and no other headers (RFC 6691 §2).
    let ip = if segment.dst.is_ipv4() { 20 } else { 40 };
    let takes = usize::from(flow.guard.peer_mss()) + ip + HEADER;
    takes.min(flow.path).saturating_sub(usize::from(segment.header)).max(1)
}

/// Returns what is remarkable about a segment, before the guard has done anything about it.
fn would_mark(flow: &Flow, segment: &Segment) -> Marks {
    let mut tracker = *flow.guard.tracker();
    let mut inner = *segment;
    if segment.flags.contains(Flags::ACK) {
        inner.ack = segment.ack - flow.guard.offset();
    }
    tracker.received(&inner).marks
}

/// Returns the cause that leads from one state to the other when this segment is received.
pub(super) fn cause(from: State, to: State, segment: &Segment) -> Cause {
    if segment.flags.contains(Flags::RST) {
        return Cause::Rst;
    }
    let received =
        |cause| matches!(cause, Cause::Syn | Cause::SynAck | Cause::Ack | Cause::Fin | Cause::FinAck);
    EDGES
        .iter()
        .find(|edge| edge.from == from && edge.to == to && received(edge.cause))
        .map_or(Cause::Ack, |e| e.cause)
}

/// Converts to smoltcp's clock.
pub(super) fn stack_time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.micros()).unwrap_or(i64::MAX))
}

/// Returns what an ICMP packet says that has no extension headers.
fn icmp(packet: &[u8]) -> Option<View> {
    let (six, header, wanted) = match packet.first()? >> 4 {
        4 => (false, usize::from(packet[0] & 0x0f) * 4, 1),
        6 => (true, 40, 58),
        _ => return None,
    };
    let message = packet.get(header..).filter(|_| protocol(packet) == Some(wanted))?;
    let fixed = message.first_chunk::<8>()?;
    // An error quotes the packet that it is about (RFC 792, RFC 4443 §3).
    let is_error = if six { fixed[0] < 128 } else { matches!(fixed[0], 3 | 4 | 5 | 11 | 12) };
    let quoted = message.get(8..).filter(|_| is_error).and_then(|quote| {
        let inner = if six { 40 } else { usize::from(quote.first()? & 0x0f) * 4 };
        quote.get(inner..inner + 4)
    });
    let port = |at: usize| quoted.map_or(0, |ports| u16::from_be_bytes([ports[at], ports[at + 1]]));
    let word = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    Some(View::Icmp { six, kind: fixed[0], code: fixed[1], word, ports: (port(0), port(2)) })
}

/// Returns the transport protocol of a packet without extension headers.
fn protocol(packet: &[u8]) -> Option<u8> {
    match packet.first()? >> 4 {
        4 => packet.get(9).copied(),
        6 => packet.get(6).copied(),
        _ => None,
    }
}

/// Returns whether a packet is for a group or for everybody, or is no packet at all.
fn is_multicast(packet: &[u8]) -> bool {
    match packet.first().map(|octet| octet >> 4) {
        Some(4) => packet.get(16).is_none_or(|octet| *octet >= 224),
        Some(6) => packet.get(24).is_none_or(|octet| *octet == 0xff),
        _ => true,
    }
}
