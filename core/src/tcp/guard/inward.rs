//! What the guard does with segments from the wire.

use super::super::{Flags, Segment, State};
use super::{DEFAULT_MSS, Guard, Rule, SECOND, Verdict};
use crate::time::Instant;

impl Guard {
    /// Takes a segment before the connection stands.
    pub(super) fn opening(&mut self, now: Instant, inner: &Segment) {
        let before = self.tracker.state();
        self.tracker.received(inner);
        if inner.flags.contains(Flags::SYN) {
            self.mss = inner.mss.filter(|mss| *mss > 0).unwrap_or(DEFAULT_MSS);
            self.highest = self.tracker.rcv_nxt();
        }
        if before == State::SynSent && self.tracker.state() != State::SynSent {
            // A window in a SYN is never scaled (RFC 7323 §2.2).
            self.edge = self.tracker.iss() + 1 + u32::from(inner.window);
        }
        (self.heard, self.kept, self.mark) = (now, now, now);
    }

    /// Drops or answers what must not reach smoltcp: blind attacks, and what its checks let through.
    pub(super) fn judge(&mut self, now: Instant, inner: &Segment) -> Option<Verdict> {
        let (state, flags) = (self.tracker.state(), inner.flags);
        if flags.contains(Flags::RST) {
            return self.judge_reset(now, inner, state);
        }
        if state == State::SynReceived {
            // smoltcp resets a wrong acknowledgment here, and answers a repeated SYN.
            return None;
        }
        if flags.contains(Flags::SYN) && self.has(Rule::Syn) {
            self.act(Rule::Syn);
            return Some(self.challenge(now));
        }
        let beyond = flags.contains(Flags::ACK) && inner.ack.is_after(self.max);
        if beyond && self.has(Rule::AckMax) {
            self.act(Rule::AckMax);
            return Some(self.challenge(now));
        }
        None
    }

    /// RFC 5961 §3.2 and RFC 1337: only the exact next number resets, and nothing does in TIME-WAIT.
    pub(super) fn judge_reset(&mut self, now: Instant, inner: &Segment, state: State) -> Option<Verdict> {
        if !self.has(Rule::Reset) {
            return None;
        }
        if state == State::TimeWait {
            self.act(Rule::Reset);
            return Some(Verdict::Drop);
        }
        if inner.seq == self.tracker.rcv_nxt() {
            return None;
        }
        self.act(Rule::Reset);
        Some(if self.tracker.acceptable(inner) { self.challenge(now) } else { Verdict::Drop })
    }

    /// Returns the challenge ACK of RFC 5961, at most one a second.
    pub(super) fn challenge(&mut self, now: Instant) -> Verdict {
        if self.challenged.is_some_and(|at| now < at.after(SECOND)) {
            return Verdict::Drop;
        }
        self.challenged = Some(now);
        Verdict::Answer(self.acknowledgment(self.next_seq()))
    }

    /// Changes what smoltcp would misunderstand.
    pub(super) fn mend(&mut self, inner: &mut Segment) {
        let flags = inner.flags;
        if !flags.contains(Flags::ACK) || flags.intersects(Flags::SYN | Flags::RST) {
            return;
        }
        self.renew_old_acknowledgment(inner);
        self.accept_rewound_number(inner);
        if flags.contains(Flags::FIN) && self.has(Rule::FinIn) {
            // The octets before it are cut at the edge, so it does not come next (RFC 9293 §3.10.7.4).
            let beyond = (inner.seq + inner.len).is_after(self.tracker.rcv_edge());
            if beyond {
                inner.flags = Flags(flags.0 & !Flags::FIN.0);
                self.act(Rule::FinIn);
            }
        }
        if self.tracker.acceptable(inner) && !self.tracker.snd_una().is_after(inner.ack) {
            self.hold_edge(inner);
        }
    }

    /// smoltcp drops the octets of a segment whose acknowledgment is old (RFC 9293 §3.10.7.4 keeps them).
    pub(super) fn renew_old_acknowledgment(&mut self, inner: &mut Segment) {
        let late = self.tracker.snd_una().since(inner.ack);
        let carries = inner.len > 0 || inner.flags.contains(Flags::FIN);
        if self.has(Rule::OldAck) && carries && late > 0 && late <= self.most(self.tracker.their_shift()) {
            inner.ack = self.tracker.snd_una();
            inner.window = self.window_left();
            self.act(Rule::OldAck);
        }
    }

