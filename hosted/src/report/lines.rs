//! A line for each event, as a ladder of one side has it.

use super::Writer;
use sockhop::trace::{Ends, Event, Line};
use std::collections::HashMap;
use std::io::{self, Write};

/// Writes lines, each connection counted from its own SYNs.
#[derive(Default)]
pub(super) struct Lines(HashMap<u32, Ends>);

impl Writer for Lines {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let ends = self.0.entry(event.flow()).or_default();
        ends.learn(event);
        let line = Line(event, ends).to_string();
        if line.is_empty() { Ok(()) } else { writeln!(out, "{line}") }
    }
}
