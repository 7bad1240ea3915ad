//! How often a second the stack says something to nobody in particular.

use core::time::Duration;
use sockhop::time::Instant;

/// How many answers may still be given.
#[derive(Debug)]
pub(super) struct Allowance {
    each_second: u32,
    left: u32,
    since: Instant,
}

impl Allowance {
    pub(super) const fn new(each_second: u32) -> Self {
        Self { each_second, left: each_second, since: Instant::ZERO }
    }

    /// Takes one answer of this second's, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            self.left = self.each_second;
            self.since = now;
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}
