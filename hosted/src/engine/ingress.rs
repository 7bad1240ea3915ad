//! From the wire to a socket: steps 1 to 6 of the engine's round.

use super::flow::Flow;
use super::port::Port;
use super::wait::Tuple;
use super::{Engine, Event, FlowId, HALF_OPEN, Place, Wire, forge};
use core::net::IpAddr;
use core::panic::AssertUnwindSafe;
use sockhop::tcp::{Cause, EDGES, Flags, Segment, Seq, State};
use sockhop::time::{Instant, Reason};
use sockhop::trace::Sink;
use std::panic::catch_unwind;

const TCP: u8 = 6;

impl<S: Sink> Engine<S> {
    /// Takes one IP packet from the wire, and answers on it at once where the protocol does.
    pub fn ingress(&mut self, now: Instant, packet: &[u8], wire: &mut impl Wire) {
        self.now = now;
        self.counters.packets_in += 1;
        match Segment::parse(packet) {
            Ok(segment) if self.is_ours(&segment) => self.segment(&segment, packet, wire),
            Ok(_) => self.counters.malformed += 1,
            Err(_) if protocol(packet) == Some(TCP) => self.counters.malformed += 1,
            Err(_) => self.other(packet, wire),
        }
    }

    /// Returns whether a segment is for the stack and from somewhere else (RFC 1122 §3.2.1.3).
    fn is_ours(&self, segment: &Segment) -> bool {
        let own = |ip: IpAddr| self.config.addresses.iter().any(|(address, _)| *address == ip);
        own(segment.dst.ip()) && !own(segment.src.ip()) && !segment.src.ip().is_unspecified()
    }

    fn segment(&mut self, segment: &Segment, packet: &[u8], wire: &mut impl Wire) {
        let tuple = (segment.dst, segment.src);
        match self.places.get(&tuple).copied() {
            Some(Place::Flow(slot)) => self.meet_flow(slot, segment, packet, wire),
            Some(Place::Wait(slot)) => self.meet_wait(slot, segment, packet, wire),
            None => self.meet_listener(tuple, segment, packet, wire),
        }
    }

    fn meet_listener(&mut self, tuple: Tuple, segment: &Segment, packet: &[u8], wire: &mut impl Wire) {
        let bare_syn =
            segment.flags.contains(Flags::SYN) && !segment.flags.intersects(Flags::ACK | Flags::RST);
        let service = self.listeners.get(&tuple.0).copied();
        let (true, Some(service)) = (bare_syn, service) else {
            return self.reset(segment, packet, wire);
        };
        if self.half_open >= self.config.limits.half_open {
            self.counters.refused += 1;
            return;
        }
        let Some(slot) = self.add(tuple.0, tuple.1) else {
            self.counters.refused += 1;
            return;
        };
        let flow = &mut self.flows[slot];
        flow.service = Some(service);
        flow.half_open = true;
        flow.deadline = Some((self.now + HALF_OPEN, Reason::Handshake));
        self.half_open += 1;
        let serial = flow.serial;
        self.recorder.opened(self.now, serial, tuple.0, tuple.1, false);
        if self.flows[slot].socket().listen(tuple.0).is_err() {
            return self.remove(slot);
        }
        self.note(slot, Cause::Listen);
        self.meet_flow(slot, segment, packet, wire);
    }

    fn meet_flow(&mut self, slot: usize, segment: &Segment, packet: &[u8], wire: &mut impl Wire) {
        let flow = &mut self.flows[slot];
        let before = flow.state;
        let marks = flow.tracker.received(segment).marks;
        flow.octets.0 += u64::from(segment.len);
        let mut port = Port::new(Some(packet), &mut self.out, self.config.mtu);
        let (tcp, clock) = (&mut self.tcp, stack_time(self.now));
        let outcome =
            catch_unwind(AssertUnwindSafe(|| tcp.poll_ingress_single(clock, &mut port, flow.sockets())));
        let sent = port.sent();
        if outcome.is_err() {
            self.counters.panics += 1;
            return self.remove(slot);
        }
        let after = State::from(flow.socket_ref().state());
        self.recorder.received(self.now, flow.serial, segment, before, after, marks);
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

    /// Tells the owner that a flow is open, or may have changed.
    pub(super) fn tell(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        let id = FlowId { slot, serial: flow.serial };
        let open = !matches!(flow.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
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
    fn meet_wait(&mut self, slot: usize, segment: &Segment, packet: &[u8], wire: &mut impl Wire) {
        let Some(record) = self.waits.get(slot) else { return };
        let (before, marks) = (State::TimeWait, Default::default());
        self.recorder.received(self.now, record.serial, segment, before, before, marks);
        if segment.flags.contains(Flags::RST) {
            return;
        }
        let bare_syn = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
        if bare_syn && segment.seq.is_after(record.rcv_nxt) && self.listeners.contains_key(&record.tuple.0) {
            self.waits.remove(slot);
            self.places.remove(&record.tuple);
            return self.meet_listener(record.tuple, segment, packet, wire);
        }
        let empty = segment.len == 0 && !segment.flags.intersects(Flags::SYN | Flags::FIN);
        if empty {
            return;
        }
        if segment.flags.contains(Flags::FIN) {
            self.waits.restart(self.now, slot);
        }
        let sent = forge::acknowledgment(record.tuple, record.snd_nxt, record.rcv_nxt, &mut self.out);
        if let Ok(answer) = Segment::parse(&self.out[..sent]) {
            self.recorder.sent(self.now, record.serial, &answer, before, before, marks);
        }
        self.transmit(sent, wire);
    }

    /// Lets smoltcp answer a segment that belongs to nothing (RFC 9293 §3.10.7.1).
    fn reset(&mut self, segment: &Segment, packet: &[u8], wire: &mut impl Wire) {
        self.recorder.dropped(self.now, 0, segment, sockhop::trace::Drop::Unmatched);
        if segment.flags.contains(Flags::RST) {
            return;
        }
        if !self.answers.take(self.now) {
            self.counters.unanswered += 1;
            return;
        }
        let mut port = Port::new(Some(packet), &mut self.out, self.config.mtu);
        self.tcp.poll_ingress_single(stack_time(self.now), &mut port, &mut self.nobody);
        let sent = port.sent();
        self.transmit(sent, wire);
    }

    /// Lets smoltcp answer what is not TCP.
    fn other(&mut self, packet: &[u8], wire: &mut impl Wire) {
        if is_multicast(packet) {
            return;
        }
        let mut port = Port::new(Some(packet), &mut self.out, self.config.mtu);
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
        let flow: &mut Flow = &mut self.flows[slot];
        if let Ok(segment) = Segment::parse(&self.out[..sent]) {
            let marks = flow.tracker.sent(&segment).marks;
            flow.octets.1 += u64::from(segment.len);
            self.recorder.sent(self.now, flow.serial, &segment, flow.state, flow.state, marks);
        }
        self.transmit(sent, wire);
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
            let (una, nxt): (Seq, Seq) = (flow.tracker.snd_una(), flow.tracker.rcv_nxt());
            self.recorder.state(self.now, flow.serial, before, cause, after, una, nxt);
        }
    }
}

/// Returns the cause that leads from one state to the other when this segment is received.
fn cause(from: State, to: State, segment: &Segment) -> Cause {
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
