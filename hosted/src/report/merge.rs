//! Events of several workers, put in order of time.
//!
//! What a worker does in one round has one time, and the rounds of two workers overlap. So events wait until nobody can
//! add an earlier one, which those say who hand them over: [`Reach`] is what they know of it, and [`Merge`] the order.

use sockhop::time::Instant;
use sockhop::trace::Event;

/// Events that wait at most; beyond, when a worker does not come to an end of its round, the oldest wait no longer, and
/// only those of one connection are sure to be in order.
const WAITING: usize = 1 << 20;

/// How far events are complete, as those know who hand them over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    /// When the last event happened.
    newest: Instant,
    until: Instant,
    /// What was said before of `until`.
    said: Instant,
}

impl Reach {
    /// Notes an event that is going to be handed over.
    pub fn note(&mut self, event: &Event) {
        self.newest = self.newest.max(event.time());
    }

    /// Notes that every event up to then has been recorded.
    pub fn advance(&mut self, until: Instant) {
        self.until = self.until.max(until);
    }

    /// Returns whether saying it lets events go that wait for it, so that it is worth saying without any.
    pub fn frees(&self) -> bool {
        self.said < self.newest.min(self.until)
    }

    /// Returns up to when everything has been recorded, which is said then.
    pub fn say(&mut self) -> Instant {
        self.said = self.until;
        self.until
    }

    /// Returns up to when everything was last said to be recorded.
    pub const fn said(&self) -> Instant {
        self.said
    }

    /// Adds what somebody else knows.
    pub fn join(&mut self, other: &Self) {
        self.newest = self.newest.max(other.newest);
        self.advance(other.until);
    }
}

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

    /// Takes events, and returns those that nobody can add an earlier one to: every event up to `until` has been taken.
    pub fn add(&mut self, mut events: Vec<Event>, until: Instant) -> Vec<Event> {
        if !self.several {
            return events;
        }
        self.newest = events.iter().map(Event::time).max().unwrap_or(self.newest).max(self.newest);
        self.waiting.append(&mut events);
        let crowd = self.waiting.len().saturating_sub(WAITING);
        if until <= self.given && crowd == 0 {
            return Vec::new();
        }
        self.waiting.sort_by_key(Event::time);
        let ripe = self.waiting.partition_point(|event| event.time() <= until);
        self.give(until, ripe.max(crowd))
    }

    /// Returns what waits, since nobody will say anything any more.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockhop::trace::View;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn events(flow: u32, millis: &[u64]) -> Vec<Event> {
        let event = |millis: &u64| {
            let view = View::Lost { events: u32::try_from(*millis).unwrap() };
            Event::of(view).at(0, flow, at(*millis))
        };
        millis.iter().map(event).collect()
    }

    fn times(events: &[Event]) -> Vec<u64> {
        events.iter().map(|event| event.time().micros() / 1_000).collect()
    }

    #[test]
    fn overlapping_rounds_come_out_in_order_with_numbers_without_a_gap_however_long_one_takes() {
        let mut merge = Merge::new(true);
        let mut out = merge.add(events(1, &[1, 3, 3, 8]), at(2));
        assert_eq!(times(&out), [1], "somebody may still say something that happened at 3");
        out.extend(merge.add(events(1, &[700, 900]), at(2)));
        out.extend(merge.add(events(2, &[2, 3, 5, 9]), at(900)));
        assert_eq!(times(&out), [1, 2, 3, 3, 3, 5, 8, 9, 700, 900]);
        assert!(merge.add(events(2, &[1_000]), at(950)).is_empty());
        assert_eq!(merge.reached(), (at(1_000), at(950)));
        out.extend(merge.rest());
        assert!(out.iter().map(Event::serial).eq(0..11));
        assert_eq!(Merge::new(false).add(events(1, &[5, 4]), Instant::ZERO).len(), 2);
    }

    #[test]
    fn a_worker_that_hangs_holds_back_no_more_than_there_is_room_for() {
        let mut merge = Merge::new(true);
        let many: Vec<u64> = (1..=WAITING as u64).collect();
        assert!(merge.add(events(1, &many), Instant::ZERO).is_empty());
        assert_eq!(times(&merge.add(events(1, &[2_000_000, 2_000_001]), Instant::ZERO)), [1, 2]);
    }

    #[test]
    fn what_is_complete_is_worth_saying_alone_when_something_waits_for_it() {
        let mut reach = Reach::default();
        reach.advance(at(5));
        assert!(!reach.frees(), "nothing happened");
        reach.note(&events(1, &[9])[0]);
        assert!(reach.frees(), "what happened up to 5 may have been handed over by somebody else");
        assert_eq!(reach.say(), at(5));
        assert!(!reach.frees());
        reach.advance(at(12));
        assert!(reach.frees());
        assert_eq!((reach.say(), reach.said()), (at(12), at(12)));
        reach.advance(at(20));
        assert!(!reach.frees(), "nothing waits any more");
    }
}
