//! Waiting for sockets without falling asleep too soon.
//!
//! A process that sleeps is woken by another processor, which takes tens of microseconds where that one has to be woken
//! itself: more than a round trip through the stack. So after waits that were short the next is expected to be short too,
//! and the loop looks for a moment before it sleeps, and lets others run meanwhile. After waits that were long it sleeps at
//! once: whoever has little to do costs nothing.
//!
//! ```
//! use core::time::Duration;
//! use mio::{Events, Poll};
//! use sockhop_hosted::waiting::Waiting;
//!
//! let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
//! let mut waiting = Waiting::default();
//! waiting.wait(&mut poll, &mut events, Some(Duration::from_millis(1)))?;
//! assert!(events.is_empty(), "nobody has anything to say");
//! # Ok::<(), std::io::Error>(())
//! ```

use core::time::Duration;
use mio::{Events, Poll};
use std::io;
use std::thread;
use std::time::Instant;

/// How long it looks before it sleeps; a wake-up takes about as long.
const LOOKING: Duration = Duration::from_micros(60);
/// Waits that are longer on average are slept through.
const SHORT: Duration = Duration::from_micros(150);
/// The longest wait that counts, so that one long wait is forgotten after a few short ones.
const LONGEST: Duration = Duration::from_millis(2);

/// How long waits have been lately.
#[derive(Debug)]
pub struct Waiting {
    recent: Duration,
    /// Whether there is another processor for those that are waited for.
    has_company: bool,
}

impl Default for Waiting {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, core::num::NonZero::get);
        Self { recent: LONGEST, has_company: processors > 1 }
    }
}

impl Waiting {
    /// Waits until something happens or the time is over; none that is given never is.
    ///
    /// A time is rounded up to milliseconds, in which the kernel counts: rounded down, a loop would spin through the last
    /// of them. A signal ends the wait as an event does.
    ///
    /// # Errors
    /// The host's.
    pub fn wait(&mut self, poll: &mut Poll, events: &mut Events, most: Option<Duration>) -> io::Result<()> {
        if most.is_some_and(|most| most.is_zero()) {
            return look(poll, events, most);
        }
        let began = Instant::now();
        while self.is_worth_looking() && began.elapsed() < LOOKING {
            look(poll, events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                self.took(began.elapsed());
                return Ok(());
            }
            thread::yield_now();
        }
        let whole = |most: Duration| u64::try_from(most.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        look(poll, events, most.map(|most| Duration::from_millis(whole(most))))?;
        self.took(began.elapsed());
        Ok(())
    }

    fn is_worth_looking(&self) -> bool {
        self.has_company && self.recent < SHORT
    }

    /// Notes how long a wait took.
    fn took(&mut self, time: Duration) {
        self.recent = (self.recent * 3 + time.min(LONGEST)) / 4;
    }
}

fn look(poll: &mut Poll, events: &mut Events, most: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, most) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_after_short_waits_and_sleeps_after_a_long_one() {
        let mut waiting = Waiting { has_company: true, ..Waiting::default() };
        assert!(!waiting.is_worth_looking(), "who has just begun may have nothing to do");
        for _ in 0..20 {
            waiting.took(Duration::from_micros(30));
        }
        assert!(waiting.is_worth_looking());
        waiting.took(Duration::from_secs(1));
        assert!(!waiting.is_worth_looking());
        for _ in 0..12 {
            waiting.took(Duration::from_micros(30));
        }
        assert!(waiting.is_worth_looking(), "one long wait is forgotten");
        let alone = Waiting { has_company: false, ..waiting };
        assert!(!alone.is_worth_looking(), "on one processor nobody else would move");
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(1));
        let mut waiting = Waiting { recent: Duration::ZERO, has_company: true };
        let began = Instant::now();
        waiting.wait(&mut poll, &mut events, Some(Duration::from_micros(1_500))).unwrap();
        assert!(events.is_empty() && began.elapsed() >= Duration::from_micros(1_500));
    }
}
