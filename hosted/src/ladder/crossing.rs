//! One direction of a connection: what its sender's record and its receiver's say of the same segments.

use super::Fate;
use crate::arrivals::Arrivals;
use core::time::Duration;
use sockhop::time::Instant;
use sockhop::trace::{Event, View};
use std::collections::{HashMap, HashSet};

/// What became of a segment on its way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arrival<'a> {
    /// It was received, as this event of the other end's says; another that was sent later may have come before it.
    Received { event: &'a Event, took: Duration, overtaken: bool },
    /// It came and was thrown away, with a number of `trace::Drop` for the reason.
    Dropped(u8),
    /// The other end has recorded nothing, so nobody knows.
    Unknown,
    /// It never came.
    Lost,
}

/// What became of each segment that one end sent, and which of those that came it did not send.
pub(super) struct Crossing<'a> {
    /// By the number of the event that sent it.
    fates: HashMap<u32, Arrival<'a>>,
    /// The numbers of the events that received one of them.
    explained: HashSet<u32>,
    sender: &'a [&'a Event],
    /// Whether the sender has recorded nothing at all.
    mute: bool,
}

impl<'a> Crossing<'a> {
    /// Matches what one end sent with what the other received.
    pub(super) fn new(sender: &'a [&'a Event], receiver: &'a [&'a Event]) -> Self {
        let is_segment = |event: &&Event| matches!(event.view(), Some(View::Segment { .. }));
        let mut dropped = dropped(receiver);
        let deaf = !receiver.iter().any(is_segment) && dropped.is_empty();
        let mut arrivals = Arrivals::new(sender, receiver);
        let mut crossing = Self {
            fates: HashMap::new(),
            explained: HashSet::new(),
            sender,
            mute: !sender.iter().any(is_segment),
        };
        for event in sender {
            let Some(View::Segment { sent: true, seq, len, .. }) = event.view() else { continue };
            let fate = if deaf {
                Arrival::Unknown
            } else if let Some(received) = arrivals.of(event) {
                crossing.explained.insert(received.serial());
                let took = received.time().since(event.time());
                Arrival::Received { event: received, took, overtaken: false }
            } else {
                dropped.remove(&(seq.0, u32::from(len))).map_or(Arrival::Lost, Arrival::Dropped)
            };
            crossing.fates.insert(event.serial(), fate);
        }
        crossing.note_overtaken();
        crossing
    }

    fn note_overtaken(&mut self) {
        let mut first: Option<Instant> = None;
        for sent in self.sender.iter().rev() {
            if let Some(Arrival::Received { event, overtaken, .. }) = self.fates.get_mut(&sent.serial()) {
                let came = event.time();
                *overtaken = first.is_some_and(|first| first < came);
                first = Some(first.map_or(came, |first| first.min(came)));
            }
        }
    }

    /// Returns what became of a segment that was sent.
    pub(super) fn fate(&self, sent: &Event) -> Arrival<'a> {
        self.fates.get(&sent.serial()).copied().unwrap_or(Arrival::Unknown)
    }

    /// Returns how a segment that was received is drawn and what is said of it; `None` when it is drawn as sent.
    pub(super) fn stray(&self, received: &Event) -> Option<(Fate, &'static str)> {
        if self.mute {
            return Some((Fate::Arrived, ""));
        }
        if self.explained.contains(&received.serial()) {
            return None;
        }
        let again = self.sender.iter().any(|sent| is_same(sent, received));
        Some((Fate::Stray, if again { "comes again" } else { "from outside of this connection" }))
    }
}

/// Returns the segments that reached no connection: number and length, and why.
fn dropped(receiver: &[&Event]) -> HashMap<(u32, u32), u8> {
    let thrown = |event: &&Event| match event.view() {
        Some(View::Dropped { why, seq, len }) => Some(((seq.0, len), why)),
        _ => None,
    };
    receiver.iter().filter_map(thrown).collect()
}

/// Returns whether one event is the sending of the segment whose receipt the other is.
fn is_same(sent: &Event, received: &Event) -> bool {
    let says = |event: &Event| match event.view() {
        Some(View::Segment { sent, flags, seq, ack, len, window, .. }) => {
            Some((sent, (flags, seq, ack, len, window)))
        }
        _ => None,
    };
    match (says(sent), says(received)) {
        (Some((true, left)), Some((false, came))) => left == came,
        _ => false,
    }
}
