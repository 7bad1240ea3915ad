//! Events of several workers, put in order of time.
//!
//! What a worker does in one round has one time, and the rounds of two workers overlap. So events wait until nobody can
//! add an earlier one, as long as no round takes longer than [`BEHIND`]. Those of one connection stay in their order in
//! any case.

use core::time::Duration;
use sockhop::time::Instant;
use sockhop::trace::Event;

/// How long the longest round takes.
const BEHIND: Duration = Duration::from_millis(50);

/// Events on their way to whoever wants them in order.
#[derive(Debug)]
pub struct Merge {
    /// Whether they come from several workers; those of one are in order.
    several: bool,
    waiting: Vec<Event>,
    newest: Instant,
    /// Up to where they have been given away.
    given: Instant,
    serial: u32,
}

impl Merge {
    /// Returns a merge of the events of several workers, or of one, which passes through.
    pub const fn new(several: bool) -> Self {
        Self { several, waiting: Vec::new(), newest: Instant::ZERO, given: Instant::ZERO, serial: 0 }
    }

    /// Takes events, and returns those whose time has come.
    pub fn add(&mut self, mut events: Vec<Event>) -> Vec<Event> {
        if !self.several {
            return events;
        }
        self.newest = events.iter().map(Event::time).max().unwrap_or(self.newest).max(self.newest);
        self.waiting.append(&mut events);
        // In portions, so that none is sorted more than a few times.
        if self.newest < self.given + 2 * BEHIND {
            return Vec::new();
        }
        self.waiting.sort_by_key(Event::time);
        let until = self.given + self.newest.since(self.given + BEHIND);
        let ripe = self.waiting.partition_point(|event| event.time() <= until);
        self.give(until, ripe)
    }

    /// Returns what waits, since nobody has said anything for as long as [`patience`](Self::patience), or ever will.
    pub fn rest(&mut self) -> Vec<Event> {
        self.waiting.sort_by_key(Event::time);
        self.give(self.newest, self.waiting.len())
    }

    fn give(&mut self, until: Instant, ripe: usize) -> Vec<Event> {
        self.given = until.max(self.given);
        let ripe = self.waiting.drain(..ripe);
        // Each worker has numbered its own.
        let renumbered = ripe.map(|event| {
            self.serial = self.serial.wrapping_add(1);
            event.at(self.serial.wrapping_sub(1), event.flow(), event.time())
        });
        renumbered.collect()
    }

    /// Returns when the last event happened that was taken, and up to when they were given away.
    pub const fn reached(&self) -> (Instant, Instant) {
        (self.newest, self.given)
    }

    /// Returns after which silence the rest is to be asked for.
    pub const fn patience(&self) -> Duration {
        if self.waiting.is_empty() { Duration::MAX } else { BEHIND }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockhop::trace::View;

    fn events(flow: u32, millis: &[u64]) -> Vec<Event> {
        let event = |at: &u64| {
            let view = View::Lost { events: u32::try_from(*at).unwrap() };
            Event::of(view).at(0, flow, Instant::from_micros(at * 1_000))
        };
        millis.iter().map(event).collect()
    }

    #[test]
    fn overlapping_rounds_come_out_in_order_with_numbers_without_a_gap() {
        let mut merge = Merge::new(true);
        let mut out = merge.add(events(1, &[1, 3, 3, 8]));
        out.extend(merge.add(events(2, &[2, 3, 5, 9])));
        assert!(out.is_empty() && merge.patience() == BEHIND, "somebody may still say something earlier");
        out.extend(merge.add(events(1, &[200])));
        out.extend(merge.add(events(2, &[190])));
        out.extend(merge.rest());
        let times: Vec<u64> = out.iter().map(|event| event.time().micros() / 1_000).collect();
        assert_eq!(times, [1, 2, 3, 3, 3, 5, 8, 9, 190, 200]);
        assert!(out.iter().map(Event::serial).eq(0..10));
        assert_eq!(merge.patience(), Duration::MAX);
    }

    #[test]
    fn whoever_is_too_late_still_has_his_own_in_order_and_one_worker_is_not_held_back() {
        let mut merge = Merge::new(true);
        let mut out = merge.add(events(1, &[300]));
        out.extend(merge.add(events(1, &[500])));
        assert!(!out.is_empty());
        out.extend(merge.add(events(2, &[100, 101])));
        out.extend(merge.add(events(2, &[600])));
        out.extend(merge.rest());
        let of = |flow| out.iter().filter(move |event| event.flow() == flow).map(Event::time);
        assert!(of(1).is_sorted() && of(2).is_sorted());
        assert_eq!(out.len(), 5);
        assert_eq!(Merge::new(false).add(events(1, &[5, 4])).len(), 2);
    }
}
