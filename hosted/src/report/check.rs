//! Whether what a trace tells is what RFC 9293 allows.

use super::Trace;
use core::fmt;
use core::time::Duration;
use sockhop::tcp::{Legality, Violation};
use sockhop::trace::{Ends, Event, Line, View};
use std::collections::HashMap;

/// A rule that a connection broke, with the event that broke it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accusation {
    /// The connection.
    pub flow: u32,
    /// The rule, and what was found.
    pub violation: Violation,
    /// The event as a line.
    pub line: String,
}

impl fmt::Display for Accusation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { law, serial, found } = self.violation;
        write!(f, "{}\n  event {serial}: {law} (RFC 9293 §{})", self.line.trim_start(), law.section())?;
        if found == (0, 0) { Ok(()) } else { write!(f, ": {} against {}", found.0, found.1) }
    }
}

/// Returns every rule that an event of the trace breaks, in the order of the events; `two_msl` is the shortest TIME-WAIT
/// that is accepted.
///
/// What was lost is held against nobody.
pub fn check(trace: &Trace, two_msl: Duration) -> Vec<Accusation> {
    let mut checkers: HashMap<u32, (Legality, Ends)> = HashMap::new();
    let mut lost: Option<Event> = None;
    let mut accusations = Vec::new();
    for event in &trace.events {
        if let Some(View::Lost { .. }) = event.view() {
            for (checker, _) in checkers.values_mut() {
                checker.see(event);
            }
            lost = Some(*event);
            continue;
        }
        if event.flow() == 0 {
            continue;
        }
        let (checker, ends) = checkers.entry(event.flow()).or_insert_with(|| {
            let mut checker = Legality::new(two_msl);
            if let Some(lost) = &lost {
                checker.see(lost);
            }
            (checker, Ends::new())
        });
        ends.learn(event);
        if let Some(violation) = checker.see(event) {
            let line = Line(event, ends).to_string();
            accusations.push(Accusation { flow: event.flow(), violation, line });
        }
    }
    accusations
}
