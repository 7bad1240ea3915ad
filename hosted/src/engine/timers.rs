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
    pub(crate) fn prune(&mut self, living: usize, stands: impl Fn(usize, Instant) -> bool) {
        if self.heap.len() > FEW + 4 * living {
            self.heap.retain(|&Reverse((at, slot))| stands(slot, at));
            self.heap.shrink_to(FEW + 4 * living);
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
            timers.prune(10, |slot, at| standing[slot] == Some(at));
            assert!(timers.heap.len() <= FEW + 41 && timers.heap.capacity() <= 2 * FEW, "{serial}");
        }
        let late = Instant::ZERO + Duration::from_secs(1_000);
        let mut due = core::iter::from_fn(|| timers.due(late)).collect::<Vec<_>>();
        due.retain(|(slot, at)| standing[*slot] == Some(*at));
        assert_eq!(due.len(), 10, "no entry that stands is dropped");
    }
}
