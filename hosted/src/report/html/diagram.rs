//! The state diagram of RFC 9293 (figure 5) with the path that each end took.
//!
//! The edges are those of [`EDGES`]. Those by which a reset or `abort()` leads to CLOSED, and a timeout's, are drawn
//! only if they were taken: they lead there from everywhere.

use super::flows::Side;
use super::ink::{Escaped, Px, width};
use super::lanes::class;
use super::story::{Step, Story};
use core::fmt::Write as _;
use sockhop::tcp::{Cause, EDGES, State};

const WIDTH: f64 = 660.0;
const TALL: f64 = 560.0;
/// Half of a box.
const BOX: (f64, f64) = (62.0, 14.0);

/// Where a state stands. CLOSED stands twice: where a connection begins and where it ends.
const fn place(state: State) -> (f64, f64) {
    match state {
        State::Closed => (330.0, 24.0),
        State::Listen => (150.0, 92.0),
        State::SynSent => (510.0, 92.0),
        State::SynReceived => (150.0, 182.0),
        State::Established => (330.0, 252.0),
        State::FinWait1 => (150.0, 330.0),
        State::CloseWait => (510.0, 330.0),
        State::FinWait2 => (90.0, 432.0),
        State::Closing => (300.0, 432.0),
        State::LastAck => (510.0, 432.0),
        State::TimeWait => (150.0, 530.0),
    }
}

/// Where a connection ends.
const END: (f64, f64) = (510.0, 530.0);

