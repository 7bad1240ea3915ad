//! Sequence numbers and windows over time, on the axis that all pictures share.

use super::axis::Axis;
use super::flows::Side;
use super::ink::{Lasted, Px, Short, nice};
use super::lanes::{grid, zigzags};
use super::segments::{Fate, Segment};
use super::story::Story;
use super::variables::{Direction, Stretch};
use core::fmt::Write as _;
use sockhop::tcp::{Flags, Marks};

/// The drawings' width, and where the axis begins and how long it is in them.
const WIDTH: f64 = 660.0;
/// Where the axis begins.
pub(super) const LEFT: f64 = 46.0;
/// How long the axis is.
pub(super) const LONG: f64 = WIDTH - LEFT - 14.0;
/// The highest and the lowest place of the sequence graph.
const SEQUENCE: (f64, f64) = (14.0, 290.0);
/// The same of the graph of windows.
const WINDOWS: (f64, f64) = (14.0, 150.0);

/// A graph's scales.
struct Scales<'a> {
    axis: &'a Axis,
    most: f64,
    span: (f64, f64),
}

impl Scales<'_> {
    fn x(&self, at: u64) -> f64 {
        LEFT + self.axis.place(at) * LONG
    }

    fn y(&self, number: i64) -> f64 {
        let (top, bottom) = self.span;
        bottom - (number as f64 / self.most).clamp(0.0, 1.0) * (bottom - top)
    }

    /// Draws lines at round numbers, and the axis of time.
    fn frame(&self, out: &mut String) {
        let step = nice(self.most, 5.0).max(1.0).ceil();
        let mut number = 0.0;
        while number <= self.most {
            let y = self.y(number as i64);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {0}H{1}\"/><text class=\"tick side\" x=\"{2}\" y=\"{3}\">{4}</text>",
                Px(y),
                Px(LEFT + LONG),
                LEFT - 6.0,
                Px(y + 3.5),
                Short(number as i64)
            );
            number += step;
        }
        grid(out, self.axis, (LEFT, LONG), self.span, true);
    }

    /// Returns a line that steps from value to value, at most one step for each half a unit of the drawing.
    fn steps(&self, points: impl Iterator<Item = (u64, i64)>, end: u64) -> String {
        let mut path = String::new();
        let mut last: Option<(f64, f64)> = None;
        let mut extremes = (f64::MAX, f64::MIN);
        for (at, number) in points {
            let (x, y) = (self.x(at), self.y(number));
            match last {
                None => {
                    let _ = write!(path, "M{} {}", Px(x), Px(y));
                    last = Some((x, y));
                }
                // Within one step the line goes to both extremes, so that no peak is lost.
                Some((before, _)) if x - before < 0.5 => {
                    extremes = (extremes.0.min(y), extremes.1.max(y));
                    last = Some((before, y));
                }
                Some((_, level)) => {
                    if extremes.0 <= extremes.1 {
                        let _ = write!(path, "V{}V{}V{}", Px(extremes.0), Px(extremes.1), Px(level));
                        extremes = (f64::MAX, f64::MIN);
                    }
                    let _ = write!(path, "H{}V{}", Px(x), Px(y));
                    last = Some((x, y));
                }
            }
        }
        if let Some((_, level)) = last {
            if extremes.0 <= extremes.1 {
                let _ = write!(path, "V{}V{}V{}", Px(extremes.0), Px(extremes.1), Px(level));
            }
            let _ = write!(path, "H{}", Px(self.x(end)));
        }
        path
    }

    fn bands(&self, out: &mut String, stretches: &[Stretch]) {
        let (top, bottom) = self.span;
        for (from, to) in stretches {
            let (start, end) = (self.x(*from), self.x(*to));
            let _ = write!(
                out,
                "<g><title>zero window for {}</title><rect class=\"w-zero wash\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{}\"/></g>",
                Lasted(to - from),
                Px(start),
                Px((end - start).max(1.0)),
                bottom - top
            );
        }
    }
}

