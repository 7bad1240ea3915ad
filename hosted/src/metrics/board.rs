//! Where the loop posts its numbers when somebody wants them.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use mio::Waker;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicBool,
    posted: Mutex<Option<Posted>>,
    changed: Condvar,
    waker: OnceLock<Arc<Waker>>,
}

/// What the loop says of itself.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) text: String,
    /// Nobody new is served any more.
    pub(super) draining: bool,
}

/// One board, held by the loop and by whoever reads it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Shared>);

impl Board {
    /// Has `waker` woken when somebody wants to read.
    pub fn rouse_by(&self, waker: Arc<Waker>) {
        // A board belongs to one loop; a second one would never be woken.
        let first = self.0.waker.set(waker).is_ok();
        debug_assert!(first, "a board belongs to one loop");
    }

    /// Returns whether somebody waits.
    pub fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::Relaxed)
    }

    /// Puts up a page.
    pub fn post(&self, text: String, draining: bool) {
        self.0.wanted.store(false, Ordering::Relaxed);
        *self.lock() = Some(Posted { text, draining });
        self.0.changed.notify_all();
    }

    /// Asks for a page and waits for it, but no longer than `patience`.
    pub(super) fn read(&self, patience: Duration) -> Option<Posted> {
        let mut posted = self.lock();
        *posted = None;
        self.0.wanted.store(true, Ordering::Relaxed);
        // A loop that cannot be woken posts nothing, and that is what is then said.
        self.0.waker.get()?.wake().ok()?;
        let wait = self.0.changed.wait_timeout_while(posted, patience, |posted| posted.is_none());
        wait.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// Nothing under the lock can be left half done, so a thread that panicked there does no harm.
    fn lock(&self) -> MutexGuard<'_, Option<Posted>> {
        self.0.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
