//! When each flow wants to be looked at again.
//!
//! An entry that has become too early stays where it is and is looked at in vain: moving a deadline back, which
//! every acknowledgment does, then costs nothing.

use core::cmp::Reverse;
use sockhop::time::Instant;
use std::collections::BinaryHeap;

/// A heap of the times at which slots are due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Timers {
    /// Sees to it that `slot` comes up at `at` or before; takes and returns the time of its earliest entry.
    pub(crate) fn set(
        &mut self,
        slot: usize,
        at: Option<Instant>,
        standing: Option<Instant>,
    ) -> Option<Instant> {
        match (at, standing) {
            (Some(at), Some(standing)) if standing <= at => Some(standing),
            (Some(at), _) => {
                self.heap.push(Reverse((at, slot)));
                Some(at)
            }
            (None, standing) => standing,
        }
    }

    /// Returns a slot that is due and the time of its entry; the slot may have been reused since.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(usize, Instant)> {
        let &Reverse((at, slot)) = self.heap.peek()?;
        (at <= now).then(|| {
            self.heap.pop();
            (slot, at)
        })
    }

    /// Returns when the next entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}
