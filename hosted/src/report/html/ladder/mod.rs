//! The ladder: what each end sent, heard, became and did, with arrows that leave and arrive when the segments did.

mod layout;
mod rows;

use super::axis::Axis;
use super::flows::Side;
use super::ink::{Clock, Escaped, Lasted, Px, width};
use super::lanes::class;
use super::segments::{Fate, Segment};
use super::story::{Story, What};
use core::fmt::Write as _;
use layout::{Layout, Placed};
use rows::{Item, Kind, heard};
use sockhop::tcp::Marks;

/// The drawing's width.
const WIDTH: f64 = 760.0;
/// Where the life lines of A and B stand.
const LINES: [f64; 2] = [305.0, 475.0];
/// Half of a life line's width.
const HALF: f64 = 4.0;
/// Characters that a segment's label has at most.
const LETTERS: usize = 40;
/// Characters that a line of a band has at most.
const BAND: usize = 24;
/// The height of the heading.
const TOP: f64 = 48.0;
/// What fits on a page of paper.
const PAPER: f64 = 960.0;
/// The size of a segment's label.
const SIZE: f64 = 10.0;

/// A ladder as it is drawn.
#[derive(Debug)]
pub(super) struct Ladder {
    /// The element.
    pub(super) svg: String,
    /// Moments and their heights, both rising.
    pub(super) knots: Vec<(u64, f64)>,
    /// Segments that are drawn, and those that are counted in a band.
    pub(super) counts: (usize, usize),
    /// The height of the drawing.
    pub(super) tall: f64,
}

/// Draws the ladder of a connection.
pub(super) fn draw(story: &Story, axis: &Axis, number: usize) -> Ladder {
    let layout = Layout::new(story, axis, TOP);
    let tall = layout.tall;
    let mut svg = format!(
        "<svg class=\"ladder\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Segments between the two ends, in the order of time\"><g class=\"ladder\" id=\"ladder{number}\">",
        Px(tall)
    );
    heading(&mut svg, story);
    lifelines(&mut svg, story, &layout);
    let drawn = arrows(&mut svg, story, &layout);
    for band in &layout.bands {
        let (x, wide) = (LINES[0] + HALF + 3.0, LINES[1] - LINES[0] - 2.0 * HALF - 6.0);
        let _ = write!(
            svg,
            "<g class=\"band\"><rect class=\"cover\" x=\"{0}\" y=\"{1}\" width=\"{wide}\" height=\"{2}\" rx=\"3\"/><rect class=\"hatch\" x=\"{0}\" y=\"{1}\" width=\"{wide}\" height=\"{2}\" rx=\"3\"/>",
            Px(x),
            Px(band.top),
            Px(band.tall)
        );
        for (place, line) in band.lines.iter().enumerate() {
            let y = band.top + 14.0 + 13.0 * place as f64;
            let _ = write!(
                svg,
                "<text class=\"label\" x=\"{}\" y=\"{}\">{}</text>",
                Px(x + wide / 2.0),
                Px(y),
                Escaped(line)
            );
        }
        svg.push_str("</g>");
    }
    for pause in &layout.pauses {
        let _ = write!(
            svg,
            "<g class=\"pause\"><rect x=\"52\" y=\"{}\" width=\"{}\" height=\"14\" rx=\"2\"/><text class=\"label\" x=\"{}\" y=\"{}\">nothing for {}</text></g>",
            Px(pause.middle - 7.0),
            WIDTH - 60.0,
            (LINES[0] + LINES[1]) / 2.0,
            Px(pause.middle + 3.5),
            Lasted(pause.micros)
        );
    }
    clocks(&mut svg, &layout);
    for placed in &layout.placed {
        label(&mut svg, story, placed);
    }
    if !story.is_whole() {
        unseen_labels(&mut svg, story, &layout);
    }
    let _ = write!(
        svg,
        "</g><rect class=\"cursor\" x=\"2\" y=\"-9\" width=\"{}\" height=\"18\" rx=\"4\"/></svg>",
        WIDTH - 4.0
    );
    printed(&mut svg, &layout, number);
    Ladder { svg, knots: layout.knots, counts: (drawn, layout.folded), tall }
}

/// Repeats the drawing in pieces that fit on pages of paper, which a screen does not show.
fn printed(svg: &mut String, layout: &Layout, number: usize) {
    for (top, bottom) in layout.pieces(PAPER) {
        let _ = write!(
            svg,
            "<svg class=\"piece\" viewBox=\"0 {} {WIDTH} {}\" aria-hidden=\"true\"><use href=\"#ladder{number}\"/></svg>",
            Px(top),
            Px(bottom - top)
        );
    }
}

