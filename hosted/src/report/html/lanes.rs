//! What each side was doing: a lane for each state machine and each reason to wait, on the axis of time.

use super::axis::Axis;
use super::flows::Side;
use super::ink::{Clock, Escaped, Lasted, Px, width};
use super::story::{Story, What};
use super::variables::{Direction, Stretch};
use core::fmt::Write as _;
use sockhop::tcp::State;
use sockhop::trace::Hold;

/// The drawing's width, and where the axis begins and how long it is in it.
pub(super) const WIDTH: f64 = 1_400.0;
/// Where the axis begins.
pub(super) const LEFT: f64 = 128.0;
/// How long the axis is.
pub(super) const LONG: f64 = WIDTH - LEFT - 16.0;
/// Stretches that a lane shows one by one; beyond them neighbours are drawn as one.
const MOST: usize = 400;

/// One stretch of a lane.
struct Bar {
    span: Stretch,
    class: String,
    /// What it says where there is room, and what where there is little.
    text: (String, &'static str),
    tip: String,
}

/// One lane.
struct Lane {
    side: Side,
    name: String,
    tall: f64,
    bars: Vec<Bar>,
}

/// Returns two letters for a state, where its name has no room.
pub(super) const fn code(state: State) -> &'static str {
    match state {
        State::Closed => "CD",
        State::Listen => "LI",
        State::SynSent => "SS",
        State::SynReceived => "SR",
        State::Established => "ES",
        State::FinWait1 => "F1",
        State::FinWait2 => "F2",
        State::CloseWait => "CW",
        State::Closing => "CG",
        State::LastAck => "LA",
        State::TimeWait => "TW",
    }
}

/// Returns the class that gives a state its colour: the same in every picture.
pub(super) const fn class(state: State) -> &'static str {
    match state {
        State::Closed => "s-closed",
        State::Listen => "s-listen",
        State::SynSent => "s-synsent",
        State::SynReceived => "s-synrcvd",
        State::Established => "s-estab",
        State::FinWait1 => "s-fin1",
        State::FinWait2 => "s-fin2",
        State::CloseWait => "s-closewait",
        State::Closing => "s-closing",
        State::LastAck => "s-lastack",
        State::TimeWait => "s-timewait",
    }
}

/// Draws the lanes.
pub(super) fn draw(story: &Story, directions: &[Direction; 2], axis: &Axis) -> String {
    let lanes: Vec<Lane> = Side::BOTH.iter().flat_map(|side| of(story, directions, *side)).collect();
    let tall: f64 = lanes.iter().map(|lane| lane.tall + 5.0).sum::<f64>() + 8.0;
    let mut out = format!(
        "<svg class=\"lanes\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"States of both ends over time\">",
        Px(tall + 32.0)
    );
    grid(&mut out, axis, (LEFT, LONG), (2.0, tall), true);
    let mut tops = Vec::new();
    let mut top = 8.0;
    let mut before = None;
    for lane in &lanes {
        if before.is_some_and(|side| side != lane.side) {
            let _ = write!(out, "<path class=\"hair\" d=\"M8 {0}H{1}\"/>", Px(top - 2.5), WIDTH - 16.0);
        }
        before = Some(lane.side);
        draw_lane(&mut out, lane, axis, top);
        tops.push(top);
        top += lane.tall + 5.0;
    }
    zigzags(&mut out, axis, (LEFT, LONG), (4.0, tall));
    for (lane, top) in lanes.iter().zip(tops) {
        name_bars(&mut out, lane, axis, top);
    }
    let _ = write!(out, "<path class=\"cursor\" d=\"M0 0V{}\"/></svg>", Px(tall));
    legend(&mut out, &lanes, story);
    out
}

