//! The last events, in a fixed place.

use super::{Event, Flow, Sink, View};

/// Keeps the last `N` events, counts those it has overwritten, and remembers of `F` connections where they stood.
///
/// What leaves the ring is told to the connection it belongs to, so a dump begins with a snapshot of each that
/// lives and can be understood without what was lost.
#[derive(Clone, Debug, Default)]
pub struct Ring<const N: usize, const F: usize = 4> {
    events: heapless::HistoryBuf<Event, N>,
    flows: heapless::Vec<(u32, Flow), F>,
    lost: u32,
    forgotten: u32,
}

impl<const N: usize, const F: usize> Ring<N, F> {
    /// Returns an empty ring.
    pub const fn new() -> Self {
        Self { events: heapless::HistoryBuf::new(), flows: heapless::Vec::new(), lost: 0, forgotten: 0 }
    }

    /// Returns how many events were overwritten.
    pub const fn lost(&self) -> u32 {
        self.lost
    }

    /// Returns how many connections made room in the memory of `F` while they still lived.
    pub const fn forgotten(&self) -> u32 {
        self.forgotten
    }

    /// Returns what is kept, oldest first: if events were lost, a snapshot of each connection that was not over then,
    /// and how many were lost, all with the number of the last of them.
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let first = self.events.oldest_ordered().next().copied().unwrap_or_default();
        let (serial, now) = (first.serial().wrapping_sub(1), first.time());
        let snapshots = self.flows.iter().flat_map(move |(number, flow)| {
            flow.snapshot().map(move |view| Event::of(view).at(serial, *number, now))
        });
        let lost = (self.lost > 0).then(|| Event::of(View::Lost { events: self.lost }).at(serial, 0, now));
        snapshots.chain(lost).chain(self.events.oldest_ordered().copied())
    }

    /// Tells an event that is about to be overwritten to its connection.
    fn remember(&mut self, event: &Event) {
        let known = self.flows.iter().position(|(number, _)| *number == event.flow());
        let place = match (known, event.view()) {
            (Some(place), _) => place,
            (None, Some(View::Opened { .. } | View::Snapshot { .. })) => {
                if self.flows.is_full() {
                    // The one that began first is the likeliest to be over soon.
                    self.flows.remove(0);
                    self.forgotten = self.forgotten.saturating_add(1);
                }
                if self.flows.push((event.flow(), Flow::new())).is_err() {
                    return;
                }
                self.flows.len() - 1
            }
            (None, _) => return,
        };
        let (_, flow) = &mut self.flows[place];
        flow.see(event);
        if flow.is_over() {
            self.flows.remove(place);
        }
    }
}

impl<const N: usize, const F: usize> Sink for Ring<N, F> {
    fn record(&mut self, event: &Event) {
        if self.events.len() == N {
            let oldest = self.events.oldest_ordered().next().copied();
            self.lost = self.lost.saturating_add(1);
            if let Some(oldest) = oldest {
                self.remember(&oldest);
            }
        }
        self.events.write(*event);
    }
}