fn heading(svg: &mut String, story: &Story) {
    for side in Side::BOTH {
        let x = LINES[side.index()];
        let (anchor, x) = if side == Side::A { ("end", x + HALF) } else { ("start", x - HALF) };
        let unseen = if story.seen[side.index()] { "" } else { " (not recorded)" };
        let name = story.names[side.index()].as_ref();
        let name = name.map_or(String::new(), |name| format!(" · {}", shortened(name, 24)));
        let _ = write!(
            svg,
            "<text class=\"end {}\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"14\">{}{}{unseen}</text><text class=\"mono dim\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"29\">{}</text>",
            side.class(),
            side.letter(),
            Escaped(&name),
            Escaped(&story.addresses[side.index()])
        );
    }
}

/// Returns a text of so many characters at most.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most - 1).chain(['…']).collect()
    }
}

/// Draws the life lines in the colours of the states.
fn lifelines(svg: &mut String, story: &Story, layout: &Layout) {
    for side in Side::BOTH {
        let x = LINES[side.index()];
        if !story.seen[side.index()] {
            let _ =
                write!(svg, "<path class=\"unseen\" d=\"M{x} {}V{}\"/>", TOP - 8.0, Px(layout.tall - 4.0));
            continue;
        }
        let own = layout.placed.iter().filter(|placed| placed.item.side == side);
        let changes: Vec<(f64, &str)> = own
            .filter_map(|placed| match placed.item.kind {
                Kind::Step(place) => Some((placed.y, class(story.steps[place].to))),
                Kind::Leave(_) | Kind::Arrive(_) | Kind::Deed(_) => None,
            })
            .collect();
        let first =
            story.steps.iter().find(|step| step.side == side).map_or("s-closed", |step| class(step.from));
        let begins = core::iter::once((TOP - 8.0, first)).chain(changes.iter().copied());
        let ends = changes.iter().map(|(y, _)| *y).chain([layout.tall - 4.0]);
        for ((top, class), end) in begins.zip(ends) {
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                x - HALF,
                Px(top),
                HALF * 2.0,
                Px((end - top).max(0.0))
            );
        }
    }
}

/// Draws an arrow for each segment that is not wholly within one band; returns how many.
fn arrows(svg: &mut String, story: &Story, layout: &Layout) -> usize {
    let within = |y: f64| layout.bands.partition_point(|band| band.top + band.tall < y - 0.01);
    let inside = |y: f64| layout.bands.get(within(y)).is_some_and(|band| band.top <= y + 0.01);
    let mut drawn = 0;
    for (place, segment) in story.segments.iter().enumerate() {
        let (leaves, arrives) = (layout.leaves.get(&place).copied(), layout.arrives.get(&place).copied());
        let hidden = match (leaves, arrives) {
            (Some(from), Some(to)) => inside(from) && inside(to) && within(from) == within(to),
            (Some(y), None) | (None, Some(y)) => inside(y),
            (None, None) => true,
        };
        if !hidden {
            arrow(svg, segment, leaves, arrives);
        }
        drawn += usize::from(!hidden && !leaves.is_some_and(inside));
    }
    drawn
}

fn arrow(svg: &mut String, segment: &Segment, leaves: Option<f64>, arrives: Option<f64>) {
    let (start, end) = if segment.from == Side::A {
        (LINES[0] + HALF, LINES[1] - HALF - 1.0)
    } else {
        (LINES[1] - HALF, LINES[0] + HALF + 1.0)
    };
    let at = |share: f64| start + (end - start) * share;
    let class = if segment.is(Marks::PROBE) {
        "probe".to_owned()
    } else if segment.is_again() {
        format!("again {}", segment.from.class())
    } else {
        segment.from.class().to_string()
    };
    match (leaves, arrives) {
        (Some(from), Some(to)) => {
            let _ =
                write!(svg, "<path class=\"arrow {class}\" d=\"M{start} {}L{end} {}\"/>", Px(from), Px(to));
        }
        (Some(y), None) if segment.fate == Fate::Unknown => {
            let _ = write!(
                svg,
                "<path class=\"arrow copy {class}\" d=\"M{start} {}L{} {}\"/>",
                Px(y),
                Px(at(0.4)),
                Px(y + 6.0)
            );
        }
        (Some(y), None) => {
            let (x, low) = (at(0.58), y + 6.0);
            let _ = write!(
                svg,
                "<path class=\"lost{}\" d=\"M{start} {}L{} {}\"/><path class=\"cross\" d=\"M{} {}l8 8m0 -8l-8 8\"/>",
                if segment.is_again() { " again" } else { "" },
                Px(y),
                Px(x),
                Px(low),
                Px(x - 4.0),
                Px(low - 4.0)
            );
        }
        (None, Some(y)) => {
            let _ = write!(
                svg,
                "<path class=\"arrow copy {class}\" d=\"M{} {}L{end} {}\"/>",
                Px(at(0.6)),
                Px(y - 7.0),
                Px(y)
            );
        }
        (None, None) => {}
    }
}