/// Returns the lanes of one end: those with nothing in them are left out.
fn of(story: &Story, directions: &[Direction; 2], side: Side) -> Vec<Lane> {
    let letter = side.letter();
    let lane = |name: String, tall: f64, bars: Vec<Bar>| Lane { side, name, tall, bars };
    let states = story.states(side);
    let bars = states.iter().map(|(state, from, to)| Bar {
        span: (*from, *to),
        class: class(*state).to_owned(),
        text: (state.to_string(), code(*state)),
        tip: format!("{letter}: {state} for {}", Lasted(to - from)),
    });
    let mut lanes = vec![lane("TCP".to_owned(), 24.0, bars.collect())];
    for who in machines(story, side) {
        lanes.push(lane(who.clone(), 18.0, app_bars(story, side, &who)));
    }
    let holds = &story.holds[side.index()];
    let held = |why: Hold| -> Vec<Stretch> {
        holds.iter().filter(|(known, ..)| *known == why).map(|(_, from, to)| (*from, *to)).collect()
    };
    let waits = |spans: Vec<Stretch>, class: &'static str, text: String| -> Vec<Bar> {
        let bar = |(from, to): (u64, u64)| Bar {
            span: (from, to),
            class: class.to_owned(),
            text: (text.clone(), ""),
            tip: format!("{letter}: {text} for {}", Lasted(to - from)),
        };
        spans.into_iter().filter(|(from, to)| to > from).map(bar).collect()
    };
    let (sends, hears) = (&directions[side.index()], &directions[side.other().index()]);
    let told = !holds.is_empty();
    let full = if told { without(&held(Hold::PeerWindow), &sends.zero) } else { sends.full.clone() };
    let mut stopped = waits(full, "w-full", "window used up".to_owned());
    let zero = format!("stopped by {}’s zero window", side.other().letter());
    stopped.extend(waits(sends.zero.clone(), "w-zero", zero));
    stopped.extend(waits(held(Hold::Congestion), "w-acks", "waits for ACKs".to_owned()));
    stopped.sort_by_key(|bar| bar.span);
    lanes.push(lane("writer".to_owned(), 14.0, stopped));
    let unread = if told { held(Hold::Reader) } else { hears.unread.clone() };
    lanes.push(lane("reader".to_owned(), 14.0, waits(unread, "w-unread", "does not read".to_owned())));
    lanes.retain(|lane| !lane.bars.is_empty());
    lanes
}

/// Returns what is left of stretches when others are cut out of them.
fn without(spans: &[Stretch], others: &[Stretch]) -> Vec<Stretch> {
    let mut left = Vec::new();
    for (from, to) in spans {
        let mut at = *from;
        for (start, end) in others.iter().filter(|(start, end)| start < to && end > from) {
            left.push((at, *start));
            at = at.max(*end);
        }
        left.push((at, *to));
    }
    left.retain(|(from, to)| to > from);
    left
}

/// Returns the machines above TCP at an end, in the order in which they began.
fn machines(story: &Story, side: Side) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for deed in story.deeds.iter().filter(|deed| deed.side == side) {
        if let What::App(who, _) = &deed.what
            && !names.contains(who)
        {
            names.push(who.clone());
        }
    }
    names
}

fn app_bars(story: &Story, side: Side, name: &str) -> Vec<Bar> {
    let states = story.deeds.iter().filter(|deed| deed.side == side).filter_map(|deed| match &deed.what {
        What::App(who, what) if who == name => Some((deed.moment.at, what.clone())),
        What::App(..) | What::Call(_) | What::Guard { .. } => None,
    });
    let states: Vec<(u64, String)> = states.collect();
    // A machine that is done takes no more room than its name.
    let last =
        story.steps.iter().rev().find(|step| step.side == side).map_or(story.end, |step| step.moment.at);
    let until = |place: usize, from: u64| states.get(place + 1).map_or(last.max(from), |next| next.0);
    let bar = |(place, (from, what)): (usize, &(u64, String))| {
        let to = until(place, *from);
        Bar {
            span: (*from, to),
            class: format!("app app{}", place % 2),
            text: (what.clone(), ""),
            tip: format!("{}: {name} {what} for {}", side.letter(), Lasted(to - from)),
        }
    };
    states.iter().enumerate().map(bar).collect()
}

fn draw_lane(out: &mut String, lane: &Lane, axis: &Axis, top: f64) {
    let middle = top + lane.tall / 2.0;
    let _ = write!(
        out,
        "<text class=\"lane {}\" x=\"{}\" y=\"{}\">{} · {}</text>",
        lane.side.class(),
        LEFT - 10.0,
        Px(middle + 4.0),
        lane.side.letter(),
        Escaped(&lane.name)
    );
    let every = lane.bars.len().div_ceil(MOST).max(1);
    for bars in lane.bars.chunks(every) {
        let bar = &bars[0];
        let to = bars[bars.len() - 1].span.1;
        let (x, end) = (LEFT + axis.place(bar.span.0) * LONG, LEFT + axis.place(to) * LONG);
        let wide = (end - x - 1.0).max(1.5);
        let _ = write!(
            out,
            "<g class=\"bar\"><title>{}</title><rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
            Escaped(&bar.tip),
            bar.class,
            Px(x),
            Px(top),
            Px(wide),
            Px(lane.tall),
            if wide > 8.0 { 3 } else { 1 }
        );
        out.push_str("</g>");
    }
}

