//! Where loops post their numbers when somebody wants them.

use super::Numbers;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use mio::Waker;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// One loop's place on the board.
#[derive(Debug, Default)]
struct Place {
    wanted: AtomicBool,
    waker: OnceLock<Arc<Waker>>,
}

#[derive(Debug)]
struct Shared {
    places: Vec<Place>,
    posted: Mutex<Vec<Option<Numbers>>>,
    changed: Condvar,
}

/// One board, held by each loop at a place of its own, and by whoever reads it.
#[derive(Clone, Debug)]
pub struct Board {
    shared: Arc<Shared>,
    place: usize,
}

impl Default for Board {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Board {
    /// Returns a board for so many loops, held at the first one's place.
    pub fn new(loops: usize) -> Self {
        let places = (0..loops).map(|_| Place::default()).collect();
        let posted = Mutex::new(vec![None; loops]);
        Self { shared: Arc::new(Shared { places, posted, changed: Condvar::new() }), place: 0 }
    }

    /// Returns the board as another loop holds it.
    pub fn at(&self, place: usize) -> Self {
        debug_assert!(place < self.shared.places.len(), "the board has a place for each loop");
        Self { shared: Arc::clone(&self.shared), place }
    }

    /// Has this loop's `waker` woken when somebody wants to read.
    pub fn rouse_by(&self, waker: Arc<Waker>) {
        // A place belongs to one loop; a second one would never be woken.
        let first = self.shared.places[self.place].waker.set(waker).is_ok();
        debug_assert!(first, "a place on the board belongs to one loop");
    }

    /// Returns whether somebody waits for this loop.
    pub fn is_wanted(&self) -> bool {
        self.shared.places[self.place].wanted.load(Ordering::Relaxed)
    }

    /// Puts up this loop's numbers.
    pub fn post(&self, numbers: Numbers) {
        self.shared.places[self.place].wanted.store(false, Ordering::Relaxed);
        self.lock()[self.place] = Some(numbers);
        self.shared.changed.notify_all();
    }

    /// Asks every loop for its numbers and waits for them, but no longer than `patience`; returns them added up.
    pub(super) fn read(&self, patience: Duration) -> Option<Numbers> {
        let mut posted = self.lock();
        posted.fill(None);
        for place in &self.shared.places {
            place.wanted.store(true, Ordering::Relaxed);
            // A loop that cannot be woken posts nothing, and that is what is then said.
            place.waker.get()?.wake().ok()?;
        }
        let missing = |posted: &mut Vec<Option<Numbers>>| posted.iter().any(Option::is_none);
        let wait = self.shared.changed.wait_timeout_while(posted, patience, missing);
        let mut posted = wait.unwrap_or_else(PoisonError::into_inner).0;
        let all = posted.iter_mut().map(Option::take).collect::<Option<Vec<_>>>()?;
        all.into_iter().reduce(Numbers::and)
    }

    /// Nothing under the lock can be left half done, so a thread that panicked there does no harm.
    fn lock(&self) -> MutexGuard<'_, Vec<Option<Numbers>>> {
        self.shared.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
