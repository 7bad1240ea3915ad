//! Two ends of a connection on one time line: a rung for each segment, and each end's states beside it.
//!
//! ```
//! use sockhop_hosted::lab::{Scenario, play};
//! use sockhop_hosted::ladder::{Style, draw};
//!
//! let outcome = play(&Scenario::named("refused").expect("it is in the course"), 1).expect("it begins");
//! let picture = draw(outcome.names, &outcome.a, &outcome.b, outcome.flows[0], Style { columns: 80, ..Style::default() });
//! assert!(picture.lines().any(|line| line.contains("RST")));
//! assert!(picture.lines().all(|line| line.chars().count() <= 80));
//! ```

mod crossing;
mod page;

use core::time::Duration;
use crossing::{Arrival, Crossing};
use page::Page;
use sockhop::tcp::State;
use sockhop::time::Instant;
use sockhop::trace::{AppLine, Drop, Ends, Event, View};

/// A pause that is told rather than passed over.
const BREAK: Duration = Duration::from_millis(500);
/// Rungs of plain data that stand in a row before they are folded.
const FOLD: usize = 5;

/// How a picture is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether there are colours.
    pub colour: bool,
    /// Whether runs of plain data are drawn one by one.
    pub whole: bool,
    /// The columns there are, 72 to 120 of which are used; 0 stands for 120.
    pub columns: usize,
}

impl Style {
    /// Returns a text in the colour of a state, the same in every picture.
    pub fn paint(self, state: State, text: &str) -> String {
        self.ink(&ink(state).to_string(), text)
    }

