//! How wide everything is, and how a rung is written.

use super::{Fate, Rung, Style};
use core::fmt::Write as _;
use core::time::Duration;
use sockhop::time::Instant;

/// The room for the time.
const TIME: usize = 8;
/// The room for a state on either side.
const STATE: usize = 13;
/// The most room that there is between the two ends.
const WIDEST: usize = 58;
/// The least room beside the picture in which remarks have their place.
const MARGIN: usize = 30;
/// The columns of a page when nobody says how many there are, and the most that are of use.
pub(super) const COLUMNS: usize = 120;
/// The fewest columns in which a picture can be read.
const FEWEST: usize = 72;

/// A page that is being written.
pub(super) struct Page {
    out: String,
    style: Style,
    /// The room between the two ends.
    middle: usize,
    /// Whether remarks stand beside a segment; if not, below it.
    beside: bool,
}

/// Colours, as parameters of the escape sequence SGR.
const DIM: &str = "2";
const RED: &str = "31";
const YELLOW: &str = "33";
const BLUE: &str = "94";
const ORANGE: &str = "38;5;208";

const fn colour_of(is_a: bool) -> &'static str {
    if is_a { BLUE } else { ORANGE }
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        let columns = if style.columns == 0 { COLUMNS } else { style.columns.clamp(FEWEST, COLUMNS) };
        let around = TIME + 1 + STATE + 2;
        let middle = (columns - around - STATE).min(WIDEST);
        let beside = columns - around - middle >= MARGIN;
        Self { out: String::new(), style, middle, beside }
    }

    pub(super) fn finish(self) -> String {
        // A line ends where it says nothing more.
        self.out.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }

    /// Writes who stands on the left and who on the right.
    pub(super) fn head(&mut self, names: (&str, &str)) {
        let (a, b) = (self.style.ink(BLUE, names.0), self.style.ink(ORANGE, names.1));
        let room = (STATE + self.middle + 2 + STATE).saturating_sub(width(names.0));
        let gap = room.saturating_sub(width(names.1)).max(2);
        let _ = writeln!(self.out, "{:>TIME$} {a}{:gap$}{b}", "time", "");
    }

    /// Writes something that stands across the picture, where time or segments are left out.
    pub(super) fn across(&mut self, text: &str) {
        let text = format!("{:·^1$}", format!(" {text} "), self.middle);
        let text = self.style.ink(DIM, &text);
        let _ = writeln!(self.out, "{:>TIME$} {:>STATE$}┊{text}┊", "", "");
    }

    pub(super) fn pause(&mut self, time: Duration) {
        self.across(&format!("{:.2} s", time.as_secs_f64()));
    }

    /// Writes what stands in a row that was folded: from A, then from B, segments and octets.
    pub(super) fn folded(&mut self, [(up, up_octets), (down, down_octets)]: [(usize, u64); 2]) {
        let count = |count: usize, octets: u64, long: bool| {
            let word = match (long, count) {
                (false, _) => "",
                (true, 1) => " segment",
                (true, _) => " segments",
            };
            if octets == 0 { format!("{count}{word}") } else { format!("{count}{word}, {octets} B") }
        };
        let say = |long| format!("{} → · ← {}", count(up, up_octets, long), count(down, down_octets, long));
        let text = Some(say(true)).filter(|text| width(text) + 2 <= self.middle);
        self.across(&text.unwrap_or_else(|| say(false)));
    }

    pub(super) fn rung(&mut self, time: Instant, rung: &Rung) {
        let clock = self.style.ink(DIM, &format!("{:>TIME$}", time.to_string()));
        let middle = self.middle;
        match rung {
            Rung::State { at_a, to, cause } => {
                let state = self.style.paint(*to, to.name());
                let inside = self.inside(*at_a, cause, DIM);
                let pad = STATE - width(to.name());
                let _ = if *at_a {
                    writeln!(self.out, "{clock} {:pad$}{state}│{inside}│", "")
                } else {
                    writeln!(self.out, "{clock} {:>STATE$}│{inside}│{state}", "")
                };
            }
            Rung::App { at_a, text } => {
                let inside = self.inside(*at_a, text, colour_of(*at_a));
                let _ = writeln!(self.out, "{clock} {:>STATE$}│{inside}│", "");
            }
            Rung::Lost { events } => {
                let said = format!("{:╌^1$}", format!(" ⚠ {events} events lost "), middle);
                let _ = writeln!(self.out, "{clock} {:>STATE$}┊{}┊", "", self.style.ink(RED, &said));
            }
            Rung::Segment { from_a, text, fate, note, .. } => {
                let arrow = arrow(*from_a, text, *fate, middle, self.style);
                let beside = self.beside && !note.is_empty();
                let remark = self.style.ink(YELLOW, note);
                let gap = if beside { "  " } else { "" };
                let shown = if beside { remark.as_str() } else { "" };
                let _ = writeln!(self.out, "{clock} {:>STATE$}{arrow}{gap}{shown}", "");
                if !beside && !note.is_empty() {
                    let inside = self.inside(!from_a, note, YELLOW);
                    let _ = writeln!(self.out, "{:>TIME$} {:>STATE$}│{inside}│", "", "");
                }
            }
        }
    }

    /// Returns a text between the two ends, next to one of them.
    fn inside(&self, at_a: bool, text: &str, colour: &str) -> String {
        let text = fit(text, self.middle - 2);
        let rest = " ".repeat(self.middle - 1 - width(&text));
        let text = self.style.ink(colour, &text);
        if at_a { format!(" {text}{rest}") } else { format!("{rest}{text} ") }
    }
}

