//! The last events, in a fixed place.

use super::{Event, Flow, Sink, View};

/// Keeps the last `N` events, counts those it has overwritten, and remembers of `F` connections where they stood.
///
/// What leaves the ring is told to the connection it belongs to, so a dump begins with a snapshot of each that
/// lives and can be understood without what was lost.
#[derive(Clone, Debug)]
pub struct Ring<const N: usize, const F: usize = 4> {
    events: [Event; N],
    /// Where the next event goes, which is where the oldest stands once the ring is full.
    next: usize,
    full: bool,
    flows: heapless::Vec<(u32, Flow), F>,
    lost: u32,
    forgotten: u32,
}

impl<const N: usize, const F: usize> Default for Ring<N, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, const F: usize> Ring<N, F> {
    /// Returns an empty ring.
    pub const fn new() -> Self {
        Self {
            events: [Event::new(0, 0, [0; 4]); N],
            next: 0,
            full: false,
            flows: heapless::Vec::new(),
            lost: 0,
            forgotten: 0,
        }
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
        let first = self.kept().next().copied().unwrap_or_default();
        let (serial, now) = (first.serial().wrapping_sub(1), first.time());
        let snapshots = self.flows.iter().flat_map(move |(number, flow)| {
            flow.snapshot().map(move |view| Event::of(view).at(serial, *number, now))
        });
        let lost = (self.lost > 0).then(|| Event::of(View::Lost { events: self.lost }).at(serial, 0, now));
        snapshots.chain(lost).chain(self.kept().copied())
    }

    /// Returns what is kept, oldest first.
    fn kept(&self) -> impl Iterator<Item = &Event> {
        let (newer, older) = self.events.split_at_checked(self.next).unwrap_or_default();
        let older = if self.full { older } else { &[] };
        older.iter().chain(newer)
    }

    fn forget(&mut self, flow: u32) {
        self.flows.retain(|(number, _)| *number != flow);
    }

    /// Tells an event that is about to be overwritten to its connection.
    fn remember(&mut self, event: &Event) {
        let known = self.flows.iter().position(|(number, _)| *number == event.flow());
        let place = match (known, event.view()) {
            (Some(place), _) => place,
            (None, Some(View::Opened { .. } | View::Snapshot { .. })) => {
                if let Some(&(first, _)) = self.flows.first().filter(|_| self.flows.is_full()) {
                    // The one that began first is the likeliest to be over soon.
                    self.forget(first);
                    self.forgotten = self.forgotten.saturating_add(1);
                }
                let place = self.flows.len();
                let _ = self.flows.push((event.flow(), Flow::new()));
                place
            }
            (None, _) => return,
        };
        let Some((number, flow)) = self.flows.get_mut(place) else { return };
        let number = *number;
        flow.see(event);
        if flow.is_over() {
            self.forget(number);
        }
    }
}

impl<const N: usize, const F: usize> Sink for Ring<N, F> {
    fn record(&mut self, event: &Event) {
        let Some(place) = self.events.get_mut(self.next) else { return };
        let oldest = core::mem::replace(place, *event);
        self.next += 1;
        if self.full {
            self.lost = self.lost.saturating_add(1);
            self.remember(&oldest);
        }
        if self.next == N {
            (self.next, self.full) = (0, true);
        }
    }
}
