//! Two ends of a connection on one time line: a rung for each segment, and each end's transitions beside it.

use core::fmt::Write as _;
use core::time::Duration;
use sockhop::tcp::{Flags, State};
use sockhop::time::Instant;
use sockhop::trace::{AppLine, Ends, Event, View};
use std::collections::{HashMap, VecDeque};

/// The room for a segment between the two ends.
const WIDTH: usize = 54;
/// The room for what stands on either side.
const SIDE: usize = 28;
/// A pause that is told rather than passed over.
const BREAK: Duration = Duration::from_millis(500);
/// Rungs of plain data that stand in a row before they are folded.
const FOLD: usize = 5;

/// How much longer than the link's delay a segment may take on its way, if the link is uneven.
const LATE: Duration = Duration::from_millis(250);

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
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", ink(state)) } else { text.to_owned() }
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

/// One line of a picture before it is written.
enum Rung {
    /// A segment: from A or from B, what it says, how it fared, and whether it is plain.
    Segment { from_a: bool, text: String, lost: bool, note: String, octets: u16 },
    /// A transition at A or at B.
    State { at_a: bool, to: State, cause: String },
    /// What a machine above TCP did at A or at B.
    App { at_a: bool, text: String },
}

/// Draws what A and B recorded of the connection that is `flow` at each of them.
pub fn draw(names: (&str, &str), a: &[Event], b: &[Event], flow: (u32, u32), style: Style) -> String {
    let a: Vec<&Event> = a.iter().filter(|event| event.flow() == flow.0).collect();
    let b: Vec<&Event> = b.iter().filter(|event| event.flow() == flow.1).collect();
    let mut rungs = Vec::new();
    gather(&a, &b, true, &mut rungs);
    gather(&b, &a, false, &mut rungs);
    rungs.sort_by_key(|(at, order, _)| (*at, *order));
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
        Rung::State { .. } | Rung::App { .. } => false,
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
fn gather(own: &[&Event], other: &[&Event], is_a: bool, rungs: &mut Vec<(Instant, usize, Rung)>) {
    let mut ends = Ends::new();
    let mut arrivals = Arrivals::new(other);
    let typical = arrivals.typical_delay(own);
    for (order, event) in own.iter().enumerate() {
        ends.learn(event);
        let rung = match event.view() {
            Some(View::State { to, cause, .. }) => {
                Rung::State { at_a: is_a, to, cause: cause.name().to_owned() }
            }
            Some(View::App { .. }) => Rung::App { at_a: is_a, text: AppLine(event).to_string() },
            Some(View::Guarded { rule, .. }) => Rung::App { at_a: is_a, text: format!("guard: {rule}") },
            Some(View::Segment { sent: true, len, marks, .. }) => {
                let arrival = arrivals.of(event, typical);
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
            _ => continue,
        };
        rungs.push((event.time(), order, rung));
    }
}

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

/// The segments that an end received, by what they say, in the order of their arrival.
struct Arrivals<'a>(HashMap<Key, VecDeque<&'a Event>>);

impl<'a> Arrivals<'a> {
    fn new(events: &[&'a Event]) -> Self {
        let mut all: HashMap<Key, VecDeque<&'a Event>> = HashMap::new();
        for event in events {
            if let Some(key) = key(event, false) {
                all.entry(key).or_default().push_back(event);
            }
        }
        Self(all)
    }

    /// Returns the shortest time a segment took, as the link's own.
    fn typical_delay(&self, own: &[&Event]) -> Duration {
        let delays = own.iter().filter_map(|sent| {
            let same = self.0.get(&key(sent, true)?)?;
            let received = same.iter().find(|received| received.time() >= sent.time())?;
            Some(received.time().since(sent.time()))
        });
        delays.min().unwrap_or_default()
    }

    /// Takes and returns the arrival of this segment: of those that look the same, the one nearest to the link's
    /// delay, unless it comes so late that it is that of a repetition.
    fn of(&mut self, sent: &Event, typical: Duration) -> Option<&'a Event> {
        let same = self.0.get_mut(&key(sent, true)?)?;
        let took = |received: &&Event| received.time().since(sent.time());
        let nearest = (0..same.len())
            .filter(|place| same[*place].time() >= sent.time() && took(&same[*place]) >= typical)
            .min_by_key(|place| took(&same[*place]).abs_diff(typical))?;
        let late = took(&same[nearest]) > typical * 2 + LATE;
        if late { None } else { same.remove(nearest) }
    }
}
