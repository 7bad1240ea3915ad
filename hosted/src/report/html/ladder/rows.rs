//! What stands in a ladder, in the order of time: single things, and runs of plain ones that are folded.

use super::super::flows::Side;
use super::super::segments::{Fate, Segment};
use super::super::story::{Moment, Story, What};
use sockhop::tcp::{Flags, Marks};

/// Plain segments in a row that are folded; an arrival counts half.
const FOLD: usize = 5;
/// Rows that a ladder has at most before more is folded.
const MOST: usize = 1_500;
/// Bands into which a ladder is cut at least when even what is notable has to be folded.
const BANDS: usize = 250;

/// One thing at one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A segment leaves; its place in the story.
    Leave(usize),
    /// A segment arrives.
    Arrive(usize),
    /// A change of state.
    Step(usize),
    /// A machine above TCP, or the guard.
    Deed(usize),
}

/// One thing with its time and its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) side: Side,
    pub(super) moment: Moment,
    pub(super) kind: Kind,
}

/// How much a thing has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Octets and acknowledgments as usual.
    Plain,
    /// What comes in crowds after a loss: out of order, duplicates, window updates.
    Usual,
    /// Sent again, lost, used a window up, or an action of the guard.
    Notable,
    /// A change of state, a SYN, FIN or RST, a window that closes or opens, a probe.
    Key,
}

/// What is drawn.
#[derive(Debug)]
pub(super) enum Row {
    /// One thing.
    Single(Item),
    /// A run of things that are only counted.
    Fold(Vec<Item>),
}

impl Row {
    /// Returns when it begins.
    pub(super) fn begins(&self) -> u64 {
        match self {
            Self::Single(item) => item.moment.at,
            Self::Fold(items) => items.first().map_or(0, |item| item.moment.at),
        }
    }

    /// Returns when it ends.
    pub(super) fn ends(&self) -> u64 {
        match self {
            Self::Single(item) => item.moment.at,
            Self::Fold(items) => items.last().map_or(0, |item| item.moment.at),
        }
    }
}

/// Returns the rows of a story: what is plain is folded, and more than that if they were too many.
pub(super) fn rows(story: &Story) -> Vec<Row> {
    let items = items(story);
    let mut folded = Vec::new();
    for most in [Weight::Plain, Weight::Usual, Weight::Notable] {
        folded = fold(story, &items, most);
        if folded.len() <= MOST {
            break;
        }
    }
    folded
}

/// Returns every thing of the story, in the order of time.
fn items(story: &Story) -> Vec<Item> {
    let mut items = Vec::new();
    for (place, segment) in story.segments.iter().enumerate() {
        let other = segment.from.other();
        items.extend(segment.left.map(|moment| Item {
            side: segment.from,
            moment,
            kind: Kind::Leave(place),
        }));
        items.extend(segment.arrived.map(|moment| Item { side: other, moment, kind: Kind::Arrive(place) }));
    }
    for (place, step) in story.steps.iter().enumerate() {
        items.push(Item { side: step.side, moment: step.moment, kind: Kind::Step(place) });
    }
    for (place, deed) in story.deeds.iter().enumerate() {
        items.push(Item { side: deed.side, moment: deed.moment, kind: Kind::Deed(place) });
    }
    // Within an end the order is that of its events; between the ends only time counts.
    items.sort_by_key(|item| (item.moment.at, item.side.index(), item.moment.serial));
    items
}

fn fold(story: &Story, items: &[Item], most: Weight) -> Vec<Row> {
    let mut rows = Vec::new();
    let longest = if most == Weight::Notable { items.len().div_ceil(BANDS) } else { items.len() };
    let mut at = 0;
    while let Some(item) = items.get(at) {
        let run = items[at..].iter().take(longest).take_while(|item| weight(story, item) <= most).count();
        let leave = |item: &&Item| matches!(item.kind, Kind::Leave(_));
        let leaving = items[at..at + run].iter().filter(leave).count();
        if leaving + (run - leaving) / 2 >= FOLD {
            rows.push(Row::Fold(items[at..at + run].to_vec()));
            at += run;
        } else {
            rows.push(Row::Single(*item));
            at += 1;
        }
    }
    rows
}

/// Returns how much a thing has to say; an arrival says what its receiver found remarkable.
fn weight(story: &Story, item: &Item) -> Weight {
    let (segment, marks) = match item.kind {
        Kind::Leave(place) => (&story.segments[place], story.segments[place].said),
        Kind::Arrive(place) => (&story.segments[place], heard(&story.segments[place])),
        Kind::Step(_) => return Weight::Key,
        Kind::Deed(place) => match story.deeds[place].what {
            What::App(..) | What::Call(_) => return Weight::Key,
            What::Guard { .. } => return Weight::Notable,
        },
    };
    let key = [Marks::PROBE, Marks::ZERO_WINDOW, Marks::REOPEN];
    let usual = [Marks::OUT_OF_ORDER, Marks::DUPLICATE_ACK, Marks::WINDOW_UPDATE];
    let leaves = matches!(item.kind, Kind::Leave(_));
    if segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
        || key.iter().any(|mark| marks.contains(*mark))
    {
        Weight::Key
    } else if leaves && (segment.fate == Fate::Lost || segment.is_again()) || marks.0 & !sum(&usual) != 0 {
        Weight::Notable
    } else if marks.0 != 0 || segment.fate == Fate::Copied {
        Weight::Usual
    } else {
        Weight::Plain
    }
}

fn sum(marks: &[Marks]) -> u16 {
    marks.iter().fold(0, |sum, mark| sum | mark.0)
}

/// Returns what an arrival adds to what was said when the segment left.
pub(super) fn heard(segment: &Segment) -> Marks {
    let said = if segment.left.is_some() { segment.said.0 } else { 0 };
    let mut heard = segment.heard.0 & !said;
    if heard & Marks::REOPEN.0 != 0 {
        // A window that opens again has been updated; saying so twice says less.
        heard &= !Marks::WINDOW_UPDATE.0;
    }
    Marks(heard)
}
