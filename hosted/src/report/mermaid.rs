//! A sequence diagram in Mermaid's language, for connections that fit a page.

use super::{Trace, Writer};
use core::fmt::Write as _;
use sockhop::trace::{AppLine, Ends, Event, Header, View};
use std::collections::HashMap;
use std::io::{self, Write};

/// Lines that a diagram has at most; Mermaid itself refuses some thousands.
const MOST: usize = 300;

/// Collects events, since a diagram is written at once.
pub(super) struct Collector(Trace);

impl Collector {
    pub(super) fn new(header: &Header) -> Self {
        Self(Trace { header: *header, ..Trace::default() })
    }
}

impl Writer for Collector {
    fn event(&mut self, event: &Event, _out: &mut dyn Write) -> io::Result<()> {
        // Twice as many events as lines is more than enough, and no more memory than that is wanted.
        if self.0.events.len() < 4 * MOST {
            self.0.events.push(*event);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(diagram(&self.0).as_bytes())
    }
}

/// Returns a diagram of what one end recorded: its segments as arrows, its states beside it.
pub fn diagram(trace: &Trace) -> String {
    let node = if trace.header.node().is_empty() { "this end" } else { trace.header.node() };
    let mut out =
        format!("sequenceDiagram\n    participant A as {}\n    participant B as peer\n", plain(node));
    let mut ends: HashMap<u32, Ends> = HashMap::new();
    let several = trace.events.iter().filter(|event| event.flow() != 0).any(|event| event.flow() != 1);
    let mut lines = 0;
    for event in &trace.events {
        let ends = ends.entry(event.flow()).or_default();
        ends.learn(event);
        let Some(text) = line(event, ends) else { continue };
        if lines == MOST {
            out.push_str("    Note over A,B: the rest is left out\n");
            break;
        }
        lines += 1;
        let number = if several { format!("#35;{} ", event.flow()) } else { String::new() };
        let _ = writeln!(out, "    {}", text.replacen(": ", &format!(": {number}"), 1));
    }
    out
}

fn line(event: &Event, ends: &Ends) -> Option<String> {
    Some(match event.view()? {
        View::Segment { sent, marks, .. } => {
            let said = ends.say(event)?;
            let arrow = if sent { "A->>B" } else { "B->>A" };
            if marks.0 == 0 { format!("{arrow}: {said}") } else { format!("{arrow}: {said} ({marks})") }
        }
        View::State { cause, to, .. } => format!("Note left of A: {to} [{cause}]"),
        View::App { .. } | View::Blocked { .. } | View::Transfer { .. } => {
            format!("Note left of A: {}", AppLine(event))
        }
        View::Lost { events } => format!("Note over A,B: {events} events lost"),
        _ => return None,
    })
}

/// Returns a name without what Mermaid takes for its own.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, ';' | '#' | '\n' | '\r')).collect()
}
