//! What the stack's events say of a transfer: how much was sent again, and how long the window was closed.

use crate::recording::Watch;
use core::time::Duration;
use sockhop::tcp::{Flags, Marks};
use sockhop::time::Instant;
use sockhop::trace::{Event, Sink, View};

/// Counts as events pass, and hands them on to a ladder and to a file where there are any.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) watch: Watch,
    retransmitted: u64,
    closed: Duration,
    /// Since when our window stands closed, and the peer's.
    since: (Option<Instant>, Option<Instant>),
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Segments that were sent again, by either end.
    pub(crate) retransmitted: u64,
    /// How long a window stood closed, whichever end's.
    pub(crate) closed: Duration,
}

impl Counted {
    /// Returns what was counted after `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            retransmitted: self.retransmitted - before.retransmitted,
            closed: self.closed.saturating_sub(before.closed),
        }
    }
}

impl Meter {
    pub(crate) const fn new(watch: Watch) -> Self {
        Self { watch, retransmitted: 0, closed: Duration::ZERO, since: (None, None) }
    }

    pub(crate) const fn counted(&self) -> Counted {
        Counted { retransmitted: self.retransmitted, closed: self.closed }
    }
}

impl Sink for Meter {
    fn record(&mut self, event: &Event) {
        if let Some(View::Segment { sent, window, marks, flags, .. }) = event.view() {
            self.retransmitted += u64::from(marks.contains(Marks::RETRANSMIT));
            let since = if sent { &mut self.since.0 } else { &mut self.since.1 };
            // A reset says nothing of a window.
            let shut = window == 0 && !flags.contains(Flags::RST);
            match *since {
                None if shut => *since = Some(event.time()),
                Some(began) if !shut => {
                    self.closed += event.time().since(began);
                    *since = None;
                }
                None | Some(_) => {}
            }
        }
        self.watch.record(event);
    }
}