fn open(class: &str, direction: &Direction, tall: f64, what: &str) -> String {
    let (from, to) = (direction.from, direction.from.other());
    format!(
        "<svg class=\"{class} {}\" viewBox=\"0 0 {WIDTH} {tall}\" role=\"img\" aria-label=\"{what} from {} to {}\">",
        from.class(),
        from.letter(),
        to.letter()
    )
}

/// Draws the sequence numbers of one direction over time.
pub(super) fn sequence(story: &Story, direction: &Direction, axis: &Axis) -> String {
    let sent = direction.sender.iter().map(|known| known.nxt).max().unwrap_or(0);
    // A window much larger than what was sent would press everything else to the ground.
    let furthest = direction.furthest();
    let beyond = furthest > sent * 3;
    let most = if beyond { sent * 8 / 5 + 20 } else { furthest }.max(10);
    let scales = Scales { axis, most: most as f64, span: SEQUENCE };
    let mut out = open("sequence", direction, SEQUENCE.1 + 34.0, "Sequence numbers over time");
    scales.frame(&mut out);
    scales.bands(&mut out, &direction.zero);
    let edge =
        scales.steps(direction.sender.iter().map(|known| (known.at, known.edge.max(known.una))), story.end);
    let una = scales.steps(direction.sender.iter().map(|known| (known.at, known.una)), story.end);
    let _ = write!(
        out,
        "<path class=\"line edge{}\" d=\"{edge}\"/><path class=\"line una\" d=\"{una}\"/>",
        if beyond { " far" } else { "" }
    );
    let mut plain = String::new();
    let mut marks = String::new();
    let mut last = (f64::MIN, f64::MAX, f64::MIN);
    for segment in story.segments.iter().filter(|segment| segment.from == direction.from) {
        let Some(moment) = segment.known_to(direction.from, story.seen) else { continue };
        let (x, low, high) = (scales.x(moment.at), scales.y(segment.seq), scales.y(segment.end()));
        if !notable(&mut marks, segment, (x, low, high)) && segment.len > 0 {
            // Segments that touch within one step of the drawing are one line.
            if x - last.0 < 0.4 && (low - last.1).abs() < 1.0 {
                let _ = write!(plain, "V{}", Px(high));
            } else {
                let _ = write!(plain, "M{} {}V{}", Px(x), Px(low), Px(high.min(low - 1.0)));
                last.0 = x;
            }
            last.1 = high;
        }
    }
    let _ = write!(out, "<path class=\"data\" d=\"{plain}\"/>{marks}");
    zigzags(&mut out, axis, (LEFT, LONG), (SEQUENCE.0 - 4.0, SEQUENCE.1));
    let _ = write!(out, "<path class=\"cursor\" d=\"M0 {}V{}\"/></svg>", SEQUENCE.0 - 6.0, SEQUENCE.1);
    sequence_legend(&mut out, story, direction, beyond);
    out
}

/// Draws a segment that must be seen; returns whether it is one.
fn notable(out: &mut String, segment: &Segment, (x, low, high): (f64, f64, f64)) -> bool {
    let tip = |said: &str| format!("<title>{said}: {segment}</title>");
    let (low, high, x) = (Px(low), Px(high.min(low - 2.0)), Px(x));
    let again = segment.is_again();
    if again {
        let _ = write!(
            out,
            "<g>{}<path class=\"redone\" d=\"M{x} {low}V{high}m-3.5 0h7\"/></g>",
            tip("sent again")
        );
    }
    if segment.fate == Fate::Lost {
        let _ = write!(
            out,
            "<g>{}<path class=\"cross\" d=\"M{x} {high}m-3.5 -3.5l7 7m0 -7l-7 7\"/></g>",
            tip("lost")
        );
    }
    let probe = segment.is(Marks::PROBE);
    if probe {
        let _ = write!(
            out,
            "<g>{}<path class=\"probed\" d=\"M{x} {high}m0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z\"/></g>",
            tip("probe")
        );
    }
    let ends = segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
    if ends {
        let _ = write!(
            out,
            "<g>{}<circle class=\"control\" cx=\"{x}\" cy=\"{high}\" r=\"3.2\"/></g>",
            tip(&segment.flags.to_string())
        );
    }
    again || probe || (ends && segment.len == 0)
}

