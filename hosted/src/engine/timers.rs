//! When each flow wants to be looked at again.
//!
//! An entry that has become too early stays where it is and is looked at in vain: moving a deadline back, which
//! every acknowledgment does, then costs nothing. Those of flows that are gone stay as well, until they outnumber the
//! living by far.

use core::cmp::Reverse;
use sockhop::time::Instant;
use std::collections::BinaryHeap;

/// Entries that are not worth looking through.
const FEW: usize = 1_024;

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

    /// Drops the entries that stand for nothing any more, once there are many of them beside `living` slots.
    ///
    /// A deadline may be minutes away when its flow ends, and many thousands of flows end meanwhile.
    fn prune(&mut self, living: usize, standing: impl Fn(usize) -> Option<Instant>) {
        if self.heap.len() > FEW + 4 * living {
            self.heap.retain(|&Reverse((at, slot))| standing(slot) == Some(at));
            self.heap.shrink_to(FEW + 4 * living);
        }
    }

    /// Takes the entry of a slot that is due and returns the slot; `standing` says of a slot, one of `living`, what
    /// [`set`](Self::set) returned for it last.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        living: usize,
        standing: impl Fn(usize) -> Option<Instant>,
    ) -> Option<usize> {
        self.prune(living, &standing);
        while let Some(&Reverse((at, slot))) = self.heap.peek().filter(|Reverse((at, _))| *at <= now) {
            self.heap.pop();
            if standing(slot) == Some(at) {
                return Some(slot);
            }
        }
        None
    }

    /// Returns when the next entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn slots_that_come_and_go_leave_a_bounded_heap() {
        let (mut timers, mut standing) = (Timers::default(), [None; 10]);
        for serial in 0..100_000 {
            let (slot, now) = (serial % 10, Instant::ZERO + Duration::from_millis(serial as u64));
            // A new flow in the slot of one that has ended.
            standing[slot] = timers.set(slot, Some(now + Duration::from_secs(300)), None);
            assert_eq!(timers.due(now, 10, |slot| standing[slot]), None);
            assert!(timers.heap.len() <= FEW + 41 && timers.heap.capacity() <= 2 * FEW, "{serial}");
        }
        let late = Instant::ZERO + Duration::from_secs(1_000);
        let due: Vec<_> = core::iter::from_fn(|| timers.due(late, 10, |slot| standing[slot])).collect();
        assert_eq!(due.len(), 10, "no entry that stands is dropped, and no other comes up");
    }
}
