//! What the engine shows of its connections to those who watch, and the little that it counts for them alone.

use super::ingress::stack_time;
use super::{Engine, flow::Flow};
use crate::survey::{self, Closer, Kind, Receiving, Sending, Snapshot, Timer};
use core::panic::AssertUnwindSafe;
use sockhop::tcp::{Segment, Seq, State, Tracker};
use sockhop::time::{Instant, Reason};
use sockhop::trace::Sink;
use std::panic::catch_unwind;

/// What is counted of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    began: Instant,
    closer: Option<Closer>,
    /// Segments sent again.
    again: u32,
    /// The same since the peer last acknowledged something, and what it had acknowledged by then.
    backoff: (u32, Seq),
    guarded: u32,
    /// When the peer closed its window, if it is closed.
    closed: Option<Instant>,
}

impl Tally {
    pub(super) const fn new(began: Instant) -> Self {
        Self { began, closer: None, again: 0, backoff: (0, Seq(0)), guarded: 0, closed: None }
    }

    /// Counts a segment that is about to be sent; `before` knows of those before it.
    pub(super) fn sending(&mut self, before: &Tracker, segment: &Segment) {
        // The first SYN fixes the numbers that those after it are held against.
        let counted = !matches!(before.state(), State::Closed | State::Listen);
        if counted && segment.seg_len() > 0 && before.snd_max().is_after(segment.seq) {
            self.again += 1;
            let una = before.snd_una();
            self.backoff = if self.backoff.1 == una { (self.backoff.0 + 1, una) } else { (1, una) };
        }
    }

    /// Looks at the peer's window after something was received.
    pub(super) fn heard(&mut self, now: Instant, state: State, tracker: &Tracker) {
        let open = tracker.snd_wnd() > 0 || !is_synchronized(state);
        self.closed = if open { None } else { self.closed.or(Some(now)) };
    }

    pub(super) const fn guarded(&mut self) {
        self.guarded += 1;
    }

    /// Learns from a change of state who closed first (RFC 9293 §3.6).
    pub(super) const fn changed(&mut self, from: State, to: State) {
        self.closer = match (from, to) {
            (State::Established | State::SynReceived, State::FinWait1 | State::FinWait2) => Some(Closer::Us),
            (State::Established | State::SynReceived, State::CloseWait) => Some(Closer::Peer),
            (State::FinWait1, State::Closing) => Some(Closer::Both),
            _ => self.closer,
        };
    }
}

const fn is_synchronized(state: State) -> bool {
    !matches!(state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
}

impl<S: Sink> Engine<S> {
    /// Adds to a snapshot what the engine has.
    pub fn survey(&mut self, now: Instant, snapshot: &mut Snapshot) {
        snapshot.at_us = now.micros();
        snapshot.counters = self.counters();
        snapshot.load = self.load();
        snapshot.listeners.extend(self.listeners.keys());
        snapshot.listeners.sort_unstable();
        snapshot.ports.extend(self.open_ports());
        snapshot.ports.sort_unstable();
        let slots: Vec<usize> = self.flows.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let stack_at = self.stack_at(now, slot);
            snapshot.flows.push(self.flows[slot].survey(now, stack_at));
        }
        snapshot.flows.sort_unstable_by_key(|flow| flow.flow);
        snapshot.waits.extend(self.waits.iter().map(|record| survey::Wait {
            flow: record.serial,
            local: record.tuple.0,
            remote: record.tuple.1,
            left_us: record.expires.since(now).as_micros() as u64,
        }));
        snapshot.waits.sort_unstable_by_key(|wait| wait.flow);
    }

    /// Returns when smoltcp wants to look at a connection again.
    fn stack_at(&mut self, now: Instant, slot: usize) -> Option<Instant> {
        let flow = &mut self.flows[slot];
        if matches!(flow.state, State::TimeWait | State::Closed) {
            return None;
        }
        let (tcp, clock) = (self.tcp.of(flow.path, &self.config), stack_time(now));
        // A panic here is met again, and counted, when the connection is served.
        let at = catch_unwind(AssertUnwindSafe(|| tcp.poll_at(clock, flow.sockets()))).ok()??;
        Some(Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or(0)))
    }
}

impl Flow {
    fn survey(&self, now: Instant, stack_at: Option<Instant>) -> survey::Flow {
        let (tracker, socket, tally) = (self.guard.tracker(), self.socket_ref(), &self.tally);
        let distance = |to: Seq, from: Seq| u64::try_from(to.since(from)).unwrap_or(0);
        let syn_alone = matches!(self.state, State::SynSent | State::SynReceived);
        let queued = socket.send_queue() as u64;
        // Control bits take numbers and are no octets.
        let in_flight = distance(tracker.snd_max(), tracker.snd_una()).min(queued);
        let relative = |seq: Seq, from: Seq| (!syn_alone).then(|| seq.0.wrapping_sub(from.0));
        survey::Flow {
            flow: self.serial,
            local: self.local,
            remote: self.remote,
            state: self.state,
            opener: self.service.is_none(),
            closer: tally.closer,
            age_us: now.since(tally.began).as_micros() as u64,
            receive: Receiving {
                unread: socket.recv_queue() as u64,
                window: Some(tracker.rcv_wnd()),
                next: relative(tracker.rcv_nxt(), tracker.irs()),
                octets: self.octets.0,
            },
            send: Sending {
                queued,
                in_flight,
                window: Some(tracker.snd_wnd()),
                una: relative(tracker.snd_una(), tracker.iss()),
                next: relative(tracker.snd_max(), tracker.iss()),
                octets: self.octets.1,
                again: tally.again,
                closed_us: tally.closed.map(|since| now.since(since).as_micros() as u64),
            },
            timer: self.timer(now, stack_at),
            guarded: tally.guarded,
            session: None,
        }
    }

    /// Returns the timer that runs out first, of those that can be told apart from outside.
    fn timer(&self, now: Instant, stack_at: Option<Instant>) -> Option<Timer> {
        let tracker = self.guard.tracker();
        let outstanding = tracker.snd_max() != tracker.snd_una();
        let shut =
            tracker.snd_wnd() == 0 && is_synchronized(self.state) && self.socket_ref().send_queue() > 0;
        let fin_alone = tracker.fin() == Some(tracker.snd_una() + 1);
        let stack = match (shut, outstanding) {
            (true, _) => Some(Kind::Probe),
            (false, true) => Some(Kind::Rto),
            (false, false) => None,
        };
        let guards = match (fin_alone, self.queued()) {
            (true, _) => Some(Kind::Fin),
            (false, false) => Some(Kind::Keepalive),
            (false, true) => None,
        };
        let deadline = self.deadline.and_then(|(at, reason)| match reason {
            Reason::Handshake => Some((Kind::Handshake, at)),
            Reason::Connect => Some((Kind::Connect, at)),
            Reason::Linger => Some((Kind::Linger, at)),
            _ => None,
        });
        let stack = stack.zip(stack_at);
        let guards = guards.zip(self.guard.tick_at(self.queued()));
        let (kind, at) = [stack, guards, deadline].into_iter().flatten().min_by_key(|(_, at)| *at)?;
        let backoff = if self.tally.backoff.1 == tracker.snd_una() { self.tally.backoff.0 } else { 0 };
        Some(Timer { kind, left_us: Some(at.since(now).as_micros() as u64), backoff })
    }
}
