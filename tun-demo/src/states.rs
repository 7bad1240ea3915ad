//! `tun-demo states`: the table of RFC 9293's edges.

use sockhop::tcp::EDGES;
use std::io::{self, Write};

/// Prints every edge with the section that says so.
pub(crate) fn print(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:<13} {:<19} {:<13} RFC 9293", "from", "cause", "to")?;
    for edge in EDGES {
        writeln!(out, "{:<13} {:<19} {:<13} §{}", edge.from, edge.cause, edge.to, edge.section)?;
    }
    writeln!(out, "{:<13} {:<19} {:<13} §3.10.8", "any", "timeout", "CLOSED")?;
    out.flush()
}