/// How an edge is drawn: its path, and where its label stands and how that is anchored.
struct Route {
    edge: (State, Cause, State),
    path: &'static str,
    label: (f64, f64, &'static str),
    said: &'static str,
}

const fn route(
    from: State,
    cause: Cause,
    to: State,
    path: &'static str,
    label: (f64, f64, &'static str),
    said: &'static str,
) -> Route {
    Route { edge: (from, cause, to), path, label, said }
}

/// Every edge that is always drawn.
const ROUTES: [Route; 24] = {
    use State::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent,
        TimeWait,
    };
    [
        route(Closed, Cause::Listen, Listen, "M290 38L186 77", (228.0, 53.0, "end"), "listen()"),
        route(Closed, Cause::Connect, SynSent, "M370 38L474 77", (432.0, 53.0, "start"), "connect() / SYN"),
        route(Listen, Cause::Close, Closed, "M150 78V24H267", (158.0, 18.0, "start"), "close()"),
        route(Listen, Cause::Connect, SynSent, "M212 92H447", (330.0, 86.0, "middle"), "connect() / SYN"),
        route(Listen, Cause::Syn, SynReceived, "M150 106V167", (144.0, 140.0, "end"), "rcv SYN / SYN,ACK"),
        route(SynReceived, Cause::Rst, Listen, "M196 168V107", (202.0, 130.0, "start"), "rcv RST"),
        route(SynReceived, Cause::Syn, Listen, "M182 168V107", (202.0, 144.0, "start"), "or SYN"),
        route(
            SynSent,
            Cause::Syn,
            SynReceived,
            "M460 106C420 150 320 178 213 180",
            (356.0, 142.0, "end"),
            "rcv SYN / SYN,ACK",
        ),
        route(
            SynSent,
            Cause::SynAck,
            Established,
            "M500 106C490 170 440 215 393 240",
            (488.0, 178.0, "start"),
            "rcv SYN,ACK / ACK",
        ),
        route(SynSent, Cause::Close, Closed, "M540 78V24H393", (534.0, 18.0, "end"), "close()"),
        route(
            SynReceived,
            Cause::Ack,
            Established,
            "M190 196L282 237",
            (262.0, 220.0, "start"),
            "rcv ACK of SYN",
        ),
        route(SynReceived, Cause::Close, FinWait1, "M140 196V315", (134.0, 262.0, "end"), "close() / FIN"),
        route(
            SynReceived,
            Cause::Fin,
            CloseWait,
            "M213 188C330 205 420 205 448 250L490 315",
            (486.0, 288.0, "start"),
            "rcv FIN / ACK",
        ),
        route(
            Established,
            Cause::Close,
            FinWait1,
            "M290 266L198 315",
            (226.0, 290.0, "end"),
            "close() / FIN",
        ),
        route(Established, Cause::Fin, CloseWait, "M370 266L462 315", (396.0, 306.0, "end"), "rcv FIN / ACK"),
        route(FinWait1, Cause::Ack, FinWait2, "M130 344L102 417", (108.0, 384.0, "end"), "rcv ACK of FIN"),
        route(FinWait1, Cause::Fin, Closing, "M190 344L268 417", (242.0, 380.0, "start"), "rcv FIN / ACK"),
        route(FinWait1, Cause::FinAck, TimeWait, "M158 344V515", (164.0, 456.0, "start"), "rcv FIN,ACK"),
        route(FinWait2, Cause::Fin, TimeWait, "M98 446L128 515", (102.0, 486.0, "end"), "rcv FIN / ACK"),
        route(Closing, Cause::Ack, TimeWait, "M280 446L190 515", (250.0, 486.0, "start"), "rcv ACK of FIN"),
        route(CloseWait, Cause::Close, LastAck, "M510 344V417", (516.0, 384.0, "start"), "close() / FIN"),
        route(LastAck, Cause::Ack, Closed, "M510 446V515", (516.0, 486.0, "start"), "rcv ACK of FIN"),
        route(TimeWait, Cause::TwoMsl, Closed, "M213 530H447", (330.0, 524.0, "middle"), "2MSL timer"),
        route(TimeWait, Cause::Syn, SynReceived, "M88 536H12V182H87", (18.0, 204.0, "start"), "rcv new SYN"),
    ]
};

/// Draws the diagram.
pub(super) fn draw(story: &Story) -> String {
    let mut out = format!(
        "<svg class=\"diagram\" viewBox=\"0 0 {WIDTH} {TALL}\" role=\"img\" aria-label=\"State diagram with the path of each end\">"
    );
    let taken = |side: Side, edge: (State, Cause, State)| {
        story.steps.iter().any(|step| step.side == side && (step.from, step.cause, step.to) == edge)
    };
    // What was taken is drawn over what was not.
    for used in [false, true] {
        for route in &ROUTES {
            let takers: Vec<Side> = Side::BOTH.into_iter().filter(|side| taken(*side, route.edge)).collect();
            if takers.is_empty() != used {
                draw_route(&mut out, route, &takers);
            }
        }
    }
    let mut shortcuts: Vec<&Step> = story.steps.iter().filter(|step| !is_routed(step)).collect();
    shortcuts.dedup_by_key(|step| (step.side.index(), step.from, step.to));
    for (place, step) in shortcuts.iter().enumerate() {
        shortcut(&mut out, step, place);
    }
    for state in State::ALL {
        let visited = story.steps.iter().any(|step| step.to == state || step.from == state);
        draw_state(&mut out, state, place(state), visited);
    }
    let ended = story.steps.iter().any(|step| step.to == State::Closed && step.from != State::Listen);
    draw_state(&mut out, State::Closed, END, ended);
    for side in Side::BOTH {
        numbers(&mut out, story, side);
    }
    out.push_str("</svg>");
    out
}

/// Returns whether a change of state has a line of its own.
fn is_routed(step: &Step) -> bool {
    ROUTES.iter().any(|route| route.edge == (step.from, step.cause, step.to))
}

fn draw_route(out: &mut String, route: &Route, takers: &[Side]) {
    let (from, cause, to) = route.edge;
    let section = EDGES
        .iter()
        .find(|edge| (edge.from, edge.cause, edge.to) == route.edge)
        .map_or("", |edge| edge.section);
    let _ = write!(out, "<g class=\"edge\"><title>{from} → {to}: {cause}, RFC 9293 §{section}</title>");
    match takers {
        [] => {
            let _ = write!(out, "<path class=\"idle\" d=\"{}\"/>", route.path);
        }
        [side] => {
            let _ = write!(out, "<path class=\"path {}\" d=\"{}\"/>", side.class(), route.path);
        }
        // Both took it: the one dashes through the other.
        [..] => {
            let _ = write!(
                out,
                "<path class=\"path a\" d=\"{0}\"/><path class=\"path b dashed\" d=\"{0}\"/>",
                route.path
            );
        }
    }
    let (x, y, anchor) = route.label;
    let idle = if takers.is_empty() { " idle" } else { "" };
    let _ = write!(
        out,
        "<text class=\"label{idle}\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{y}\">{}</text></g>",
        Escaped(route.said)
    );
}

/// Draws a change of state that has no line of its own: down the right margin to CLOSED, or straight where it is illegal.
fn shortcut(out: &mut String, step: &Step, number: usize) {
    let (x, y) = place(step.from);
    let side = step.side.class();
    let bend = 630.0 + 8.0 * (number % 3) as f64;
    let path = if step.to == State::Closed {
        let lift = if x < 500.0 { 20.0 } else { 0.0 };
        format!("M{} {}V{}H{bend}V{}H{}", Px(x + 40.0), Px(y), Px(y + lift), END.1, END.0 + BOX.0 + 2.0)
    } else {
        let (to_x, to_y) = place(step.to);
        format!("M{} {}L{} {}", Px(x), Px(y), Px(to_x), Px(to_y))
    };
    let _ = write!(
        out,
        "<g class=\"edge\"><title>{} → {}: {}</title><path class=\"path {side}\" d=\"{path}\"/><text class=\"label {side}\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text></g>",
        step.from,
        step.to,
        step.cause,
        WIDTH - 8.0 - 10.0,
        Px(550.0 - 12.0 * number as f64 + 6.0),
        Escaped(&format!("{}: {}", step.side.letter(), step.cause))
    );
}

fn draw_state(out: &mut String, state: State, (x, y): (f64, f64), visited: bool) {
    let (half, tall) = BOX;
    let class = if visited { class(state) } else { "idle" };
    let text = if visited { "on" } else { "off" };
    let _ = write!(
        out,
        "<rect class=\"state {class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"5\"/><text class=\"{text}\" x=\"{x}\" y=\"{}\">{state}</text>",
        x - half,
        y - tall,
        half * 2.0,
        tall * 2.0,
        y + 3.8
    );
}

/// Numbers the states in the order in which an end came to them.
fn numbers(out: &mut String, story: &Story, side: Side) {
    let mut visits: Vec<((f64, f64), String)> = Vec::new();
    let mut number = 0;
    for step in story.steps.iter().filter(|step| step.side == side) {
        number += 1;
        let at = if step.to == State::Closed && step.from != State::Listen { END } else { place(step.to) };
        match visits.iter_mut().find(|(known, _)| *known == at) {
            Some((_, said)) => said.push_str(&format!(",{number}")),
            None => visits.push((at, number.to_string())),
        }
    }
    for ((x, y), said) in visits {
        let said = if said.len() > 9 {
            format!("{},…", said.split(',').take(3).collect::<Vec<_>>().join(","))
        } else {
            said
        };
        let wide = (width(&said, 9.0) + 8.0).max(16.0);
        let left = if side == Side::A { x - BOX.0 - 6.0 } else { x + BOX.0 + 6.0 - wide };
        let top = y - BOX.1 - 8.0;
        let _ = write!(
            out,
            "<g class=\"visit {}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"16\" rx=\"8\"/><text x=\"{}\" y=\"{}\">{said}</text></g>",
            side.class(),
            Px(left),
            Px(top),
            Px(wide),
            Px(left + wide / 2.0),
            Px(top + 11.6)
        );
    }
}

/// Returns how many edges lead to CLOSED from everywhere.
pub(super) fn unrouted() -> usize {
    EDGES
        .iter()
        .filter(|edge| !ROUTES.iter().any(|route| route.edge == (edge.from, edge.cause, edge.to)))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_drawn_or_leads_to_closed_by_force() {
        for edge in EDGES {
            let drawn = ROUTES.iter().any(|route| route.edge == (edge.from, edge.cause, edge.to));
            let force = matches!(edge.cause, Cause::Rst | Cause::Abort) && edge.to == State::Closed;
            assert!(drawn != force, "{edge:?}");
        }
    }

    #[test]
    fn every_line_is_an_edge() {
        for route in &ROUTES {
            assert!(
                EDGES.iter().any(|edge| (edge.from, edge.cause, edge.to) == route.edge),
                "{:?}",
                route.edge
            );
        }
    }
}