/// Writes times beside the ladder wherever there is room.
fn clocks(svg: &mut String, layout: &Layout) {
    let mut free = f64::MIN;
    let mut last = None;
    let single = layout.placed.iter().map(|placed| (placed.y, placed.item.moment.at));
    let bands = layout.bands.iter().map(|band| (band.top + 10.0, band.from));
    let mut all: Vec<(f64, u64)> = single.chain(bands).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (y, at) in all {
        if last != Some(at) && y - free >= 12.0 {
            let _ = write!(
                svg,
                "<text class=\"clock label\" x=\"46\" y=\"{}\">{}</text>",
                Px(y + 3.5),
                Clock(at)
            );
            (free, last) = (y, Some(at));
        }
    }
}

/// Writes what stands beside a life line.
fn label(svg: &mut String, story: &Story, placed: &Placed) {
    let Placed { item, y } = placed;
    match item.kind {
        Kind::Leave(place) => segment_label(svg, &story.segments[place], item.side, *y),
        Kind::Arrive(place) => {
            let segment = &story.segments[place];
            if let Some(strange) = strange(story, segment) {
                mark(svg, item.side, *y, strange, "note");
            } else if says(story, segment) {
                let marks = heard(segment);
                mark(svg, item.side, *y, &marks.to_string(), tone(marks));
            }
        }
        Kind::Step(place) => pill(svg, story, place, item.side, *y),
        Kind::Deed(place) => deed(svg, &story.deeds[place].what, item.side, *y),
    }
}

/// Returns what is strange about an arrival that nobody sent, as far as is known.
fn strange(story: &Story, segment: &Segment) -> Option<&'static str> {
    match segment.fate {
        Fate::Copied => Some("copied on the way"),
        Fate::Unknown if story.is_whole() && segment.left.is_none() => Some("not seen leaving"),
        Fate::Arrived | Fate::Lost | Fate::Unknown => None,
    }
}

/// Returns whether an arrival has something written beside it.
fn says(story: &Story, segment: &Segment) -> bool {
    heard(segment).0 != 0 || strange(story, segment).is_some()
}

/// Labels what an end that was not recorded must have sent.
fn unseen_labels(svg: &mut String, story: &Story, layout: &Layout) {
    for placed in &layout.placed {
        if let Kind::Arrive(place) = placed.item.kind
            && story.segments[place].left.is_none()
            && let Some(y) = layout.leaves.get(&place)
        {
            segment_label(svg, &story.segments[place], story.segments[place].from, *y);
        }
    }
}

/// Returns where a label begins, and how it is anchored.
const fn beside(side: Side) -> (f64, &'static str) {
    match side {
        Side::A => (LINES[0] - HALF - 7.0, "end"),
        Side::B => (LINES[1] + HALF + 7.0, "start"),
    }
}

fn segment_label(svg: &mut String, segment: &Segment, side: Side, y: f64) {
    let (x, anchor) = beside(side);
    let lost = segment.fate == Fate::Lost;
    let (head, tail) = segment.text(if lost { LETTERS - 7 } else { LETTERS });
    let (flags, numbers) = head.split_once(' ').unwrap_or((&head, ""));
    let fate = if lost { "<tspan class=\"bad\"> ✗ lost</tspan>" } else { "" };
    let _ = write!(
        svg,
        "<text class=\"label seg\" style=\"font-size:{SIZE}px\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{}\"><title>{} sends {segment}</title><tspan class=\"flags\">{flags}</tspan> {numbers}<tspan class=\"dim\">{tail}</tspan>{fate}</text>",
        Px(y + 3.5),
        side.letter()
    );
    if segment.said.0 != 0 {
        mark(svg, side, y + 12.0, &segment.said.to_string(), tone(segment.said));
    }
}