    /// A peer that has taken its SND.NXT back acknowledges with a number that is not acceptable.
    pub(super) fn accept_rewound_number(&mut self, inner: &mut Segment) {
        let bare = inner.len == 0 && !inner.flags.contains(Flags::FIN);
        let advances = inner.ack.is_after(self.tracker.snd_una());
        if !self.has(Rule::AckSeq) || !bare || !advances || self.tracker.acceptable(inner) {
            return;
        }
        let behind = self.tracker.rcv_nxt().since(inner.seq);
        let below_edge = !inner.seq.is_after(self.tracker.rcv_edge());
        if behind <= self.most(self.tracker.our_shift()) && below_edge {
            inner.seq = self.tracker.rcv_nxt();
            self.act(Rule::AckSeq);
        }
    }

    /// Shows an edge that never moves left, and no closed window while something is in flight.
    pub(super) fn hold_edge(&mut self, inner: &mut Segment) {
        let shift = self.tracker.their_shift();
        let granted = inner.ack + (u32::from(inner.window) << shift);
        if self.edge.is_after(granted) {
            if self.has(Rule::Edge) {
                let left = self.edge.since(inner.ack).unsigned_abs() >> shift;
                inner.window = u16::try_from(left).unwrap_or(u16::MAX);
                self.act(Rule::Edge);
            }
        } else {
            self.edge = granted;
        }
        if inner.window == 0 && self.tracker.snd_nxt().is_after(inner.ack) && self.has(Rule::One) {
            inner.window = 1;
            self.act(Rule::One);
        }
    }

    /// Returns whether smoltcp would take this for another duplicate acknowledgment and retransmit to no good.
    pub(super) fn is_one_duplicate_too_many(&mut self, inner: &Segment) -> bool {
        let una = self.tracker.snd_una();
        let in_order = inner.flags.contains(Flags::FIN) && inner.seq == self.tracker.rcv_nxt();
        let duplicate = inner.flags.contains(Flags::ACK)
            && !inner.flags.intersects(Flags::SYN | Flags::RST)
            && inner.len == 0
            && !in_order
            && inner.ack == una
            && self.tracker.snd_nxt().is_after(una)
            && u32::from(inner.window) << self.tracker.their_shift() == self.tracker.snd_wnd();
        if !duplicate || self.tracker.duplicates() == 0 {
            return false;
        }
        if self.is_fin_alone() {
            if self.has(Rule::FinDup) {
                self.act(Rule::FinDup);
                return true;
            }
        } else if self.edge.since(una) < i32::from(self.mss) && self.has(Rule::OverDup) {
            self.act(Rule::OverDup);
            return true;
        }
        false
    }

    /// Notes what smoltcp is about to see.
    pub(super) fn heed(&mut self, now: Instant, inner: &Segment) {
        let (una, edge) = (self.tracker.snd_una(), self.edge);
        let plausible = inner.seq.since(self.tracker.rcv_nxt()).unsigned_abs() <= 0xffff << 14;
        if plausible && inner.flags.contains(Flags::ACK) {
            (self.heard, self.kept, self.nudges) = (now, now, 0);
        }
        if inner.len > 0 && self.tracker.acceptable(inner) {
            self.highest = self.highest.max(inner.end());
        }
        let before = self.tracker.state();
        self.tracker.received(inner);
        let answers = inner.flags.contains(Flags::ACK) && !inner.flags.contains(Flags::SYN);
        if before == State::SynReceived && answers {
            self.edge = self.edge.max(inner.ack + (u32::from(inner.window) << self.tracker.their_shift()));
        }
        if self.tracker.snd_una() != una || self.edge != edge {
            self.gap = u32::try_from(now.micros().saturating_sub(self.mark.micros())).unwrap_or(u32::MAX);
            (self.mark, self.stalled, self.burst, self.fins) = (now, None, 0, 0);
        }
    }
}