    /// Returns a text with these parameters of the escape sequence SGR, where there are colours.
    pub fn ink(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Returns the colour of a state, as a terminal's code for letters.
pub const fn ink(state: State) -> u8 {
    match state {
        State::Closed => 90,
        State::Listen => 37,
        State::SynSent | State::SynReceived => 33,
        State::Established => 32,
        State::FinWait1 | State::FinWait2 => 35,
        State::CloseWait => 36,
        State::Closing | State::LastAck => 34,
        State::TimeWait => 95,
    }
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It went from one end to the other.
    Arrived,
    /// It was sent and never came.
    Lost,
    /// It came, and this connection's other end did not send it, or not just now.
    Stray,
}

/// One line of a picture before it is written.
enum Rung {
    /// A segment: from A or from B, what it says, how it fared, and what is remarkable about it.
    Segment { from_a: bool, text: String, fate: Fate, note: String, octets: u16 },
    /// A transition at A or at B.
    State { at_a: bool, to: State, cause: String },
    /// What a machine above TCP did at A or at B.
    App { at_a: bool, text: String },
    /// Events of A's or of B's that are not there.
    Lost { events: u32 },
}

impl Rung {
    /// Returns whether it may be folded away with its neighbours.
    fn is_plain(&self) -> bool {
        match self {
            Self::Segment { fate, note, text, .. } => {
                let special = ["SYN", "FIN", "RST"].iter().any(|flag| text.contains(flag));
                *fate == Fate::Arrived && note.is_empty() && !special
            }
            Self::State { .. } | Self::App { .. } | Self::Lost { .. } => false,
        }
    }
}

/// Draws what A and B recorded of the connection that is `flow` at each of them; 0 is the stack itself.
///
/// An end that has recorded no segment may be left empty: then the picture is what the other one saw.
pub fn draw(names: (&str, &str), a: &[Event], b: &[Event], flow: (u32, u32), style: Style) -> String {
    // What is thrown away belongs to no connection, and what was lost may have been of this one.
    let of = |event: &&Event, flow| {
        event.flow() == flow || matches!(event.view(), Some(View::Dropped { .. } | View::Lost { .. }))
    };
    let a: Vec<&Event> = a.iter().filter(|event| of(event, flow.0)).collect();
    let b: Vec<&Event> = b.iter().filter(|event| of(event, flow.1)).collect();
    let mut rungs = Vec::new();
    let (there, back) = (Crossing::new(&a, &b), Crossing::new(&b, &a));
    gather(&a, true, &there, &back, style.whole, &mut rungs);
    gather(&b, false, &back, &there, style.whole, &mut rungs);
    rungs.sort_by_key(|(at, order, _)| (*at, *order));
    let mut page = Page::new(style);
    page.head(names);
    let mut last: Option<Instant> = None;
    let mut at = 0;
    while let Some((time, _, rung)) = rungs.get(at) {
        if let Some(last) = last.filter(|last| time.since(*last) >= BREAK) {
            page.pause(time.since(last));
        }
        let run = plain_run(&rungs[at..]);
        if run >= FOLD && !style.whole {
            page.folded(count(&rungs[at..at + run]));
            last = Some(rungs[at + run - 1].0);
            at += run;
            continue;
        }
        page.rung(*time, rung);
        last = Some(*time);
        at += 1;
    }
    page.finish()
}

/// Draws what one end recorded of a connection: itself on the left, and what came from the right.
pub fn draw_one(names: (&str, &str), events: &[Event], flow: u32, style: Style) -> String {
    draw(names, events, &[], (flow, 0), style)
}

type Timed = (Instant, usize, Rung);

/// Returns how many rungs in a row may be folded: a pause ends the row.
fn plain_run(rungs: &[Timed]) -> usize {
    let mut last = None;
    let goes_on = |(time, _, rung): &&Timed| {
        let near = last.replace(*time).is_none_or(|last| time.since(last) < BREAK);
        near && rung.is_plain()
    };
    rungs.iter().take_while(goes_on).count()
}

/// Counts segments and octets, from A and from B.
fn count(run: &[Timed]) -> [(usize, u64); 2] {
    let mut counts = [(0_usize, 0_u64); 2];
    for (.., rung) in run {
        if let Rung::Segment { from_a, octets, .. } = rung {
            let (segments, total) = &mut counts[usize::from(!*from_a)];
            *segments += 1;
            *total += u64::from(*octets);
        }
    }
    counts
}

/// Gathers the rungs that one end gives: its transitions, the segments it sent, and those that came from nowhere.
fn gather(
    own: &[&Event],
    is_a: bool,
    out: &Crossing<'_>,
    back: &Crossing<'_>,
    whole: bool,
    rungs: &mut Vec<Timed>,
) {
    let mut ends = Ends::new();
    for (order, event) in own.iter().enumerate() {
        ends.learn(event);
        let said = || ends.say(event).map(|said| said.to_string()).unwrap_or_default();
        let rung = match event.view() {
            Some(View::Blocked { .. }) if !whole && is_short_wait(&own[order..]) => continue,
            Some(View::Segment { sent: true, len, marks, .. }) => {
                let arrival = out.fate(event);
                let fate = if matches!(arrival, Arrival::Lost) { Fate::Lost } else { Fate::Arrived };
                let note = remark(&marks.to_string(), &heard(arrival));
                Rung::Segment { from_a: is_a, text: said(), fate, note, octets: len }
            }
            Some(View::Segment { sent: false, len, marks, .. }) => {
                let Some((fate, how)) = back.stray(event) else { continue };
                let note = remark(how, &marks.to_string());
                Rung::Segment { from_a: !is_a, text: said(), fate, note, octets: len }
            }
            _ => match beside(event, is_a) {
                Some(rung) => rung,
                None => continue,
            },
        };
        rungs.push((event.time(), order, rung));
    }
}

/// Returns the rung of an event that is no segment.
fn beside(event: &Event, at_a: bool) -> Option<Rung> {
    Some(match event.view()? {
        View::State { to, cause, .. } => Rung::State { at_a, to, cause: cause.name().to_owned() },
        View::Snapshot { state, .. } => Rung::State { at_a, to: state, cause: "before".to_owned() },
        View::App { .. } | View::Blocked { .. } | View::Transfer { .. } => {
            Rung::App { at_a, text: AppLine(event).to_string() }
        }
        View::Guarded { rule, .. } => Rung::App { at_a, text: format!("guard: {rule}") },
        View::Lost { events } => Rung::Lost { events },
        _ => return None,
    })
}

/// Returns whether the first of these events is about octets that waited for no longer than a moment.
fn is_short_wait(events: &[&Event]) -> bool {
    let Some(Some(View::Blocked { why, .. })) = events.first().map(|event| event.view()) else {
        return false;
    };
    let ended = events.iter().find_map(|event| match event.view() {
        Some(View::Blocked { on: false, why: other, micros, .. }) if other == why => Some(micros),
        _ => None,
    });
    ended.is_some_and(|micros| Duration::from_micros(micros.into()) < BREAK)
}

/// Returns what the other end found remarkable about a segment.
fn heard(arrival: Arrival<'_>) -> String {
    match arrival {
        Arrival::Received { event, took, overtaken } => match event.view() {
            Some(View::Segment { marks, .. }) if overtaken => {
                remark(&format!("overtaken after {:.0} ms", 1e3 * took.as_secs_f64()), &marks.to_string())
            }
            Some(View::Segment { marks, .. }) => marks.to_string(),
            _ => String::new(),
        },
        Arrival::Dropped(why) => Drop::from_u8(why).map_or("dropped", Drop::name).to_owned(),
        Arrival::Unknown | Arrival::Lost => String::new(),
    }
}

/// Joins what one end says with what the other adds.
fn remark(said: &str, heard: &str) -> String {
    let known = |part: &&str| !part.is_empty() && !said.split(", ").any(|other| other == *part);
    let parts = said.split(", ").filter(|part| !part.is_empty()).chain(heard.split(", ").filter(known));
    parts.collect::<Vec<_>>().join(", ")
}