fn sequence_legend(out: &mut String, story: &Story, direction: &Direction, beyond: bool) {
    let own = || story.segments.iter().filter(|segment| segment.from == direction.from);
    let mut items = vec![
        if beyond {
            ("edge far", "right edge, far above the picture")
        } else {
            ("edge", "right edge: ACK + window")
        },
        ("una", "acknowledged: SND.UNA"),
        ("data", "segment sent"),
        ("control", "SYN, FIN, RST"),
    ];
    if own().any(|segment| segment.fate == Fate::Lost) {
        items.push(("cross", "lost"));
    }
    if own().any(Segment::is_again) {
        items.push(("redone", "sent again"));
    }
    if own().any(|segment| segment.is(Marks::PROBE)) {
        items.push(("probed", "probe"));
    }
    if !direction.zero.is_empty() {
        items.push(("w-zero", "zero window"));
    }
    legend(out, direction.from, &items);
}

/// Writes a legend with a small drawing for each thing.
fn legend(out: &mut String, from: Side, items: &[(&str, &str)]) {
    let _ = write!(out, "<p class=\"legend {}\">", from.class());
    for (class, said) in items {
        let shape = match *class {
            "cross" => "<path class=\"cross\" d=\"M5 2l8 8m0 -8l-8 8\"/>",
            "redone" => "<path class=\"redone\" d=\"M9 11V2m-3.5 0h7\"/>",
            "probed" => "<path class=\"probed\" d=\"M9 1.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z\"/>",
            "control" => "<circle class=\"control\" cx=\"9\" cy=\"6\" r=\"3.2\"/>",
            "data" => "<path class=\"data\" d=\"M9 11V1\"/>",
            "w-zero" => "<rect class=\"w-zero wash\" x=\"1\" y=\"0\" width=\"16\" height=\"12\"/>",
            _ => "",
        };
        let shape = if shape.is_empty() {
            format!("<path class=\"line {class}\" d=\"M1 6H17\"/>")
        } else {
            shape.to_owned()
        };
        let _ = write!(
            out,
            "<span><svg viewBox=\"0 0 18 12\" width=\"18\" height=\"12\" aria-hidden=\"true\">{shape}</svg>{said}</span> "
        );
    }
    out.push_str("</p>");
}

/// Draws the window, what is in flight and what is unread over time.
pub(super) fn windows(story: &Story, direction: &Direction, axis: &Axis) -> String {
    let window = direction.sender.iter().map(|known| known.window());
    let flight = direction.sender.iter().map(|known| known.flight());
    let most = window.chain(flight).chain([direction.room]).max().unwrap_or(0).max(10);
    let scales = Scales { axis, most: most as f64 * 1.04, span: WINDOWS };
    let mut out = open("windows", direction, WINDOWS.1 + 34.0, "Windows over time");
    scales.frame(&mut out);
    scales.bands(&mut out, &direction.zero);
    let window = scales.steps(direction.sender.iter().map(|known| (known.at, known.window())), story.end);
    let flight = scales.steps(direction.sender.iter().map(|known| (known.at, known.flight())), story.end);
    let unread =
        scales.steps(direction.receiver.iter().map(|known| (known.at, direction.held(known))), story.end);
    let _ = write!(
        out,
        "<path class=\"line edge\" d=\"{window}\"/><path class=\"line flying\" d=\"{flight}\"/><path class=\"line held\" d=\"{unread}\"/>"
    );
    zigzags(&mut out, axis, (LEFT, LONG), (WINDOWS.0 - 4.0, WINDOWS.1));
    let _ = write!(out, "<path class=\"cursor\" d=\"M0 {}V{}\"/></svg>", WINDOWS.0 - 6.0, WINDOWS.1);
    let (from, to) = (direction.from.letter(), direction.from.other().letter());
    let (edge, flying, held) = (
        format!("{to}’s window, as {from} knows it"),
        format!("in flight from {from}"),
        format!("unread at {to}"),
    );
    legend(&mut out, direction.from, &[("edge", &edge), ("flying", &flying), ("held", &held)]);
    out
}
