//! `tun-demo states`: RFC 9293's edges, as a table and as pictures.

use crate::args::States;
use sockhop::tcp::EDGES;
use sockhop_hosted::ladder::Style;
use sockhop_hosted::states::{diagram, dot, mermaid};
use std::io::{self, Write};

/// Prints every edge with the section that says so, or draws them.
pub(crate) fn print(options: &States, out: &mut impl Write) -> io::Result<()> {
    if options.diagram {
        let style = Style { colour: crate::colour(), ..Style::default() };
        write!(out, "{}", diagram(style))?;
    } else if options.dot {
        write!(out, "{}", dot())?;
    } else if options.mermaid {
        write!(out, "{}", mermaid())?;
    } else {
        table(out)?;
    }
    out.flush()
}

fn table(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:<13} {:<19} {:<13} RFC 9293", "from", "cause", "to")?;
    for edge in EDGES {
        writeln!(out, "{:<13} {:<19} {:<13} §{}", edge.from, edge.cause, edge.to, edge.section)?;
    }
    writeln!(out, "{:<13} {:<19} {:<13} §3.10.8", "any", "timeout", "CLOSED")
}
