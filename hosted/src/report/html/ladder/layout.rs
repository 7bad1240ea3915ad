//! Where everything in a ladder stands. Later is lower, at both ends; within an end nothing overlaps.

use super::super::axis::Axis;
use super::super::flows::Side;
use super::super::ink::{Grouped, count};
use super::super::segments::Segment;
use super::super::story::Story;
use super::rows::{Item, Kind, Row, rows};
use std::collections::HashMap;

/// The least distance between two things at different times.
const LATER: f64 = 5.0;
/// How far an arrow falls at least.
const FALL: f64 = 13.0;
/// What a line of text takes.
const LINE: f64 = 15.0;
/// What an arrival takes that says nothing.
const HEAD: f64 = 7.0;
/// Characters that a line of a band has at most.
const WIDE: usize = 24;
/// What a pause takes.
const PAUSE: f64 = 18.0;

/// Something with its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) item: Item,
    /// The middle of its first line.
    pub(super) y: f64,
}

/// A run of things that are only counted.
#[derive(Debug)]
pub(super) struct Band {
    /// When it begins, in microseconds since the first event.
    pub(super) from: u64,
    pub(super) top: f64,
    pub(super) tall: f64,
    /// What it says, line by line.
    pub(super) lines: Vec<String>,
}

/// A pause that is not drawn in full.
#[derive(Debug)]
pub(super) struct Pause {
    pub(super) middle: f64,
    pub(super) micros: u64,
}

/// A ladder with the place of everything.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) placed: Vec<Placed>,
    pub(super) bands: Vec<Band>,
    pub(super) pauses: Vec<Pause>,
    /// Where segments leave and arrive, by their place in the story.
    pub(super) leaves: HashMap<usize, f64>,
    pub(super) arrives: HashMap<usize, f64>,
    /// Segments that are counted in a band.
    pub(super) folded: usize,
    /// Moments and their heights, both rising.
    pub(super) knots: Vec<(u64, f64)>,
    pub(super) tall: f64,
    /// Where texts and bands begin and end.
    blocks: Vec<(f64, f64)>,
}

/// The pen that goes down the page.
struct Pen {
    y: f64,
    bottoms: [f64; 2],
    at: u64,
}

impl Pen {
    /// Returns the middle of a thing of this height at this end and time, not above `least`.
    fn place(&mut self, side: Side, at: u64, tall: f64, least: f64) -> f64 {
        let later = if at > self.at { LATER } else { 0.0 };
        let bottom = &mut self.bottoms[side.index()];
        let y = (self.y + later).max(*bottom + tall.min(LINE) / 2.0).max(least);
        *bottom = y - tall.min(LINE) / 2.0 + tall;
        self.y = y;
        self.at = at;
        y
    }

    /// Goes below everything and takes so much at both ends; returns the top.
    fn bar(&mut self, tall: f64) -> f64 {
        let top = self.bottoms[0].max(self.bottoms[1]).max(self.y + 4.0) + 4.0;
        self.bottoms = [top + tall + 4.0; 2];
        self.y = top + tall + 4.0;
        top
    }
}

impl Layout {
    /// Places everything, the first thing below `top`.
    pub(super) fn new(story: &Story, axis: &Axis, top: f64) -> Self {
        let mut layout = Self::default();
        let mut pen = Pen { y: top, bottoms: [top; 2], at: 0 };
        let rows = rows(story);
        for (place, row) in rows.iter().enumerate() {
            let before = place.checked_sub(1).map(|before| rows[before].ends());
            if let Some(before) = before {
                layout.pause(axis, &mut pen, (before, row.begins()));
            }
            match row {
                Row::Single(item) => layout.single(story, &mut pen, *item),
                Row::Fold(items) => layout.fold(story, &mut pen, items),
            }
        }
        layout.tall = pen.bottoms[0].max(pen.bottoms[1]) + 10.0;
        layout.knots.push((story.end, layout.tall - 8.0));
        layout
    }

    /// Cuts the drawing into pieces of this height, each with its top and its end: what a cut goes through is repeated on
    /// the piece after.
    pub(super) fn pieces(&self, most: f64) -> Vec<(f64, f64)> {
        let mut pieces = Vec::new();
        let mut start = 0.0;
        while self.tall - start > most {
            let end = start + most;
            pieces.push((start, end));
            let cut = self.blocks.iter().filter(|(top, bottom)| *top < end && end < *bottom);
            let repeated = cut.map(|(top, _)| *top - 1.0).fold(end, f64::min);
            start = repeated.max(start + most / 2.0);
        }
        pieces.push((start, self.tall));
        pieces
    }

    fn pause(&mut self, axis: &Axis, pen: &mut Pen, (from, to): (u64, u64)) {
        let torn = axis.breaks().iter().any(|(start, end)| from <= *start && *end <= to);
        if torn || to - from >= 1_000_000 {
            let top = pen.bar(PAUSE);
            self.knots.push((from, top));
            self.knots.push((to, top + PAUSE));
            self.blocks.push((top, top + PAUSE));
            self.pauses.push(Pause { middle: top + PAUSE / 2.0, micros: to - from });
        }
    }

