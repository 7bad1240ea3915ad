//! The variables of each direction over time (RFC 9293 §3.3.1), and the stretches in which somebody waits.

use super::flows::Side;
use super::segments::{Fate, Segment};
use super::story::{Moment, Story};
use sockhop::tcp::{Flags, Marks};

/// What a sender knows, from this moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sender {
    /// Microseconds since the first event.
    pub(super) at: u64,
    /// SND.UNA, the oldest number that is not acknowledged.
    pub(super) una: i64,
    /// The number after the highest sent.
    pub(super) nxt: i64,
    /// The right edge of the peer's window, as the sender heard of it.
    pub(super) edge: i64,
}

impl Sender {
    /// Returns the octets on their way or lost.
    pub(super) const fn flight(&self) -> i64 {
        self.nxt - self.una
    }

    /// Returns the window as the sender heard of it.
    pub(super) const fn window(&self) -> i64 {
        self.edge - self.una
    }
}

/// What a receiver has said, from this moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Receiver {
    /// Microseconds since the first event.
    pub(super) at: u64,
    /// RCV.NXT, the next number expected.
    pub(super) nxt: i64,
    /// The right edge of the window that was advertised last.
    pub(super) edge: i64,
}

/// A stretch of time, in microseconds since the first event.
pub(super) type Stretch = (u64, u64);

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Direction {
    /// Who sends.
    pub(super) from: Side,
    /// What the sender knew, by time.
    pub(super) sender: Vec<Sender>,
    /// What the receiver said, by time.
    pub(super) receiver: Vec<Receiver>,
    /// Octets that were acknowledged or, if more, that were sent.
    pub(super) octets: i64,
    /// The largest window that was advertised, which is what the receiver holds at most.
    pub(super) room: i64,
    /// While the window was closed, as the sender heard of it.
    pub(super) zero: Vec<Stretch>,
    /// While the sender had used an open window up.
    pub(super) full: Vec<Stretch>,
    /// While the receiver's owner did not read.
    pub(super) unread: Vec<Stretch>,
}

impl Direction {
    /// Returns what is to be known of one direction.
    pub(super) fn new(story: &Story, from: Side) -> Self {
        let sender = sender(story, from);
        let receiver = receiver(story, from);
        let room = receiver.iter().map(|known| known.edge - known.nxt).max().unwrap_or(0);
        let zero = while_holds(&sender, story.end, |known| known.edge > 0 && known.window() <= 0);
        let used = |known: &Sender| known.window() > 0 && known.nxt >= known.edge && known.nxt > 1;
        let full = while_holds(&sender, story.end, used);
        let own = story.segments.iter().filter(|segment| segment.from == from);
        let octets = own.filter(|segment| segment.len > 0).map(|segment| segment.seq + segment.len - 1).max();
        let unread = stalls(&receiver, room, story.end);
        Self { from, sender, receiver, octets: octets.unwrap_or(0).max(0), room, zero, full, unread }
    }

    /// Returns what the sender knows at a moment.
    pub(super) fn sender_at(&self, at: u64) -> Sender {
        let after = self.sender.partition_point(|known| known.at <= at);
        after.checked_sub(1).map_or_else(Sender::default, |place| self.sender[place])
    }

    /// Returns what the receiver has said at a moment.
    pub(super) fn receiver_at(&self, at: u64) -> Receiver {
        let after = self.receiver.partition_point(|known| known.at <= at);
        after.checked_sub(1).map_or_else(Receiver::default, |place| self.receiver[place])
    }

    /// Returns the octets that the receiver holds and its owner has not read, as far as its window tells.
    pub(super) fn held(&self, known: &Receiver) -> i64 {
        (self.room - (known.edge - known.nxt)).clamp(0, known.nxt.max(1) - 1)
    }

    /// Returns the furthest number of the direction that was sent or granted.
    pub(super) fn furthest(&self) -> i64 {
        let ends = self.sender.iter().map(|known| known.edge.max(known.nxt));
        ends.chain(self.receiver.iter().map(|known| known.edge)).max().unwrap_or(0)
    }
}

/// Returns the length of stretches.
pub(super) fn sum(stretches: &[Stretch]) -> u64 {
    stretches.iter().map(|(from, to)| to - from).sum()
}

/// Returns the segments in the order in which an end knew of them.
fn known_to<'a>(story: &'a Story, side: Side) -> Vec<(Moment, &'a Segment)> {
    let known = |segment: &'a Segment| segment.known_to(side, story.seen).map(|moment| (moment, segment));
    let mut all: Vec<_> = story.segments.iter().filter_map(known).collect();
    all.sort_by_key(|(moment, _)| *moment);
    all
}

fn sender(story: &Story, from: Side) -> Vec<Sender> {
    let mut now = Sender::default();
    let mut points: Vec<Sender> = Vec::new();
    for (moment, segment) in known_to(story, from) {
        let before = now;
        if segment.from == from {
            let reset = segment.flags.contains(Flags::RST);
            now.nxt = if reset { now.nxt } else { now.nxt.max(segment.end()) };
        } else if let Some(ack) = segment.ack.filter(|ack| *ack >= now.una && *ack <= now.nxt.max(1)) {
            now.una = ack;
            if !segment.flags.contains(Flags::RST) {
                now.edge = ack + segment.window;
            }
        } else if segment.flags.contains(Flags::SYN) {
            // The SYN of a simultaneous open, or of the opener, grants a window to what is not sent yet.
            now.edge = 1 + segment.window;
        }
        now.at = moment.at;
        if (now.una, now.nxt, now.edge) != (before.una, before.nxt, before.edge) {
            // What holds for no time at all would only be a spike.
            points.pop_if(|last| last.at == now.at);
            points.push(now);
        }
    }
    points
}

fn receiver(story: &Story, from: Side) -> Vec<Receiver> {
    let mut points: Vec<Receiver> = Vec::new();
    for (moment, segment) in known_to(story, from.other()) {
        if segment.from == from || segment.fate == Fate::Copied || segment.flags.contains(Flags::RST) {
            continue;
        }
        // A bare SYN acknowledges nothing; its window counts from what will be the first octet.
        let nxt = segment.ack.unwrap_or(1);
        if points.last().is_none_or(|last| nxt >= last.nxt && !segment.is(Marks::PROBE)) {
            points.pop_if(|last| last.at == moment.at);
            points.push(Receiver { at: moment.at, nxt, edge: nxt + segment.window });
        }
    }
    points
}

/// Returns the stretches in which something holds.
fn while_holds(points: &[Sender], end: u64, holds: impl Fn(&Sender) -> bool) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (place, point) in points.iter().enumerate().filter(|(_, point)| holds(point)) {
        let until = points.get(place + 1).map_or(end, |next| next.at);
        match stretches.last_mut().filter(|last| last.1 >= point.at) {
            Some(last) => last.1 = until,
            None => stretches.push((point.at, until)),
        }
    }
    stretches.retain(|(from, to)| to > from);
    stretches
}

/// Returns the stretches in which octets came and none were read: the edge stood still while the window shrank to less
/// than half of its largest.
fn stalls(points: &[Receiver], room: i64, end: u64) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut from = 0;
    for place in 1..=points.len() {
        let moved = points.get(place).is_none_or(|point| point.edge != points[from].edge);
        if !moved {
            continue;
        }
        let (first, last) = (points[from], points[place - 1]);
        let small = (last.edge - last.nxt) * 2 < room;
        let until = points.get(place).map_or(end, |point| point.at);
        if place - from > 2 && small && until > first.at {
            stretches.push((first.at, until));
        }
        from = place;
    }
    stretches
}
