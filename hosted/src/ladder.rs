//! Two ends of a connection on one time line: a rung for each segment, and each end's transitions beside it.

use crate::arrivals::Arrivals;
use core::fmt::Write as _;
use core::time::Duration;
use sockhop::tcp::State;
use sockhop::time::Instant;
use sockhop::trace::{AppLine, Ends, Event, View};

/// The room for a segment between the two ends.
const WIDTH: usize = 54;
/// The room for what stands on either side.
const SIDE: usize = 28;
/// A pause that is told rather than passed over.
const BREAK: Duration = Duration::from_millis(500);
/// Rungs of plain data that stand in a row before they are folded.
const FOLD: usize = 5;

/// How a picture is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether states have colours.
    pub colour: bool,
    /// Whether runs of plain data are drawn one by one.
    pub whole: bool,
}

impl Style {
    /// Returns a text in the colour of a state, the same in every picture.
    pub fn paint(self, state: State, text: &str) -> String {
        let code = match state {
            State::Closed => "90",
            State::Listen => "37",
            State::SynSent | State::SynReceived => "33",
            State::Established => "32",
            State::FinWait1 | State::FinWait2 => "35",
            State::CloseWait => "36",
            State::Closing | State::LastAck => "34",
            State::TimeWait => "95",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One line of a picture before it is written.
enum Rung {
    /// A segment: from A or from B, what it says, how it fared, and whether it is plain.
    Segment { from_a: bool, text: String, lost: bool, note: String, octets: u16 },
    /// A transition at A or at B.
    State { at_a: bool, to: State, cause: String },
    /// What a machine above TCP did at A or at B.
    App { at_a: bool, text: String },
    /// Events of A's or of B's that are not there.
    Lost { events: u32 },
}

/// Draws what A and B recorded of the connection that is `flow` at each of them.
pub fn draw(names: (&str, &str), a: &[Event], b: &[Event], flow: (u32, u32), style: Style) -> String {
    let (a, b) = (of_flow(a, flow.0), of_flow(b, flow.1));
    let mut rungs = Vec::new();
    gather(&a, &b, true, &mut rungs);
    gather(&b, &a, false, &mut rungs);
    rungs.sort_by_key(|(at, order, _)| (*at, *order));
    lay_out(names, &rungs, style)
}

/// Draws what one end recorded of a connection: itself on the left, and what came from the right.
pub fn draw_one(names: (&str, &str), events: &[Event], flow: u32, style: Style) -> String {
    let events = of_flow(events, flow);
    let mut rungs = Vec::new();
    gather_one(&events, &mut rungs);
    lay_out(names, &rungs, style)
}

/// Returns the events of a connection, and what was lost, which may have been of it.
fn of_flow(events: &[Event], flow: u32) -> Vec<&Event> {
    let lost = |event: &Event| matches!(event.view(), Some(View::Lost { .. }));
    events.iter().filter(|event| event.flow() == flow || lost(event)).collect()
}

fn lay_out(names: (&str, &str), rungs: &[(Instant, usize, Rung)], style: Style) -> String {
    let mut out = String::new();
    let gap = WIDTH + 2;
    let _ = writeln!(out, "{:>9} {:>SIDE$}{:gap$}{}", "time", names.0, "", names.1);
    let mut last: Option<Instant> = None;
    let mut at = 0;
    while let Some((time, _, rung)) = rungs.get(at) {
        if let Some(last) = last.filter(|last| time.since(*last) >= BREAK) {
            let pause = format!(" {:.2} s ", time.since(last).as_secs_f64());
            let _ = writeln!(out, "{:>9} {:>SIDE$}┊{pause:·^WIDTH$}┊", "", "");
        }
        let run = rungs[at..].iter().take_while(|(.., rung)| is_plain(rung)).count();
        if run >= FOLD && !style.whole {
            fold(&rungs[at..at + run], &mut out);
            last = Some(rungs[at + run - 1].0);
            at += run;
            continue;
        }
        write(*time, rung, style, &mut out);
        last = Some(*time);
        at += 1;
    }
    out
}

/// Returns whether a rung may be folded away with its neighbours.
fn is_plain(rung: &Rung) -> bool {
    match rung {
        Rung::Segment { lost, note, text, .. } => {
            !lost
                && note.is_empty()
                && !text.contains("SYN")
                && !text.contains("FIN")
                && !text.contains("RST")
        }
        Rung::State { .. } | Rung::App { .. } | Rung::Lost { .. } => false,
    }
}

fn fold(run: &[(Instant, usize, Rung)], out: &mut String) {
    let mut counts = [(0_usize, 0_u64); 2];
    for (.., rung) in run {
        if let Rung::Segment { from_a, octets, .. } = rung {
            let (segments, total) = &mut counts[usize::from(!*from_a)];
            *segments += 1;
            *total += u64::from(*octets);
        }
    }
    let [(up, up_octets), (down, down_octets)] = counts;
    let said = format!(" {up} segments {up_octets} B → · ← {down} segments {down_octets} B ");
    let _ = writeln!(out, "{:>9} {:>SIDE$}┊{said:·^WIDTH$}┊", "", "");
}

fn write(time: Instant, rung: &Rung, style: Style, out: &mut String) {
    let clock = time.to_string();
    match rung {
        Rung::State { at_a: true, to, cause } => {
            let plain = format!("[{cause}] {to}");
            let pad = SIDE.saturating_sub(plain.chars().count());
            let shown = format!("[{cause}] {}", style.paint(*to, to.name()));
            let _ = writeln!(out, "{clock:>9} {:pad$}{shown}│{:WIDTH$}│", "", "");
        }
        Rung::State { at_a: false, to, cause } => {
            let shown = style.paint(*to, to.name());
            let _ = writeln!(out, "{clock:>9} {:>SIDE$}│{:WIDTH$}│ {shown} [{cause}]", "", "");
        }
        Rung::Lost { events } => {
            let said = format!(" ⚠ {events} events lost ");
            let _ = writeln!(out, "{clock:>9} {:>SIDE$}┊{said:╌^WIDTH$}┊", "");
        }
        Rung::App { at_a: true, text } => {
            let _ = writeln!(out, "{clock:>9} {text:>SIDE$}│{:WIDTH$}│", "");
        }
        Rung::App { at_a: false, text } => {
            let _ = writeln!(out, "{clock:>9} {:>SIDE$}│{:WIDTH$}│ {text}", "", "");
        }
        Rung::Segment { from_a, text, lost, note, .. } => {
            let line = if *lost { '╌' } else { '─' };
            let text = if *lost { format!(" {text} ✗ lost ") } else { format!(" {text} ") };
            let room = WIDTH.saturating_sub(text.chars().count() + 1);
            let (left, right) = (room / 2, room - room / 2);
            let rule = |count: usize| core::iter::repeat_n(line, count).collect::<String>();
            let arrow = match (*from_a, *lost) {
                (true, false) => format!("├{}{text}{}▶│", rule(left), rule(right)),
                (false, false) => format!("│◀{}{text}{}┤", rule(left), rule(right)),
                (true, true) => format!("├{}{text}{}│", rule(left), " ".repeat(right + 1)),
                (false, true) => format!("│{}{text}{}┤", " ".repeat(left + 1), rule(right)),
            };
            let gap = if note.is_empty() { "" } else { "  " };
            let _ = writeln!(out, "{clock:>9} {:>SIDE$}{arrow}{gap}{note}", "");
        }
    }
}

/// Gathers the rungs that one end gives: its transitions, and the segments it sent.
fn gather<'a>(own: &[&'a Event], other: &[&'a Event], is_a: bool, rungs: &mut Vec<(Instant, usize, Rung)>) {
    let mut ends = Ends::new();
    let mut arrivals = Arrivals::new(own, other);
    for (order, event) in own.iter().enumerate() {
        ends.learn(event);
        let rung = match event.view() {
            Some(View::Segment { sent: true, len, marks, .. }) => {
                let arrival = arrivals.of(event);
                let heard = arrival.and_then(|arrival| match arrival.view() {
                    Some(View::Segment { marks, .. }) => Some(marks.to_string()),
                    _ => None,
                });
                let said = marks.to_string();
                let note: Vec<String> = [Some(said.clone()), heard.filter(|heard| *heard != said)]
                    .into_iter()
                    .flatten()
                    .filter(|note| !note.is_empty())
                    .collect();
                let text = ends.say(event).map(|said| said.to_string()).unwrap_or_default();
                Rung::Segment {
                    from_a: is_a,
                    text,
                    lost: arrival.is_none(),
                    note: note.join("; "),
                    octets: len,
                }
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

/// Gathers the rungs of an end whose peer recorded nothing: what came is known, what was lost on the way is not.
fn gather_one(own: &[&Event], rungs: &mut Vec<(Instant, usize, Rung)>) {
    let mut ends = Ends::new();
    for (order, event) in own.iter().enumerate() {
        ends.learn(event);
        let rung = match event.view() {
            Some(View::Segment { sent, len, marks, .. }) => {
                let text = ends.say(event).map(|said| said.to_string()).unwrap_or_default();
                Some(Rung::Segment { from_a: sent, text, lost: false, note: marks.to_string(), octets: len })
            }
            _ => beside(event, true),
        };
        rungs.extend(rung.map(|rung| (event.time(), order, rung)));
    }
}
