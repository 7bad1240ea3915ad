//! The last events, in a fixed place.

use super::{Event, Sink, View};

/// Keeps the last `N` events and counts those it has overwritten.
#[derive(Clone, Debug, Default)]
pub struct Ring<const N: usize> {
    events: heapless::HistoryBuf<Event, N>,
    lost: u32,
}

impl<const N: usize> Ring<N> {
    /// Returns an empty ring.
    pub const fn new() -> Self {
        Self { events: heapless::HistoryBuf::new(), lost: 0 }
    }

    /// Returns how many events were overwritten.
    pub const fn lost(&self) -> u32 {
        self.lost
    }

    /// Returns what is kept, oldest first; the first event says how many were lost, if any were.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let lost = (self.lost > 0).then(|| {
            let first = self.events.oldest_ordered().next().copied().unwrap_or_default();
            Event::of(View::Lost { events: self.lost }).at(first.serial().wrapping_sub(1), 0, first.time())
        });
        lost.into_iter().chain(self.events.oldest_ordered().copied())
    }
}

impl<const N: usize> Sink for Ring<N> {
    fn record(&mut self, event: &Event) {
        if self.events.len() == N {
            self.lost = self.lost.saturating_add(1);
        }
        self.events.write(*event);
    }
}
