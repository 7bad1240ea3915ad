//! When the rounds have begun that workers are in, and up to when nobody will record anything any more.
//!
//! What a worker does in one round has one time, and rounds overlap, so that events of two workers are recorded out of
//! their order. Who wants them in order has to know how far they are complete, however long a round takes:
//!
//! ```text
//! worker 0  ──┤ round ├─────┤ round ├──────────┤ round ...
//! worker 1  ────┤ a long round                     ...
//!               ▲ nothing earlier than this can still be recorded
//! ```
//!
//! A worker says first that a round has begun, and reads its time then; who asks reads the clock first, and looks then
//! who is in a round. So a round that he does not see has a later time than he has read.

use core::sync::atomic::{AtomicU64, Ordering, fence};
use sockhop::time::Instant;
use std::sync::Arc;

/// What stands for no round.
const NONE: u64 = u64::MAX;

/// A worker's place among those whose rounds overlap; alone, it keeps no account.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// When each worker's round has begun at the earliest, in microseconds.
    begun: Arc<[AtomicU64]>,
    place: usize,
}

impl Rounds {
    /// Returns the places of so many workers.
    pub(super) fn several(of: usize) -> Vec<Self> {
        let of = if of > 1 { of } else { 0 };
        let begun: Arc<[AtomicU64]> = (0..of).map(|_| AtomicU64::new(NONE)).collect();
        (0..of.max(1)).map(|place| Self { begun: Arc::clone(&begun), place }).collect()
    }

    /// Begins a round, and returns its time.
    pub(super) fn begin(&self, clock: impl Fn() -> Instant) -> Instant {
        if let Some(own) = self.begun.get(self.place) {
            own.store(clock().micros(), Ordering::SeqCst);
            fence(Ordering::SeqCst);
        }
        clock()
    }

    /// Ends a round, and returns up to when everything is recorded that any worker has done.
    pub(super) fn end(&self, clock: impl Fn() -> Instant) -> Instant {
        let Some(own) = self.begun.get(self.place) else { return clock() };
        own.store(NONE, Ordering::SeqCst);
        let now = clock();
        fence(Ordering::SeqCst);
        let begun = self.begun.iter().map(|begun| begun.load(Ordering::SeqCst));
        Instant::from_micros(begun.fold(now.micros(), u64::min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicBool;
    use std::sync::Mutex;

    #[test]
    fn a_round_that_goes_on_holds_back_what_others_have_done_since_it_began() {
        let at = |micros| move || Instant::from_micros(micros);
        let rounds = Rounds::several(2);
        assert_eq!(rounds[0].begin(at(10)), Instant::from_micros(10));
        assert_eq!(rounds[0].end(at(12)), Instant::from_micros(12), "nobody else is in a round");
        rounds[1].begin(at(20));
        rounds[0].begin(at(30));
        assert_eq!(rounds[0].end(at(35)), Instant::from_micros(20));
        rounds[0].begin(at(1_000_000));
        assert_eq!(rounds[0].end(at(1_000_001)), Instant::from_micros(20), "however long that takes");
        assert_eq!(
            rounds[1].end(at(1_000_002)),
            Instant::from_micros(1_000_002),
            "the last one tells of all"
        );
        let alone = Rounds::several(1);
        alone[0].begin(at(5));
        assert_eq!(alone[0].end(at(6)), Instant::from_micros(6));
    }

    #[test]
    fn nobody_records_what_is_earlier_than_what_was_said_to_be_complete() {
        let (began, stop) = (std::time::Instant::now(), AtomicBool::new(false));
        let clock = || Instant::from_micros(u64::try_from(began.elapsed().as_nanos()).unwrap());
        // The time up to which somebody has called everything complete.
        let complete = Mutex::new(Instant::ZERO);
        std::thread::scope(|scope| {
            for rounds in Rounds::several(3) {
                scope.spawn(|| {
                    let rounds = rounds;
                    for _ in 0..20_000 {
                        let now = rounds.begin(clock);
                        let said = *complete.lock().unwrap();
                        if now < said {
                            stop.store(true, Ordering::Relaxed);
                        }
                        let until = rounds.end(clock);
                        let mut complete = complete.lock().unwrap();
                        *complete = until.max(*complete);
                    }
                });
            }
        });
        assert!(!stop.load(Ordering::Relaxed), "a round began before what was complete");
    }
}