    fn single(&mut self, story: &Story, pen: &mut Pen, item: Item) {
        let tall = tall(story, &item);
        let least = match item.kind {
            Kind::Arrive(place) => self.leaves.get(&place).map_or(0.0, |y| y + FALL),
            Kind::Leave(_) | Kind::Step(_) | Kind::Deed(_) => 0.0,
        };
        let y = pen.place(item.side, item.moment.at, tall, least);
        self.blocks.push((y - LINE / 2.0 - 1.0, y - LINE / 2.0 + tall + 1.0));
        match item.kind {
            Kind::Leave(place) => {
                self.leaves.insert(place, y);
                if story.segments[place].arrived.is_none() && !story.is_whole() {
                    // What the other end did is not known; the arrow falls as if it were near.
                    self.arrives.insert(place, y + FALL);
                }
            }
            Kind::Arrive(place) => {
                self.arrives.insert(place, y);
                if story.segments[place].left.is_none() && !story.is_whole() {
                    let other = item.side.other();
                    let bottom = &mut pen.bottoms[other.index()];
                    let start = (y - FALL).max(*bottom + LINE / 2.0);
                    *bottom = start + LINE / 2.0;
                    self.leaves.insert(place, start);
                    let late = start.max(y);
                    self.arrives.insert(place, late);
                    pen.y = late;
                }
            }
            Kind::Step(_) | Kind::Deed(_) => {}
        }
        self.knots.push((item.moment.at, y));
        self.placed.push(Placed { item, y });
    }

    fn fold(&mut self, story: &Story, pen: &mut Pen, items: &[Item]) {
        let lines = said(story, items);
        let tall = 8.0 + 13.0 * lines.len() as f64;
        let top = pen.bar(tall);
        let (from, to) = (items[0].moment.at, items[items.len() - 1].moment.at);
        self.knots.push((from, top));
        self.knots.push((to, top + tall));
        pen.at = to;
        let height = |at: u64| top + tall * (at - from) as f64 / (to - from).max(1) as f64;
        for item in items {
            match item.kind {
                Kind::Leave(place) => {
                    self.folded += 1;
                    self.leaves.insert(place, height(item.moment.at));
                }
                Kind::Arrive(place) => {
                    self.folded += usize::from(story.segments[place].left.is_none());
                    self.arrives.insert(place, height(item.moment.at));
                }
                Kind::Step(_) | Kind::Deed(_) => {}
            }
        }
        self.blocks.push((top, top + tall));
        self.bands.push(Band { from, top, tall, lines });
    }
}

/// Returns the height that a thing takes at its end.
fn tall(story: &Story, item: &Item) -> f64 {
    match item.kind {
        Kind::Leave(place) => LINE + if story.segments[place].said.0 == 0 { 0.0 } else { 12.0 },
        Kind::Arrive(place) if !super::says(story, &story.segments[place]) => HEAD,
        Kind::Arrive(_) | Kind::Deed(_) => LINE,
        Kind::Step(_) => LINE + 3.0,
    }
}

/// Says what a band counts: each direction on a line, and what is remarkable on another.
fn said(story: &Story, items: &[Item]) -> Vec<String> {
    let of = |item: &Item| match item.kind {
        Kind::Leave(place) => Some(&story.segments[place]),
        Kind::Arrive(place) => Some(&story.segments[place]).filter(|segment| segment.left.is_none()),
        Kind::Step(_) | Kind::Deed(_) => None,
    };
    let counted: Vec<&Segment> = items.iter().filter_map(of).collect();
    let mut lines = Vec::new();
    for side in Side::BOTH {
        let own = || counted.iter().filter(|segment| segment.from == side);
        let (data, octets) =
            (own().filter(|segment| segment.len > 0).count(), own().map(|segment| segment.len).sum());
        let acks = own().count() - data;
        let mut parts = Vec::new();
        if data > 0 {
            parts.push(format!("{data} × data, {} B", Grouped(octets)));
        }
        if acks > 0 {
            parts.push(count(acks, "ACK"));
        }
        let said = parts.join(" · ");
        let lines_of = if said.chars().count() <= WIDE { vec![said] } else { parts };
        for said in lines_of.into_iter().filter(|said| !said.is_empty()) {
            lines.push(if side == Side::A { format!("{said} →") } else { format!("← {said}") });
        }
    }
    let outside = |item: &&Item| match item.kind {
        Kind::Arrive(place) => segments_left_before(story, place, items[0].moment.at),
        Kind::Leave(_) | Kind::Step(_) | Kind::Deed(_) => false,
    };
    let arrivals = items.iter().filter(outside).count();
    if arrivals > 2 {
        lines.push(format!("{arrivals} sent before arrive"));
    }
    lines.extend(super::remarks(story, items));
    lines
}

/// Returns whether a segment left before a band begins, so that the band does not count it as sent.
fn segments_left_before(story: &Story, place: usize, begins: u64) -> bool {
    story.segments[place].left.is_some_and(|left| left.at < begins)
}