/// Writes what the stretches of a lane are, each where the axis is whole for long enough.
fn name_bars(out: &mut String, lane: &Lane, axis: &Axis, top: f64) {
    let size = if lane.tall > 20.0 { 11.0 } else { 10.0 };
    let tears: Vec<f64> = axis.tears(LONG).map(|(_, x)| LEFT + x).collect();
    for bar in &lane.bars {
        let (from, to) = (LEFT + axis.place(bar.span.0) * LONG, LEFT + axis.place(bar.span.1) * LONG);
        let edges = || tears.iter().copied().filter(|x| from < *x && *x < to);
        let starts = core::iter::once(from).chain(edges().map(|x| x + 7.0));
        let ends = edges().map(|x| x - 7.0).chain([to - 1.0]);
        let widest = starts.zip(ends).max_by(|one, other| (one.1 - one.0).total_cmp(&(other.1 - other.0)));
        let Some((start, end)) = widest else { continue };
        let (text, size) = if width(&bar.text.0, size) + 6.0 <= end - start {
            (bar.text.0.as_str(), size)
        } else if width(bar.text.1, 9.0) + 2.0 <= end - start {
            (bar.text.1, 9.0)
        } else {
            continue;
        };
        if !text.is_empty() {
            let _ = write!(
                out,
                "<text class=\"on label\" style=\"font-size:{size}px\" x=\"{}\" y=\"{}\">{}</text>",
                Px((start + end) / 2.0),
                Px(top + lane.tall / 2.0 + size * 0.36),
                Escaped(text)
            );
        }
    }
}

/// Draws the lines of round moments, and writes the moments below them if asked to.
pub(super) fn grid(
    out: &mut String,
    axis: &Axis,
    (left, long): (f64, f64),
    (top, bottom): (f64, f64),
    named: bool,
) {
    let (ticks, decimals) = axis.ticks(long, 64.0);
    let mut path = String::new();
    let mut names = String::new();
    for tick in ticks {
        let x = left + axis.place(tick) * long;
        let _ = write!(path, "M{} {}V{}", Px(x), Px(top), Px(bottom));
        let unit = if names.is_empty() { " s" } else { "" };
        let said = format!("{:.decimals$}{unit}", tick as f64 / 1e6);
        let _ =
            write!(names, "<text class=\"tick\" x=\"{}\" y=\"{}\">{said}</text>", Px(x), Px(bottom + 15.0));
    }
    let _ = write!(out, "<path class=\"grid\" d=\"{path}\"/>");
    if named {
        out.push_str(&names);
    }
}

/// Draws where the axis is broken, and how long each pause was where there is room.
pub(super) fn zigzags(out: &mut String, axis: &Axis, (left, long): (f64, f64), (top, bottom): (f64, f64)) {
    let mut free = left;
    for ((from, to), x) in axis.tears(long) {
        let x = left + x;
        let mut path = format!("M{} {}", Px(x - 4.0), Px(top));
        let mut y = top;
        let mut right = true;
        while y < bottom {
            y = (y + 7.0).min(bottom);
            let _ = write!(path, "L{} {}", Px(if right { x + 4.0 } else { x - 4.0 }), Px(y));
            right = !right;
        }
        let said = format!("{} pause", Lasted(to - from));
        let _ = write!(
            out,
            "<g><title>{said}, drawn shorter</title><path class=\"torn\" d=\"{path}\"/><path class=\"tear\" d=\"{path}\"/>"
        );
        let said = Lasted(to - from).to_string();
        let half = width(&said, 10.0) / 2.0;
        if x - half > free + 4.0 {
            let _ = write!(
                out,
                "<text class=\"tick dead\" x=\"{}\" y=\"{}\">{said}</text>",
                Px(x),
                Px(bottom + 25.0)
            );
            free = x + half;
        }
        out.push_str("</g>");
    }
}

/// Says what the two letters and the patterns mean, for what occurs.
fn legend(out: &mut String, lanes: &[Lane], story: &Story) {
    out.push_str("<p class=\"legend\">");
    for state in State::ALL {
        let occurs =
            Side::BOTH.iter().any(|side| story.states(*side).iter().any(|(known, ..)| *known == state));
        if occurs {
            let _ =
                write!(out, "<span><i class=\"{}\"></i><b>{}</b> {state}</span> ", class(state), code(state));
        }
    }
    for (kind, said) in [
        ("w-full", "window used up"),
        ("w-zero", "zero window"),
        ("w-acks", "waits for ACKs"),
        ("w-unread", "does not read"),
    ] {
        if lanes.iter().any(|lane| lane.bars.iter().any(|bar| bar.class == kind)) {
            let _ = write!(out, "<span><i class=\"{kind}\"></i>{said}</span> ");
        }
    }
    out.push_str("</p>");
}

/// Returns the heading's remark on the axis.
pub(super) fn remark(axis: &Axis, end: u64) -> String {
    let torn = if axis.breaks().is_empty() { "" } else { "; pauses are torn out and named below the axis" };
    format!("{} s in all{torn}", Clock(end))
}