/// Returns the class of a remark: what is bad, what is strange, and what is only good to know.
fn tone(marks: Marks) -> &'static str {
    let any = |of: &[Marks]| of.iter().any(|mark| marks.contains(*mark));
    if marks.contains(Marks::PROBE) {
        "odd"
    } else if any(&[Marks::RETRANSMIT, Marks::FAST, Marks::ZERO_WINDOW, Marks::REFUSED]) {
        "bad"
    } else if any(&[Marks::DUPLICATE_ACK, Marks::OUT_OF_ORDER, Marks::WINDOW_FULL]) {
        "note"
    } else {
        "good"
    }
}

fn mark(svg: &mut String, side: Side, y: f64, said: &str, tone: &str) {
    let (x, anchor) = beside(side);
    let _ = write!(
        svg,
        "<text class=\"label mark {tone}\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{}\">{}</text>",
        Px(y + 3.5),
        Escaped(said)
    );
}

/// Draws the pill of a new state, with its cause.
fn pill(svg: &mut String, story: &Story, place: usize, side: Side, y: f64) {
    let step = &story.steps[place];
    let name = step.to.name();
    let wide = width(name, 9.5) + 10.0;
    let (x, anchor) = beside(side);
    let (left, beyond) = if side == Side::A { (x - wide, x - wide - 6.0) } else { (x, x + wide + 6.0) };
    let broken = step.broken.map_or_else(String::new, |broken| format!(" ✗ {}", broken.law));
    let _ = write!(
        svg,
        "<g class=\"pill label\"><title>{} → {name}, {}{broken}</title><rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"15\" rx=\"7.5\"/><text class=\"on\" x=\"{}\" y=\"{}\">{name}</text></g><text class=\"label cause\" text-anchor=\"{anchor}\" x=\"{}\" y=\"{}\">{}</text>",
        step.from,
        step.cause,
        class(step.to),
        Px(left),
        Px(y - 7.5),
        Px(wide),
        Px(left + wide / 2.0),
        Px(y + 3.4),
        Px(beyond),
        Px(y + 3.5),
        Escaped(&format!("{}{}", step.cause, if step.broken.is_some() { " ✗" } else { "" }))
    );
}

fn deed(svg: &mut String, what: &What, side: Side, y: f64) {
    let (x, anchor) = beside(side);
    let said = match what {
        What::App(who, what) => format!("<tspan class=\"who\">{}</tspan> {}", Escaped(who), Escaped(what)),
        What::Call(call) => format!("<tspan class=\"who\">called</tspan> {call}"),
        What::Guard { rule, .. } => {
            let said = rule.to_string();
            format!(
                "<tspan class=\"who\">guard</tspan> <title>{}</title>{}",
                Escaped(&said),
                Escaped(&shortened(&said, 38))
            )
        }
    };
    let class = if matches!(what, What::Guard { .. }) { "guard" } else { "app" };
    let _ = write!(
        svg,
        "<text class=\"label deed {class}\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{}\">{said}</text>",
        Px(y + 3.5)
    );
}

/// Says what is remarkable in a band, on lines of its own.
fn remarks(story: &Story, items: &[Item]) -> Vec<String> {
    let mut counts = [0_usize; 7];
    for item in items {
        match item.kind {
            Kind::Leave(place) => {
                let segment = &story.segments[place];
                counts[0] += usize::from(segment.is_again());
                counts[1] += usize::from(segment.fate == Fate::Lost);
                counts[2] += usize::from(segment.said.contains(Marks::WINDOW_FULL));
            }
            Kind::Arrive(place) => {
                let (segment, marks) = (&story.segments[place], heard(&story.segments[place]));
                counts[3] += usize::from(marks.contains(Marks::OUT_OF_ORDER));
                counts[4] += usize::from(marks.contains(Marks::DUPLICATE_ACK));
                counts[5] += usize::from(segment.fate == Fate::Copied);
            }
            Kind::Deed(_) => counts[6] += 1,
            Kind::Step(_) => {}
        }
    }
    let names = ["sent again", "lost", "window full", "out of order", "duplicate ACK", "copied", "guarded"];
    let said: Vec<String> = names
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let mut lines: Vec<String> = Vec::new();
    for one in said {
        match lines.last_mut().filter(|line| line.len() + one.len() < BAND) {
            Some(line) => *line = format!("{line}, {one}"),
            None => lines.push(one),
        }
    }
    lines
}
