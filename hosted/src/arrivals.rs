//! Which segment of those that one end received is the one that the other end sent.
//!
//! ```
//! use sockhop::trace::{Event, View};
//! use sockhop_hosted::arrivals::Arrivals;
//! use sockhop_hosted::lab::{Scenario, play};
//!
//! let outcome = play(&Scenario::named("loss").expect("it is in the course"), 1).expect("it begins");
//! let (a, b): (Vec<&Event>, Vec<&Event>) = (outcome.a.iter().collect(), outcome.b.iter().collect());
//! let mut arrivals = Arrivals::new(&a, &b);
//! assert_eq!(arrivals.typical_delay().as_millis(), 20); // the link's
//! let is_segment = |event: &Event| matches!(event.view(), Some(View::Segment { sent: true, .. }));
//! let lost = a.iter().filter(|event| is_segment(event) && arrivals.of(event).is_none()).count();
//! assert!(lost > 0, "the scenario keeps its promise");
//! ```

use core::time::Duration;
use sockhop::tcp::Flags;
use sockhop::trace::{Event, View};
use std::collections::HashMap;

/// How much longer than the link's delay a segment may take on its way, if others look the same.
const LATE: Duration = Duration::from_millis(250);

/// What makes two events the same segment.
type Key = (u8, u32, u32, u16, u16);

/// Returns the key of a segment that was sent, or of one that was received.
fn key(event: &Event, of_sent: bool) -> Option<Key> {
    match event.view() {
        Some(View::Segment { sent, flags, seq, ack, len, window, .. }) if sent == of_sent => {
            let ack = if flags.contains(Flags::ACK) { ack.0 } else { 0 };
            Some((flags.0, seq.0, ack, len, window))
        }
        _ => None,
    }
}

/// The segments that look the same: those that were sent, and those that were received, each in the order of time.
#[derive(Debug, Default)]
struct Same<'a> {
    sent: Vec<&'a Event>,
    received: Vec<&'a Event>,
}

/// The segments that one end sent and the other received.
#[derive(Debug)]
pub struct Arrivals<'a> {
    /// What was received, by the number of the event that sent it.
    found: HashMap<u32, &'a Event>,
    copies: Vec<&'a Event>,
    typical: Duration,
}

impl<'a> Arrivals<'a> {
    /// Returns the arrivals at `other` of what `own` sent.
    pub fn new(own: &[&'a Event], other: &[&'a Event]) -> Self {
        let mut by_key: HashMap<Key, Same<'a>> = HashMap::new();
        for event in own {
            if let Some(key) = key(event, true) {
                by_key.entry(key).or_default().sent.push(event);
            }
        }
        for event in other {
            if let Some(key) = key(event, false) {
                by_key.entry(key).or_default().received.push(event);
            }
        }
        let typical = by_key.values().flat_map(Same::delays).min().unwrap_or_default();
        let mut arrivals = Self { found: HashMap::new(), copies: Vec::new(), typical };
        for same in by_key.into_values() {
            arrivals.assign(same);
        }
        arrivals.copies.sort_by_key(|event| (event.time(), event.serial()));
        arrivals
    }

    /// Gives each of these that came the sending whose delay is nearest to the link's own.
    ///
    /// Asking the other way round, a lost original would take the arrival of its repetition.
    fn assign(&mut self, Same { mut sent, received }: Same<'a>) {
        let alone = sent.len() == 1;
        for event in received {
            let took = |sent: &Event| event.time().since(sent.time());
            let nearest = (0..sent.len())
                .filter(|place| sent[*place].time() <= event.time() && took(sent[*place]) >= self.typical)
                .min_by_key(|place| took(sent[*place]).abs_diff(self.typical));
            let in_time = |place: &usize| alone || took(sent[*place]) <= self.typical * 2 + LATE;
            match nearest.filter(in_time) {
                Some(place) => {
                    self.found.insert(sent.remove(place).serial(), event);
                }
                None => self.copies.push(event),
            }
        }
    }

    /// Returns the shortest time a segment took, as the link's own.
    pub const fn typical_delay(&self) -> Duration {
        self.typical
    }

    /// Returns the arrival of this segment; `None` means that it was lost.
    ///
    /// Of several that look the same each arrival is that of the one nearest to the link's delay, unless it comes so
    /// late that nobody can say whose it is.
    pub fn of(&mut self, sent: &Event) -> Option<&'a Event> {
        self.found.remove(&sent.serial())
    }

    /// Returns the arrivals that no segment was found for: copies that the network made, in the order of their times.
    pub fn copies(self) -> Vec<&'a Event> {
        self.copies
    }
}

impl Same<'_> {
    /// Returns how long each would have taken if the next one that came were it.
    fn delays(&self) -> impl Iterator<Item = Duration> + '_ {
        self.sent.iter().filter_map(|sent| {
            let first = self.received.iter().find(|received| received.time() >= sent.time())?;
            Some(first.time().since(sent.time()))
        })
    }
}
