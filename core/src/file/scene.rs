//! What a turn of a transfer is given, and what it comes to.

use super::Outcome;
use crate::time::{Instant, Patience};
use crate::trace::Recorder;
use core::time::Duration;

/// How many octets a turn moves or hashes at most, so that nobody else waits long for his.
const TURN: usize = 256 << 10;
/// How often a sender is told to wait.
const WAIT: Duration = Duration::from_secs(2);

/// What a turn is given beside the connection.
#[derive(Debug)]
pub struct Scene<'a, S> {
    /// The owner's clock.
    pub now: Instant,
    /// Room for octets on their way from a disk to a digest; it is never empty.
    pub scratch: &'a mut [u8],
    /// Whoever is told of changes of state.
    pub recorder: &'a mut Recorder<S>,
    /// The connection's number in the trace.
    pub flow: u32,
}

/// What a turn of a [`Delivery`](super::Delivery) or an [`Intake`](super::Intake) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<E> {
    /// There is more to do at once: nothing is waited for.
    Again,
    /// The connection, the disk or the clock is waited for.
    Wait,
    /// It is over: close the connection.
    Done(Outcome),
    /// It is over without a file: reset the connection.
    Failed(E),
}

/// How much of a turn is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(TURN)
    }

    /// Returns how many of `octets` may be moved.
    pub(super) fn allow(self, octets: u64) -> usize {
        usize::try_from(octets).map_or(self.0, |octets| octets.min(self.0))
    }

    pub(super) const fn spend(&mut self, octets: usize) {
        self.0 = self.0.saturating_sub(octets);
    }

    pub(super) const fn is_spent(self) -> bool {
        self.0 == 0
    }
}

/// Keeps the time for a machine's patience.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    beat: Option<u16>,
    since: Instant,
    told: Instant,
}

impl Clock {
    /// Returns whether the patience has run out; the clock begins anew with each beat.
    pub(super) fn has_run_out(&mut self, now: Instant, beat: u16, patience: Option<Patience>) -> bool {
        if self.beat != Some(beat) {
            (self.beat, self.since) = (Some(beat), now);
        }
        patience.is_some_and(|patience| now.since(self.since) >= patience.limit)
    }

    /// Returns whether the peer is to be told now that it must wait.
    pub(super) fn is_time_to_tell(&mut self, now: Instant) -> bool {
        let due = now.since(self.told.max(self.since)) >= WAIT;
        if due {
            self.told = now;
        }
        due
    }

    /// Returns when the owner is to come back although nothing has happened.
    pub(super) fn deadline(&self, patience: Option<Patience>) -> Option<Instant> {
        patience.map(|patience| self.since + patience.limit)
    }

    /// Returns when the peer is to be told again.
    pub(super) fn telling(&self) -> Instant {
        self.told.max(self.since) + WAIT
    }
}
