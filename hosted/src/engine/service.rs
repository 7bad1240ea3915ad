//! From a socket to the wire: steps 7 to 11 of the engine's round.

use super::directory::{Claim, give_up};
use super::flow::Flow;
use super::ingress::{cause, stack_time};
use super::port::{Link, Port};
use super::wait::Record;
use super::{Engine, FlowId, Place, Wire};
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use sockhop::stack::Wish;
use sockhop::tcp::{Cause, EMPTY, Inject, Rule, Segment, State};
use sockhop::time::{Instant, Reason};
use sockhop::trace::{Sink, Tick, Timer};
use std::panic::catch_unwind;

/// The soonest a socket that wants to be served at once is served again.
const SOON: Duration = Duration::from_millis(1);
/// Segments one flow may send before the next has its turn.
const TURN: usize = 64;

impl<S: Sink> Engine<S> {
    /// Serves every flow that was touched or is due: closes, sends, sets timers, and forgets what is over.
    pub fn flush(&mut self, now: Instant, wire: &mut impl Wire) {
        self.now = now;
        while let Some(slot) =
            self.timers.due(now, self.flows.len(), |slot| self.flows.get(slot).and_then(|flow| flow.timer))
        {
            self.flows[slot].timer = None;
            self.mark(slot);
        }
        let mut turn = core::mem::replace(&mut self.dirty, core::mem::take(&mut self.spare));
        for slot in turn.drain(..) {
            if let Some(flow) = self.flows.get_mut(slot)
                && flow.dirty
            {
                flow.dirty = false;
                self.serve(slot, wire);
            }
        }
        self.spare = turn;
        self.sweep();
        self.flush_datagrams(wire);
        while let Some(record) = self.waits.expired(now) {
            self.places.remove(&record.tuple);
            give_up(self.seat.as_ref(), Claim::Flow(record.tuple));
            let (una, nxt) = (record.snd_nxt, record.rcv_nxt);
            self.recorder.timer(now, record.serial, Timer::TwoMsl, Tick::Expired, now);
            self.recorder.state(now, record.serial, State::TimeWait, Cause::TwoMsl, State::Closed, una, nxt);
        }
    }

    fn serve(&mut self, slot: usize, wire: &mut impl Wire) {
        self.tell_wish(slot);
        let flow = &mut self.flows[slot];
        flow.served = self.now;
        if !core::mem::replace(&mut flow.listed, true) {
            self.quiet.list(self.now, FlowId { slot, serial: flow.serial });
        }
        let mut cause = if flow.wish == Wish::Abort { Cause::Abort } else { Cause::Close };
        linger_on(flow, self.now, self.config.limits.linger);
        let silent = silent_at(flow, self.config.limits.silence).is_some_and(|at| at <= self.now);
        if silent || flow.deadline.is_some_and(|(at, _)| at <= self.now) {
            flow.deadline = None;
            flow.expired = true;
            flow.wish = Wish::Abort;
            cause = Cause::Timeout;
            self.counters.expired += 1;
            self.recorder.timer(self.now, flow.serial, Timer::User, Tick::Expired, self.now);
        }
        let mut wish = core::mem::take(&mut flow.wish);
        let settled = wish.settle(flow.socket());
        flow.wish = wish;
        if settled {
            self.note(slot, cause);
        }
        let flow = &mut self.flows[slot];
        if !flow.owned && !flow.half_open {
            discard(flow.socket());
        }
        if !self.tick(slot, wire) || !self.egress(slot, wire) {
            return;
        }
        self.tell_holds(slot);
        let flow = &self.flows[slot];
        match flow.state {
            State::Closed if !flow.owned => self.remove(slot),
            State::Closed => {
                self.forget_place(slot);
                let flow = &mut self.flows[slot];
                if !core::mem::replace(&mut flow.over, true) {
                    self.tell(slot);
                }
            }
            State::TimeWait if !flow.owned => self.retire(slot),
            State::TimeWait
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.schedule(slot),
        }
    }

    /// Lets a flow's guard do what time demands; `false` if that cost the flow its life.
    fn tick(&mut self, slot: usize, wire: &mut impl Wire) -> bool {
        loop {
            let flow = &mut self.flows[slot];
            let queued = flow.queued();
            let Some(inject) = flow.guard.tick(self.now, queued) else { return true };
            match inject {
                Inject::Wire(empty) => self.send_empty(slot, empty, wire),
                Inject::Stack(empty) => {
                    let mut packet = [0; EMPTY];
                    let length = empty.write(flow.remote, flow.local, &mut packet);
                    let before = self.flows[slot].state;
                    let Some(sent) = self.show(slot, &packet[..length]) else { return false };
                    let after = State::from(self.flows[slot].socket_ref().state());
                    if let (true, Ok(segment)) = (before != after, Segment::parse(&packet[..length])) {
                        self.note(slot, cause(before, after, &segment));
                    }
                    self.sent(slot, sent, wire);
                }
            }
            self.confess(slot, true);
        }
    }

