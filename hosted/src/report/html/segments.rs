//! The segments of a connection, each once: when it left, when it arrived, and what became of it.

use super::flows::Side;
use super::story::Moment;
use crate::arrivals::Arrivals;
use core::fmt::{self, Write as _};
use sockhop::tcp::{Flags, Marks, Seq};
use sockhop::trace::{Event, View};
use std::collections::HashSet;

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Both ends saw it.
    Arrived,
    /// It left and did not arrive.
    Lost,
    /// The other end was not recorded, or not at that time.
    Unknown,
    /// It arrived and was not sent: the network made a copy.
    Copied,
}

/// A segment, in numbers that count from the SYNs.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Who sent it.
    pub(super) from: Side,
    /// When it left, if that end was recorded.
    pub(super) left: Option<Moment>,
    /// When it arrived, if it did and that end was recorded.
    pub(super) arrived: Option<Moment>,
    /// What became of it.
    pub(super) fate: Fate,
    /// Its control bits.
    pub(super) flags: Flags,
    /// Its first number.
    pub(super) seq: i64,
    /// The number it acknowledges, if it does.
    pub(super) ack: Option<i64>,
    /// Its octets of payload.
    pub(super) len: i64,
    /// Its window in octets.
    pub(super) window: i64,
    /// What its sender found remarkable.
    pub(super) said: Marks,
    /// What its receiver found remarkable.
    pub(super) heard: Marks,
}

impl Segment {
    /// Returns the number after its last octet or control bit.
    pub(super) fn end(&self) -> i64 {
        self.seq
            + self.len
            + i64::from(self.flags.contains(Flags::SYN))
            + i64::from(self.flags.contains(Flags::FIN))
    }

    /// Returns when it is first known of.
    pub(super) fn moment(&self) -> Moment {
        self.left.or(self.arrived).unwrap_or(Moment { at: 0, serial: 0 })
    }

    /// Returns when an end knows of it; where that end was not recorded, when the other one does.
    pub(super) fn known_to(&self, side: Side, seen: [bool; 2]) -> Option<Moment> {
        match (side == self.from, seen[side.index()]) {
            (true, true) => self.left,
            (false, true) => self.arrived,
            (true, false) => self.arrived,
            (false, false) => self.left,
        }
    }

    /// Returns whether either end found this remarkable.
    pub(super) const fn is(&self, mark: Marks) -> bool {
        self.said.contains(mark) || self.heard.contains(mark)
    }

    /// Returns whether it was sent again, by its sender's word or by what the receiver had.
    pub(super) const fn is_again(&self) -> bool {
        self.is(Marks::RETRANSMIT) && !self.is(Marks::PROBE)
    }

    /// Returns what it says, in relative numbers, in no more than so many characters.
    pub(super) fn text(&self, most: usize) -> (String, String) {
        let mut head = format!("{} {}", self.flags, self.seq);
        if self.len > 0 {
            let _ = write!(head, ":{}({})", self.seq + self.len, self.len);
        }
        let fits = |head: &str, tail: &str, more: &str| head.len() + tail.len() + more.len() <= most;
        let mut tail = String::new();
        if let Some(ack) = self.ack.map(|ack| format!(" ack {ack}")).filter(|ack| fits(&head, "", ack)) {
            tail = ack;
        }
        let window = format!(" win {}", self.window);
        if !self.flags.contains(Flags::RST) && fits(&head, &tail, &window) {
            tail.push_str(&window);
        }
        (head, tail)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, tail) = self.text(usize::MAX);
        write!(f, "{head}{tail}")
    }
}

/// Numbers of one direction that count from its SYN, and go on where 32 bits end.
#[derive(Clone, Copy, Debug, Default)]
struct Numbering {
    last: Option<(Seq, i64)>,
}

impl Numbering {
    /// Returns the place of a number; `first` is its place if it is the first one of all.
    fn place(&mut self, seq: Seq, first: i64) -> i64 {
        let (known, place) = *self.last.get_or_insert((seq, first));
        let here = place + i64::from(seq.since(known));
        if here > place {
            self.last = Some((seq, here));
        }
        here
    }
}

/// The raw facts of a segment at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Raw {
    flags: Flags,
    seq: Seq,
    ack: Seq,
    len: u16,
    window: u16,
}

