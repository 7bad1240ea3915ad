//! What the guard does when time has passed.

use super::super::edit::Empty;
use super::super::{Flags, State};
use super::{Guard, Inject, Rule, SECOND};
use crate::time::Instant;

/// How long a connection with something to do stays silent before smoltcp is shown the peer's last word again.
const STALL: u64 = 3 * SECOND;
/// How long after that it is made to retransmit; longer than its longest retransmission timeout.
const STALL_AGAIN: u64 = 61 * SECOND;
/// The longest time between two FINs of the guard's.
const FIN_LONGEST: u64 = 61 * SECOND;
/// How long nothing may be heard of a peer before it is asked whether it is there.
const ASK: u64 = 75 * SECOND;
/// How long nothing may be heard of a peer whose FIN is awaited before it is reminded.
const NUDGE: u64 = 10 * SECOND;
/// How often it is reminded, each time after twice the time.
const NUDGES: u8 = 6;

impl Guard {
    /// Does what time demands; `queued` says whether smoltcp has octets or a FIN that are not acknowledged.
    pub fn tick(&mut self, now: Instant, queued: bool) -> Option<Inject> {
        if !self.is_synchronized() {
            return None;
        }
        if self.is_fin_alone() {
            if self.has(Rule::FinKeep) && self.fin_at() <= now {
                return Some(self.repeat_fin(now));
            }
        } else if (queued || self.max != self.tracker.snd_una()) && self.stall_at() <= now {
            return self.wake(now);
        }
        if self.nudge_at().is_some_and(|at| at <= now) {
            self.nudges += 1;
            self.act(Rule::Nudge);
            return Some(Inject::Wire(self.acknowledgment(self.next_seq())));
        }
        if self.has(Rule::KeepAlive) && self.kept.after(ASK) <= now {
            self.kept = now;
            self.act(Rule::KeepAlive);
            return Some(Inject::Wire(self.acknowledgment(self.tracker.snd_una() - 1)));
        }
        None
    }

    /// Returns when [`tick`](Self::tick) has to be called next, if nothing comes before.
    pub fn tick_at(&self, queued: bool) -> Option<Instant> {
        if !self.is_synchronized() {
            return None;
        }
        let mut at = self.has(Rule::KeepAlive).then(|| self.kept.after(ASK));
        let mut sooner = |other: Option<Instant>| at = [at, other].into_iter().flatten().min();
        if self.is_fin_alone() {
            sooner(self.has(Rule::FinKeep).then(|| self.fin_at()));
        } else if queued || self.max != self.tracker.snd_una() {
            sooner(self.has(Rule::Stall).then(|| self.stall_at()));
        }
        sooner(self.nudge_at());
        at
    }

    pub(super) const fn is_synchronized(&self) -> bool {
        matches!(
            self.tracker.state(),
            State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
        )
    }

    /// Returns whether our FIN is all that the peer has not acknowledged.
    pub(super) fn is_fin_alone(&self) -> bool {
        self.tracker.fin() == Some(self.tracker.snd_una() + 1)
    }

    /// Returns when the FIN is sent again: at once if it never was.
    pub(super) fn fin_at(&self) -> Instant {
        if self.tracker.fin().is_some_and(|end| end.is_after(self.max)) {
            return Instant::ZERO;
        }
        let once = STALL.max(2 * u64::from(self.gap) + SECOND);
        self.mark.after((once << self.fins.min(6)).min(FIN_LONGEST))
    }

    pub(super) fn repeat_fin(&mut self, now: Instant) -> Inject {
        let una = self.tracker.snd_una();
        self.act(Rule::FinKeep);
        self.max = self.max.max(una + 1);
        self.mark = now;
        self.fins = self.fins.saturating_add(1);
        let mut fin = self.acknowledgment(una);
        fin.flags = Flags::FIN | Flags::ACK;
        Inject::Wire(fin)
    }

    pub(super) fn stall_at(&self) -> Instant {
        match self.stalled {
            None => self.mark.after(STALL),
            Some(_) if self.burst > 0 => Instant::ZERO,
            Some(at) => at.after(STALL_AGAIN).max(self.mark.after(STALL)),
        }
    }

    /// Shows smoltcp the peer's last word again: once, which lets it send or probe, then so often that it repeats
    /// its oldest segment.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Inject> {
        if !self.has(Rule::Stall) {
            return None;
        }
        self.act(Rule::Stall);
        let mut window = self.window_left();
        match (self.stalled, self.burst) {
            (None, _) => self.stalled = Some(now),
            (Some(_), 0) => {
                self.stalled = Some(now);
                self.burst = 4;
                // A window that differs lets smoltcp count its duplicates from the beginning.
                window = if window == u16::MAX { window - 1 } else { window + 1 };
            }
            (Some(_), _) => self.burst -= 1,
        }
        let (seq, ack) = (self.tracker.rcv_nxt(), self.tracker.snd_una());
        let repeated = Empty { seq, ack, flags: Flags::ACK, window };
        self.tracker.received(&repeated.segment());
        Some(Inject::Stack(repeated))
    }

    pub(super) fn nudge_at(&self) -> Option<Instant> {
        let awaits = matches!(self.tracker.state(), State::Established | State::FinWait1 | State::FinWait2);
        (awaits && self.nudges < NUDGES && self.has(Rule::Nudge))
            .then(|| self.heard.after(NUDGE << self.nudges))
    }
}
