//! The sliding window at one moment: what the sender may send, against what the receiver holds and takes.
//!
//! ```text
//!              ├──────────── window ───────────┤
//!   sends  ░░░░│ in flight     │ may send       │ · · not yet
//!             UNA             NXT             edge
//!   takes  ░░░░░░░│ unread │ free                    │
//! ```
//!
//! Rust draws it at the most telling moment; the script draws the same at the cursor, from the same numbers.

use super::flows::Side;
use super::ink::{Grouped, Px};
use super::variables::{Direction, Receiver, Sender};
use core::fmt::Write as _;

/// The drawing's width and height.
const WIDTH: f64 = 660.0;
const TALL: f64 = 196.0;
/// Where the strips begin and how long they are.
const LEFT: f64 = 92.0;
const LONG: f64 = WIDTH - LEFT - 12.0;
/// How far into a strip SND.UNA stands.
const LEAD: f64 = 0.12;

/// Returns the octets that a strip is long: the largest window, and some on either side.
pub(super) fn span(direction: &Direction) -> i64 {
    let windows = direction.sender.iter().map(|known| known.window().max(known.flight()));
    let most = windows.max().unwrap_or(0).max(direction.room).max(100);
    most + most * 2 / 5
}

/// Returns the moment that shows most: something in flight, something that may still be sent, something unread.
pub(super) fn telling(direction: &Direction) -> u64 {
    let shows = |known: &&Sender| {
        let held = direction.held(&direction.receiver_at(known.at));
        let room = (known.window() - known.flight()).max(0);
        (known.flight().min(room) + known.flight().min(held), core::cmp::Reverse(known.at))
    };
    direction.sender.iter().max_by_key(shows).map_or(0, |known| known.at)
}

/// Returns the numbers at the edges of what is drawn, in the order of the drawing's rectangles.
fn rectangles(
    direction: &Direction,
    sender: Sender,
    receiver: Receiver,
) -> [(&'static str, f64, i64, i64); 7] {
    let far = i64::MAX;
    let (una, nxt, edge) = (sender.una, sender.nxt, sender.edge.max(sender.una));
    let held = direction.held(&receiver);
    [
        ("done", 44.0, i64::MIN, una),
        ("flight", 44.0, una, nxt),
        ("may", 44.0, nxt, edge),
        ("beyond", 44.0, edge.max(nxt), far),
        ("done", 118.0, i64::MIN, receiver.nxt - held),
        ("unread", 118.0, receiver.nxt - held, receiver.nxt),
        ("free", 118.0, receiver.nxt, receiver.edge),
    ]
}

/// Draws the window at a moment.
pub(super) fn draw(direction: &Direction, at: u64) -> String {
    let (sender, receiver) = (direction.sender_at(at), direction.receiver_at(at));
    let span = span(direction);
    let x = |number: i64| {
        let share = LEAD + (number.saturating_sub(sender.una)) as f64 / span as f64;
        LEFT + LONG * share.clamp(0.0, 1.0)
    };
    let (from, to) = (direction.from, direction.from.other());
    let mut out = format!(
        "<svg class=\"sliding {}\" data-span=\"{span}\" viewBox=\"0 0 {WIDTH} {TALL}\" role=\"img\" aria-label=\"Sliding window from {} to {}\">",
        from.class(),
        from.letter(),
        to.letter()
    );
    overview(&mut out, direction, sender);
    names(&mut out, from);
    for (class, y, start, end) in rectangles(direction, sender, receiver) {
        let (start, end) = (x(start), x(end));
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"30\"/>",
            Px(start),
            Px((end - start).max(0.0))
        );
    }
    let bracket = |start: f64, end: f64| format!("M{} 40v-6H{}v6", Px(start), Px(end.max(start + 1.0)));
    let _ = write!(out, "<path class=\"bracket\" d=\"{}\"/>", bracket(x(sender.una), x(sender.edge)));
    // What is written above comes after what is written below, whose line it interrupts.
    for (name, y, number, top) in [
        ("SND.UNA", 88.0, sender.una, 44.0),
        ("SND.NXT", 101.0, sender.nxt, 44.0),
        ("edge", 88.0, sender.edge, 44.0),
        ("edge", 175.0, receiver.edge, 118.0),
        ("RCV.NXT", 162.0, receiver.nxt, 118.0),
    ] {
        pointer(&mut out, name, (x(number), top, y), number);
    }
    out.push_str("</svg>");
    out.push_str(&numbers(direction, sender, receiver));
    out
}

/// Draws the whole stream with the window in it.
fn overview(out: &mut String, direction: &Direction, sender: Sender) {
    let whole = direction.furthest().max(1);
    let x = |number: i64| LEFT + LONG * (number as f64 / whole as f64).clamp(0.0, 1.0);
    let done = x(sender.una);
    let _ = write!(
        out,
        "<g class=\"overview\" data-whole=\"{whole}\"><text class=\"tick\" x=\"{0}\" y=\"15\">stream</text><rect class=\"track\" x=\"{LEFT}\" y=\"8\" width=\"{LONG}\" height=\"8\" rx=\"4\"/><rect class=\"gone\" x=\"{LEFT}\" y=\"8\" width=\"{1}\" height=\"8\" rx=\"4\"/><rect class=\"frame\" x=\"{2}\" y=\"5\" width=\"{3}\" height=\"14\" rx=\"3\"/></g>",
        LEFT - 8.0,
        Px(done - LEFT),
        Px(done),
        Px((x(sender.edge) - done).max(3.0))
    );
}

fn names(out: &mut String, from: Side) {
    for (side, verb, y) in [(from, "sends", 63.0), (from.other(), "receives", 137.0)] {
        let _ = write!(
            out,
            "<text class=\"row {}\" x=\"{}\" y=\"{y}\">{} {verb}</text>",
            side.class(),
            LEFT - 8.0,
            side.letter()
        );
    }
}

/// Draws a line down from a strip's edge, and its number below; each label has a row of its own.
fn pointer(out: &mut String, name: &str, (x, top, y): (f64, f64, f64), number: i64) {
    // What comes after SND.UNA stands on its right; there is room for it on its left.
    let late = name == "SND.UNA" || x > LEFT + LONG * 0.55;
    let (anchor, shift) = if late { ("end", -4.0) } else { ("start", 4.0) };
    let _ = write!(
        out,
        "<g class=\"pointer\"><path d=\"M{0} {top}V{1}\"/><text text-anchor=\"{anchor}\" x=\"{2}\" y=\"{3}\">{name} {4}</text></g>",
        Px(x),
        Px(y - 9.0),
        Px(x + shift),
        Px(y + 1.0),
        Grouped(number)
    );
}

/// Returns the numbers in words.
fn numbers(direction: &Direction, sender: Sender, receiver: Receiver) -> String {
    let (from, to) = (direction.from.letter(), direction.from.other().letter());
    let rows = [
        ("done", "acked", sender.una.max(1) - 1),
        ("flight", "in flight", sender.flight()),
        ("may", "usable", (sender.edge - sender.nxt).max(0)),
        ("window", "window", sender.window().max(0)),
        ("unread", "unread", direction.held(&receiver)),
        ("free", "free", (receiver.edge - receiver.nxt).max(0)),
    ];
    let mut out = format!("<dl class=\"numbers {}\">", direction.from.class());
    for (place, (class, name, number)) in rows.into_iter().enumerate() {
        let who = if place < 4 { from } else { to };
        let _ = write!(
            out,
            "<div><dt><i class=\"{class}\"></i>{who}: {name}</dt><dd>{}</dd></div>",
            Grouped(number)
        );
    }
    out + "</dl>"
}