/// Returns the segments of both ends, in the order in which they left; `start` is the story's first microsecond.
pub(super) fn segments(events: &[Vec<&Event>; 2], start: u64) -> Vec<Segment> {
    let mut all = Vec::new();
    for side in Side::BOTH {
        gather(events, side, start, &mut all);
    }
    all.sort_by_key(|(segment, _)| (segment.moment().at, segment.moment().serial));
    let shifts = shifts(events);
    let mut numbering = [Numbering::default(); 2];
    for (side, event) in
        Side::BOTH.iter().flat_map(|side| events[side.index()].iter().map(move |event| (side, event)))
    {
        if let Some(View::Snapshot { origins: (ours, theirs), .. }) = event.view() {
            for (whose, origin) in [(*side, ours), (side.other(), theirs)] {
                origin.map(|origin| numbering[whose.index()].place(origin, 0));
            }
        }
    }
    // The SYNs first: what was recorded before one of them counts from it all the same.
    for (segment, raw) in all.iter().filter(|(segment, _)| segment.flags.contains(Flags::SYN)) {
        numbering[segment.from.index()].place(raw.seq, 0);
    }
    for (segment, raw) in &mut all {
        let (own, other) = (segment.from.index(), segment.from.other().index());
        segment.seq = numbering[own].place(raw.seq, 1);
        segment.len = i64::from(raw.len);
        segment.ack = raw.flags.contains(Flags::ACK).then(|| numbering[other].place(raw.ack, 1));
        let shift = if raw.flags.contains(Flags::SYN) { 0 } else { shifts[own] };
        segment.window = i64::from(raw.window) << shift;
    }
    all.into_iter().map(|(segment, _)| segment).collect()
}

/// Gathers what one end sent.
fn gather(events: &[Vec<&Event>; 2], from: Side, start: u64, all: &mut Vec<(Segment, Raw)>) {
    let (own, other) = (&events[from.index()], &events[from.other().index()]);
    let when = |event: &Event| Moment { at: event.time().micros() - start, serial: event.serial() };
    let whole = !own.is_empty() && !other.is_empty();
    let mut arrivals = Arrivals::new(own, other);
    let typical = arrivals.typical_delay();
    let mut sent = HashSet::new();
    for event in own {
        let Some((raw, said)) = raw(event, true) else { continue };
        sent.insert(raw);
        let arrival = arrivals.of(event);
        let heard = arrival.and_then(raw_marks).unwrap_or_default();
        let fate = match arrival {
            Some(_) => Fate::Arrived,
            None if whole && other.last().is_some_and(|last| last.time() > event.time() + typical) => {
                Fate::Lost
            }
            None => Fate::Unknown,
        };
        all.push((blank(from, Some(when(event)), arrival.map(when), fate, raw, (said, heard)), raw));
    }
    for event in arrivals.copies() {
        let Some((raw, heard)) = raw_received(event) else { continue };
        // What its sender is not known to have sent at all is no copy: he was not recorded then.
        let fate = if sent.contains(&raw) { Fate::Copied } else { Fate::Unknown };
        all.push((blank(from, None, Some(when(event)), fate, raw, (Marks::default(), heard)), raw));
    }
}

fn blank(
    from: Side,
    left: Option<Moment>,
    arrived: Option<Moment>,
    fate: Fate,
    raw: Raw,
    marks: (Marks, Marks),
) -> Segment {
    let (said, heard) = marks;
    Segment { from, left, arrived, fate, flags: raw.flags, seq: 0, ack: None, len: 0, window: 0, said, heard }
}

fn raw(event: &Event, of_sent: bool) -> Option<(Raw, Marks)> {
    match event.view() {
        Some(View::Segment { sent, flags, seq, ack, len, window, marks, .. }) if sent == of_sent => {
            Some((Raw { flags, seq, ack, len, window }, marks))
        }
        _ => None,
    }
}

fn raw_received(event: &Event) -> Option<(Raw, Marks)> {
    raw(event, false)
}

fn raw_marks(event: &Event) -> Option<Marks> {
    raw_received(event).map(|(_, marks)| marks)
}

/// Returns the shifts of the windows that A and B send (RFC 7323 §2.2): none unless both offered one.
fn shifts(events: &[Vec<&Event>; 2]) -> [u8; 2] {
    let mut offered = [None; 2];
    for side in Side::BOTH {
        for event in &events[side.index()] {
            match event.view() {
                Some(View::Options { sent, scale, .. }) => {
                    let whose = if sent { side } else { side.other() };
                    offered[whose.index()] = scale;
                }
                Some(View::Snapshot { scales: (ours, theirs), .. }) => {
                    offered[side.index()] = ours;
                    offered[side.other().index()] = theirs;
                }
                _ => {}
            }
        }
    }
    match offered {
        [Some(a), Some(b)] => [a, b],
        _ => [0, 0],
    }
}
