//! A scenario as a text: what to look at, the picture, and what happened.

use super::{Account, Datagrams, Outcome, Play, Scenario, account};
use crate::ladder::{Style, draw};
use core::fmt::Write as _;
use core::time::Duration;
use sockhop::tcp::State;

mod datagrams;

/// Where what is said of something begins.
const INDENT: usize = 10;
/// The longest line of text that is pleasant to read.
const WIDEST: usize = 106;

/// Tells a scenario and what it came to: its title, what to look at, the picture, and what happened.
pub fn tell(scenario: &Scenario, outcome: &Outcome, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", style.ink("1", scenario.title));
    if columns(style) == WIDEST {
        let _ = writeln!(out, "{}", scenario.about);
    } else {
        item(&mut out, None, &scenario.about.replace('\n', " "), style);
    }
    out.push('\n');
    match &outcome.datagrams {
        Some(Datagrams::Race { messages, traffic }) => {
            datagrams::race(&mut out, messages, outcome, *traffic, style);
        }
        Some(Datagrams::Echo { clients, flights, .. }) => datagrams::echo(&mut out, clients, flights, style),
        None => {}
    }
    let race = matches!(scenario.play, Play::Race(_));
    if !race || style.whole {
        for flow in &outcome.flows {
            let _ = writeln!(out, "{}", draw(outcome.names, &outcome.a, &outcome.b, *flow, style));
        }
    }
    let _ = writeln!(out, "{}", style.ink("1", "What happened"));
    for (at, flow) in outcome.flows.iter().enumerate() {
        if outcome.flows.len() > 1 {
            let _ = writeln!(out, "connection {}", at + 1);
        }
        connection(&mut out, outcome, *flow, style);
    }
    if let Some(Datagrams::Echo { clients, flights, connections }) = &outcome.datagrams {
        datagrams::count(&mut out, clients, flights, *connections, style);
    }
    for (who, said) in &outcome.said {
        item(&mut out, Some(who), said, style);
    }
    item(&mut out, Some("time"), &format!("{} of the link's own", seconds(outcome.lasted)), style);
    out
}

/// Returns how a segment is to be read, in one or two lines.
pub const fn legend() -> &'static str {
    "PSH,ACK 1:4(3) ack 1 win 4096   three octets, numbers 1 up to 4; the next one expected is 1; room for 4096\n\
     numbers count from the SYNs, time is in seconds, ✗ is lost on the way"
}

/// Tells what a connection came to at both ends.
fn connection(out: &mut String, outcome: &Outcome, flow: (u32, u32), style: Style) {
    let (a, b) = (account(&outcome.a, flow.0), account(&outcome.b, flow.1));
    for (name, end, serial) in [("A", &a, flow.0), ("B", &b, flow.1)] {
        if serial == 0 {
            item(out, Some(name), "knows of no connection", style);
            continue;
        }
        let (opener, closer) = end.roles();
        item(out, Some(name), &format!("{opener}, {closer}"), style);
        states(out, end, style);
    }
    item(out, Some("A → B"), &direction(&a, &b), style);
    item(out, Some("B → A"), &direction(&b, &a), style);
    let illegal = a.violations.iter().chain(&b.violations);
    let judged = format!("{} events at A and {} at B", a.judged, b.judged);
    let verdict = match illegal.clone().next() {
        None => format!("{judged}, all legal"),
        Some(first) => format!("{judged}, {} illegal; the first: {first}", illegal.count()),
    };
    item(out, Some("RFC 9293"), &verdict, style);
}

/// Tells what one end sent, and how it fared with the other's window.
fn direction(end: &Account, peer: &Account) -> String {
    let mut text = format!("{}, {} B of payload", many(end.segments, "segment"), end.octets);
    let mut add = |count: usize, what: &str| {
        if count > 0 {
            let _ = write!(text, "; {count} {what}");
        }
    };
    add(end.fast, "sent again after three duplicate ACKs");
    add(end.timed, "sent again by the timer");
    add(end.answered, "sent again in answer");
    add(peer.out_of_order, "came out of order");
    if !end.shut.is_empty() {
        let times = many(end.shut.len(), "time");
        let _ = write!(
            text,
            "; window closed {times}, {} in all, {}",
            seconds(end.shut_for()),
            many(end.probes, "probe")
        );
    }
    text
}

/// Writes the states that an end went through, in as many lines as it takes.
fn states(out: &mut String, end: &Account, style: Style) {
    let most = columns(style);
    let (mut line, mut long) = (String::new(), INDENT);
    for (at, state) in end.path.iter().enumerate() {
        let name = state.name();
        let step = if at == 0 { 0 } else { 3 } + name.len();
        if long + step + 2 > most {
            let _ = writeln!(out, "{:INDENT$}{line} →", "");
            (line, long) = (String::new(), INDENT);
        } else if at > 0 {
            line.push_str(" → ");
        }
        line.push_str(&style.paint(*state, name));
        long += step;
    }
    let _ = writeln!(out, "{:INDENT$}{line}", "");
    if end.path.last() == Some(&State::TimeWait) {
        let _ = writeln!(out, "{:INDENT$}(then a new connection took its place)", "");
    }
}

/// Writes something that is said of something, or of nothing in particular, in as many lines as it takes.
fn item(out: &mut String, name: Option<&str>, text: &str, style: Style) {
    let most = columns(style);
    let indent = if name.is_some() { INDENT } else { 0 };
    let mut line = format!("{:<indent$}", name.unwrap_or_default());
    let mut fresh = true;
    for word in text.split(' ') {
        if !fresh && line.chars().count() + 1 + word.chars().count() > most {
            let _ = writeln!(out, "{line}");
            (line, fresh) = (" ".repeat(indent), true);
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    let _ = writeln!(out, "{line}");
}

/// Returns how long a line of text may be.
const fn columns(style: Style) -> usize {
    match style.columns {
        0 | WIDEST.. => WIDEST,
        columns => columns,
    }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
