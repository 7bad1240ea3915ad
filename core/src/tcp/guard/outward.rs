//! What the guard does with segments from smoltcp.

use super::super::edit::rewrite;
use super::super::{Flags, Marks, Segment, Seq, State};
use super::{Guard, Rule, SECOND};
use crate::time::Instant;

impl Guard {
    /// Judges a segment from smoltcp; changes the packet and returns its new length, 0 if it is swallowed.
    ///
    /// It has to be called before the next segment from the wire is judged.
    pub fn egress(&mut self, now: Instant, packet: &mut [u8], segment: &Segment) -> usize {
        let mut out = *segment;
        let before = self.tracker.state();
        if segment.flags.contains(Flags::SYN) {
            self.open(segment, before);
        } else if segment.flags.contains(Flags::RST) {
            let farewell = segment.flags.contains(Flags::ACK) && segment.ack.0 == 0;
            if before == State::SynSent && farewell && self.has(Rule::Seq) {
                // smoltcp resets a peer that it has never heard; RFC 9293 §3.10.5 sends nothing. What answers a wrong
                // acknowledgment has none of its own, and has to be sent (§3.10.7.3).
                self.tracker.sent(segment);
                self.act(Rule::Seq);
                return 0;
            }
            self.tracker.sent(segment);
            // One without an ACK answers a segment of nobody's with that segment's own number.
            let synchronized = !matches!(before, State::Closed | State::Listen | State::SynSent);
            if synchronized && segment.flags.contains(Flags::ACK) && self.has(Rule::Seq) {
                out.seq = self.next_seq();
            }
        } else if segment.seg_len() == 0 {
            if self.is_repeated_too_often(now, segment) {
                // smoltcp goes on as if it had been sent.
                self.tracker.sent(segment);
                return 0;
            }
            self.tracker.sent(segment);
            if self.has(Rule::Seq) && out.seq != self.next_seq() {
                out.seq = self.next_seq();
                self.act(Rule::Seq);
            }
        } else {
            self.trim(&mut out);
            let probe = self.tracker.sent(segment).marks.contains(Marks::PROBE);
            if probe && self.has(Rule::Trim) {
                // smoltcp forgets the window of a probe, and would refuse what it lets the peer send.
                out.window = self.window_believed().min(segment.window);
            }
            if out.seg_len() > 0 {
                self.max = self.max.max(out.end());
                self.mark = now;
            }
        }
        if !segment.flags.intersects(Flags::SYN | Flags::RST) {
            // The window of a SYN is never scaled (RFC 7323 §2.2).
            out.window = self.slacken(out.window);
        }
        if segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::RST) {
            let is_syn = segment.flags.contains(Flags::SYN);
            let shift = if is_syn { 0 } else { self.tracker.our_shift() };
            let edge = segment.ack + (u32::from(out.window) << shift);
            // A SYN that is repeated cannot say how much more an acknowledgment behind the first has granted.
            self.shown = Some(self.shown.filter(|_| is_syn).map_or(edge, |shown| shown.max(edge)));
            self.acknowledged(now, (segment.ack, out.window));
        }
        out.seq = out.seq + self.offset;
        rewrite(packet, segment, &out)
    }

    /// Takes our own SYN: the first of them fixes the numbers of the wire.
    pub(super) fn open(&mut self, segment: &Segment, before: State) {
        let first = matches!(before, State::Closed | State::Listen);
        if first && self.has(Rule::Isn) {
            self.offset = self.isn.0.wrapping_sub(segment.seq.0);
        }
        self.tracker.sent(segment);
        if first {
            self.max = segment.end();
            // Derived here and nowhere else: a SYN-ACK that is repeated after octets were acknowledged says nothing new.
            self.edge = segment.seq + 1 + self.tracker.snd_wnd();
        }
        if let Some(mss) = segment.mss.filter(|_| first && self.tracker.state() == State::SynReceived) {
            self.mss = self.mss.min(mss);
        }
    }

    /// Keeps what is sent inside of what the peer granted, and a FIN away from where it would be misread.
    pub(super) fn trim(&mut self, out: &mut Segment) {
        let room = self.edge.since(out.seq);
        if !self.has(Rule::Trim) || self.tracker.state() == State::SynSent {
            return;
        }
        let bare = Flags(out.flags.0 & !(Flags::FIN.0 | Flags::PSH.0));
        let len = i32::try_from(out.len).unwrap_or(i32::MAX);
        let slack = (1_i32 << self.tracker.their_shift()) - 1;
        if room < 0 {
            (out.seq, out.len, out.flags) = (self.tracker.snd_una() - 1, 0, bare);
        } else if len > room.max(1) {
            // One octet beyond a closed window is a probe (RFC 9293 §3.8.6.1).
            (out.len, out.flags) = (room.unsigned_abs().max(1), bare);
        } else if len > room && out.flags.contains(Flags::FIN) {
            out.flags = bare;
        } else if out.flags.contains(Flags::FIN) && len > 0 && slack > 0 && room - len <= slack {
            // A peer with a shift may take as much back as its shift hides.
            out.flags = bare;
        } else {
            return;
        }
        self.act(Rule::Trim);
    }

    /// Returns whether this is the third equal acknowledgment within a second, with no hole to tell of.
    pub(super) fn is_repeated_too_often(&mut self, now: Instant, segment: &Segment) -> bool {
        let same = (segment.ack, segment.window) == self.last && now < self.last_since.after(SECOND);
        let hole = self.highest.is_after(self.tracker.rcv_nxt());
        let excess = same && !hole && self.repeats >= 2 && self.has(Rule::Damp);
        if excess {
            self.act(Rule::Damp);
        }
        excess
    }

    pub(super) fn acknowledged(&mut self, now: Instant, last: (Seq, u16)) {
        if last == self.last && now < self.last_since.after(SECOND) {
            self.repeats = self.repeats.saturating_add(1);
        } else {
            (self.last, self.last_since, self.repeats) = (last, now, 1);
        }
    }
}
