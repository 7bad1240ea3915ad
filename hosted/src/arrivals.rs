//! Which segment of those that one end received is the one that the other end sent.

use core::time::Duration;
use sockhop::tcp::Flags;
use sockhop::trace::{Event, View};
use std::collections::{HashMap, VecDeque};

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

/// The segments that look the same: how many were sent, and those that were received, in the order of arrival.
#[derive(Debug, Default)]
struct Same<'a> {
    sent: usize,
    received: VecDeque<&'a Event>,
}

/// The segments that one end sent and the other received.
#[derive(Debug)]
pub struct Arrivals<'a> {
    by_key: HashMap<Key, Same<'a>>,
    typical: Duration,
}

impl<'a> Arrivals<'a> {
    /// Returns the arrivals at `other` of what `own` sent.
    pub fn new(own: &[&'a Event], other: &[&'a Event]) -> Self {
        let mut by_key: HashMap<Key, Same<'a>> = HashMap::new();
        for event in other {
            if let Some(key) = key(event, false) {
                by_key.entry(key).or_default().received.push_back(event);
            }
        }
        let mut delays = Vec::new();
        for sent in own {
            let Some(same) = key(sent, true).and_then(|key| by_key.get_mut(&key)) else { continue };
            same.sent += 1;
            let first = same.received.iter().find(|received| received.time() >= sent.time());
            delays.extend(first.map(|received| received.time().since(sent.time())));
        }
        Self { by_key, typical: delays.into_iter().min().unwrap_or_default() }
    }

    /// Returns the shortest time a segment took, as the link's own.
    pub const fn typical_delay(&self) -> Duration {
        self.typical
    }

    /// Takes and returns the arrival of this segment; `None` means that it was lost.
    ///
    /// Of several that look the same it is the one nearest to the link's delay, unless that comes so late that it
    /// is a repetition's.
    pub fn of(&mut self, sent: &Event) -> Option<&'a Event> {
        let typical = self.typical;
        let same = self.by_key.get_mut(&key(sent, true)?)?;
        let took = |received: &&Event| received.time().since(sent.time());
        let nearest = (0..same.received.len())
            .filter(|place| {
                same.received[*place].time() >= sent.time() && took(&same.received[*place]) >= typical
            })
            .min_by_key(|place| took(&same.received[*place]).abs_diff(typical))?;
        let late = same.sent > 1 && took(&same.received[nearest]) > typical * 2 + LATE;
        if late { None } else { same.received.remove(nearest) }
    }

    /// Returns the arrivals that no segment was found for: copies that the network made, in the order of their times.
    pub fn copies(self) -> Vec<&'a Event> {
        let mut left: Vec<_> = self.by_key.into_values().flat_map(|same| same.received).collect();
        left.sort_by_key(|event| (event.time(), event.serial()));
        left
    }
}