/// Draws a segment between the two lines, these lines included.
fn arrow(from_a: bool, text: &str, fate: Fate, middle: usize, style: Style) -> String {
    let (line, tail) = match fate {
        Fate::Arrived => ('─', ""),
        Fate::Lost => ('╌', "✗ lost "),
        Fate::Stray => ('╌', ""),
    };
    let room = middle.saturating_sub(width(tail) + 4);
    let text = format!(" {} ", if width(text) > room { shorten(text) } else { text.to_owned() });
    let tail = style.ink(RED, tail);
    let free = middle.saturating_sub(width(&text) + if fate == Fate::Lost { 7 } else { 1 });
    let (left, right) = (free / 2, free - free / 2);
    let colour = colour_of(from_a);
    let rule = |count: usize| core::iter::repeat_n(line, count).collect::<String>();
    let (before, after) = match (from_a, fate) {
        (true, Fate::Arrived) => (format!("├{}", rule(left)), format!("{}▶│", rule(right))),
        (false, Fate::Arrived) => (format!("│◀{}", rule(left)), format!("{}┤", rule(right))),
        (true, Fate::Lost) => {
            return format!("{}{text}{tail}{:right$}│", style.ink(colour, &format!("├{}", rule(left))), "");
        }
        (false, Fate::Lost) => {
            return format!("│{:left$}{tail}{text}{}", "", style.ink(colour, &format!("{}┤", rule(right))));
        }
        (true, Fate::Stray) => {
            (format!("│{}{}", " ".repeat(left / 2), rule(left - left / 2)), format!("{}▶│", rule(right)))
        }
        (false, Fate::Stray) => {
            let short = right / 2;
            (format!("│◀{}", rule(left)), format!("{}{}│", rule(right - short), " ".repeat(short)))
        }
    };
    format!("{}{text}{}", style.ink(colour, &before), style.ink(colour, &after))
}

/// Returns what a segment says without the number behind its last octet: `ACK 1:4(3) ack 1` becomes `ACK 1(3) ack 1`.
fn shorten(text: &str) -> String {
    match (text.find(':'), text.find('(')) {
        (Some(colon), Some(bracket)) if colon < bracket => format!("{}{}", &text[..colon], &text[bracket..]),
        _ => text.to_owned(),
    }
}

/// Cuts a text that is longer than its place.
fn fit(text: &str, most: usize) -> String {
    if width(text) <= most { text.to_owned() } else { text.chars().take(most - 1).chain(['…']).collect() }
}

fn width(text: &str) -> usize {
    text.chars().count()
}
