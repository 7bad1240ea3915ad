//! Events on their way from the engine to those who follow.

use core::sync::atomic::{AtomicBool, Ordering};
use sockhop::trace::{Event, Sink};
use std::sync::{Arc, Mutex, PoisonError};

/// Events that wait for the thread; more are lost, and counted.
const WAITING: usize = 65_536;

/// Where events wait, shared by the engines and the thread that hands them out.
#[derive(Clone, Debug, Default)]
pub struct Feed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    followed: AtomicBool,
    waiting: Mutex<Batch>,
}

/// Events in the order in which they happened, and how many were lost behind them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) lost: u64,
}

impl Feed {
    /// Says whether anybody follows; while nobody does, nothing waits.
    pub(super) fn follow(&self, followed: bool) {
        self.0.followed.store(followed, Ordering::Relaxed);
        if !followed {
            self.take();
        }
    }

    /// Takes what waits, in order of time: several loops may have put it here.
    pub(super) fn take(&self) -> Batch {
        let waiting = &mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = core::mem::take(waiting);
        batch.events.sort_by_key(Event::time);
        batch
    }
}

impl Sink for Feed {
    fn record(&mut self, event: &Event) {
        // Nobody holds the lock for longer than it takes to swap two vectors.
        let mut batch = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.events.len() < WAITING { batch.events.push(*event) } else { batch.lost += 1 }
    }

    fn enabled(&self) -> bool {
        self.0.followed.load(Ordering::Relaxed)
    }
}

/// A sink, and those who follow on the control socket.
#[derive(Debug, Default)]
pub struct Overheard<S> {
    /// The sink.
    pub own: S,
    /// Those who follow.
    pub feed: Feed,
}

impl<S: Sink> Sink for Overheard<S> {
    fn record(&mut self, event: &Event) {
        if self.own.enabled() {
            self.own.record(event);
        }
        if self.feed.enabled() {
            self.feed.record(event);
        }
    }

    fn enabled(&self) -> bool {
        self.own.enabled() || self.feed.enabled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockhop::trace::View;

    #[test]
    fn what_does_not_fit_is_counted_and_what_waits_is_kept_in_order() {
        let feed = Feed::default();
        let mut sink = Overheard { own: (), feed: feed.clone() };
        assert!(!sink.enabled());
        feed.follow(true);
        assert!(sink.enabled());
        for number in 0..70_000 {
            sink.record(&Event::of(View::Lost { events: number }));
        }
        let batch = feed.take();
        assert_eq!((batch.events.len(), batch.lost), (WAITING, 70_000 - WAITING as u64));
        let numbers = batch.events.iter().map(Event::view);
        assert!(numbers.eq((0..65_536).map(|events| Some(View::Lost { events }))));
        sink.record(&Event::default());
        feed.follow(false);
        assert!(feed.take().events.is_empty() && !sink.enabled());
    }
}