    /// Sends what a flow's socket has to send; `false` if that cost the flow its life.
    fn egress(&mut self, slot: usize, wire: &mut impl Wire) -> bool {
        // smoltcp drops unread octets and the end of stream when its own TIME-WAIT expires, which only its egress
        // notices. All it has left to say there is the acknowledgment of the FIN.
        let flow = &self.flows[slot];
        let kept = self.config.guard.contains(Rule::TimeWait) && !flow.guard.owes_acknowledgment();
        if flow.state == State::TimeWait && kept {
            return true;
        }
        for _ in 0..TURN {
            let flow = &mut self.flows[slot];
            let mut port = Port::new(None, &mut self.out, Link::tcp(&self.config, flow.path));
            let (tcp, clock) = (self.tcp.of(flow.path, &self.config), stack_time(self.now));
            let outcome =
                catch_unwind(AssertUnwindSafe(|| tcp.poll_egress(clock, &mut port, flow.sockets())));
            let sent = port.sent();
            if outcome.is_err() {
                self.counters.panics += 1;
                self.remove(slot);
                return false;
            }
            let cause = if flow.state == State::TimeWait { Cause::TwoMsl } else { Cause::Timeout };
            self.note(slot, cause);
            if sent == 0 {
                return true;
            }
            self.sent(slot, sent, wire);
        }
        self.mark(slot);
        true
    }

    /// Sets the timer of a flow to whatever comes first.
    fn schedule(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        let (tcp, clock) = (self.tcp.of(flow.path, &self.config), stack_time(self.now));
        let wanted = catch_unwind(AssertUnwindSafe(|| tcp.poll_at(clock, flow.sockets())));
        let Ok(wanted) = wanted else {
            self.counters.panics += 1;
            return self.remove(slot);
        };
        let idle = flow.state == State::TimeWait && self.config.guard.contains(Rule::TimeWait);
        let wanted = wanted.filter(|_| !idle).map(|at| {
            let at = Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or(0));
            if at <= self.now { self.now + SOON } else { at }
        });
        let tick = flow.guard.tick_at(flow.queued()).map(|at| at.max(self.now + SOON));
        linger_on(flow, self.now, self.config.limits.linger);
        let silent = silent_at(flow, self.config.limits.silence);
        let first = [wanted, tick, silent, flow.deadline.map(|(at, _)| at)].into_iter().flatten().min();
        flow.timer = self.timers.set(slot, first, flow.timer);
    }

    /// Turns a flow in TIME-WAIT into a record.
    fn retire(&mut self, slot: usize) {
        let flow = &self.flows[slot];
        let (tuple, tracker) = ((flow.local, flow.remote), flow.guard.tracker());
        let record = Record {
            tuple,
            serial: flow.serial,
            snd_nxt: flow.guard.sent_up_to(),
            rcv_nxt: tracker.rcv_nxt(),
            window: flow.guard.window(),
            expires: self.now,
        };
        let place = self.waits.insert(self.now, record);
        self.places.insert(tuple, Place::Wait(place));
        self.remove(slot);
        let due = self.now + self.config.two_msl;
        self.recorder.timer(self.now, record.serial, Timer::TwoMsl, Tick::Set, due);
    }

    /// Drops a flow with its socket and rings.
    pub(super) fn remove(&mut self, slot: usize) {
        self.forget_place(slot);
        let flow = self.flows.remove(slot);
        self.budget.give(flow.ring);
        self.half_open -= usize::from(flow.half_open);
        self.recorder.ended(self.now, flow.serial, flow.octets.0, flow.octets.1);
    }

    /// Lets a new connection have the tuple of one that is over.
    fn forget_place(&mut self, slot: usize) {
        let flow = &self.flows[slot];
        let tuple = (flow.local, flow.remote);
        if matches!(self.places.get(&tuple), Some(Place::Flow(at)) if *at == slot) {
            self.places.remove(&tuple);
            give_up(self.seat.as_ref(), Claim::Flow(tuple));
        }
    }
}

/// Reads and forgets what a released connection still receives, so that its peer's FIN can arrive.
fn discard(socket: &mut smoltcp::socket::tcp::Socket<'_>) {
    while socket.recv_queue() > 0 && socket.recv(|octets| (octets.len(), ())).is_ok() {}
}

/// Gives a released connection more time when its peer has taken octets in the time it had.
fn linger_on(flow: &mut Flow, now: Instant, linger: Duration) {
    let una = flow.guard.tracker().snd_una();
    if flow.lingering != una && flow.deadline.is_some_and(|(at, why)| at <= now && why == Reason::Linger) {
        flow.lingering = una;
        flow.deadline = Some((now + linger, Reason::Linger));
    }
}

/// Returns when the peer of a connection that stands has been silent for too long.
fn silent_at(flow: &Flow, silence: Duration) -> Option<Instant> {
    let stands = matches!(
        flow.state,
        State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
    );
    stands.then(|| flow.guard.heard() + silence)
}
