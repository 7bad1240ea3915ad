//! What the stack's events say of a transfer: how much was sent again, and how long the window was closed.

use crate::printer::Page;
use core::time::Duration;
use sockhop::tcp::{Flags, Marks};
use sockhop::time::Instant;
use sockhop::trace::{Event, Sink, View};

/// Counts as events pass, and keeps them for the ladder if there is one.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) page: Option<Page>,
    retransmitted: u64,
    closed: Duration,
    since: Option<Instant>,
}

/// What was counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Segments that were sent again, by either end.
    pub(crate) retransmitted: u64,
    /// How long a window stood closed, whichever end's.
    pub(crate) closed: Duration,
}

impl Meter {
    pub(crate) const fn new(page: Option<Page>) -> Self {
        Self { page, retransmitted: 0, closed: Duration::ZERO, since: None }
    }

    pub(crate) const fn counted(&self) -> Counted {
        Counted { retransmitted: self.retransmitted, closed: self.closed }
    }
}

impl Sink for Meter {
    fn record(&mut self, event: &Event) {
        if let Some(View::Segment { window, marks, flags, .. }) = event.view() {
            self.retransmitted += u64::from(marks.contains(Marks::RETRANSMIT));
            let shut = window == 0 && !flags.contains(Flags::RST) && !flags.contains(Flags::SYN);
            match self.since {
                None if shut && marks.contains(Marks::ZERO_WINDOW) => self.since = Some(event.time()),
                Some(since) if marks.contains(Marks::REOPEN) => {
                    self.closed += event.time().since(since);
                    self.since = None;
                }
                None | Some(_) => {}
            }
        }
        if let Some(page) = &mut self.page {
            page.record(event);
        }
    }
}
