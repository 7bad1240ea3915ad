//! What the cursor shows: each moment's states and variables, and what happened then.

use super::axis::Axis;
use super::flows::Side;
use super::ink::{Clock, Escaped};
use super::segments::{Fate, Segment};
use super::story::{Story, What};
use super::variables::Direction;
use core::fmt::Write as _;

/// The moments that a cursor stops at, at most.
const MOST: usize = 3_000;

/// Something that happened, as one line.
struct Happened {
    at: u64,
    serial: u32,
    text: String,
    /// Whether it must not be left out.
    remarkable: bool,
}

/// Returns the data of the cursor as JSON, and how many moments are left out.
pub(super) fn json(
    story: &Story,
    directions: &[Direction; 2],
    axis: &Axis,
    ladder: &[(u64, f64)],
) -> (String, usize) {
    let all = happened(story);
    let total = all.len();
    let kept = thin(all);
    let left_out = total - kept.len();
    let mut out = String::from("{\"axis\":[");
    list(&mut out, axis.knots().iter().map(|(at, x)| format!("[{at},{x:.5}]")));
    out.push_str("],\"ladder\":[");
    list(&mut out, ladder.iter().map(|(at, y)| format!("[{at},{y:.0}]")));
    out.push_str("],\"states\":[");
    let changes = |side: Side| {
        let mut said = String::from("[");
        list(&mut said, story.states(side).iter().map(|(state, from, _)| format!("[{from},\"{state}\"]")));
        said + "]"
    };
    list(&mut out, Side::BOTH.map(changes).into_iter());
    out.push_str("],\"send\":[");
    let senders = |direction: &Direction| {
        let points = direction
            .sender
            .iter()
            .map(|known| format!("[{},{},{},{}]", known.at, known.una, known.nxt, known.edge));
        wrapped(points)
    };
    list(&mut out, directions.iter().map(senders));
    out.push_str("],\"take\":[");
    let receivers =
        |direction: &Direction| {
            let points = direction.receiver.iter();
            wrapped(points.map(|known| {
                format!("[{},{},{},{}]", known.at, known.nxt, known.edge, direction.held(known))
            }))
        };
    list(&mut out, directions.iter().map(receivers));
    out.push_str("],\"moments\":[");
    list(&mut out, kept.iter().map(|one| format!("[{},\"{}\"]", one.at, Quoted(&one.text))));
    out.push_str("]}");
    (out, left_out)
}

fn wrapped(items: impl Iterator<Item = String>) -> String {
    let mut said = String::from("[");
    list(&mut said, items);
    said + "]"
}

fn list(out: &mut String, items: impl Iterator<Item = String>) {
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&item);
    }
}

/// A text within the quotes of JSON, within an element of a page.
struct Quoted<'a>(&'a str);

impl core::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                // Neither the element nor XML may be left by it.
                '<' | '>' | '&' | '\u{0}'..='\u{1f}' => write!(f, "\\u{:04x}", char as u32)?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// Returns what happened, in the order of time.
fn happened(story: &Story) -> Vec<Happened> {
    let mut all: Vec<Happened> = story.segments.iter().map(of_segment).collect();
    for step in &story.steps {
        let text = format!("{}: {} → {} [{}]", step.side.letter(), step.from, step.to, step.cause);
        all.push(Happened { at: step.moment.at, serial: step.moment.serial, text, remarkable: true });
    }
    for deed in &story.deeds {
        let said = match &deed.what {
            What::App(who, what) => format!("{who} {what}"),
            What::Call(call) => format!("{call}, carried out later"),
            What::Guard { rule, .. } => format!("guard: {rule}"),
        };
        let text = format!("{}: {said}", deed.side.letter());
        all.push(Happened { at: deed.moment.at, serial: deed.moment.serial, text, remarkable: true });
    }
    all.sort_by_key(|one| (one.at, one.serial));
    all
}

fn of_segment(segment: &Segment) -> Happened {
    let mut text = format!("{} sends {segment}", segment.from.letter());
    if segment.said.0 != 0 {
        let _ = write!(text, ", {}", segment.said);
    }
    match segment.fate {
        Fate::Lost => text.push_str(", lost on the way"),
        Fate::Copied => text = format!("a copy of {segment} arrives"),
        Fate::Arrived | Fate::Unknown => {}
    }
    let remarkable = segment.said.0 != 0 || segment.heard.0 != 0 || segment.fate == Fate::Lost;
    let moment = segment.moment();
    Happened { at: moment.at, serial: moment.serial, text, remarkable }
}

/// Leaves out plain moments, evenly, and then others, until few enough are left.
fn thin(all: Vec<Happened>) -> Vec<Happened> {
    let remarkable = all.iter().filter(|one| one.remarkable).count();
    let plain = all.len() - remarkable;
    let room = MOST.saturating_sub(remarkable);
    let every = plain.div_ceil(room.max(1)).max(1);
    let also = remarkable.div_ceil(MOST).max(1);
    let mut seen = [0_usize; 2];
    let keeps = |one: &Happened| {
        let seen = &mut seen[usize::from(one.remarkable)];
        *seen += 1;
        if one.remarkable {
            (*seen - 1).is_multiple_of(also)
        } else {
            room > 0 && (*seen - 1).is_multiple_of(every)
        }
    };
    all.into_iter().filter(keeps).collect()
}

/// Returns the data as an element that the script reads.
pub(super) fn element(json: &str) -> String {
    format!("<script type=\"application/json\" class=\"data\">{json}</script>")
}

/// Returns a moment as the heading of a picture says it.
pub(super) fn at(micros: u64) -> String {
    Escaped(&format!("{} s", Clock(micros))).to_string()
}
