//! `tun-demo trace`: traces and captures, drawn, checked, and turned into other formats.

use crate::args::{Trace as Verb, TraceCheck, TraceConvert, TraceReport, TraceShow};
use crate::exit::{FAILED, Failure, USAGE};
use core::time::Duration;
use sockhop::trace::{Event, Flow, Header};
use sockhop_hosted::ladder::{Style, draw, draw_one};
use sockhop_hosted::report::html::End;
use sockhop_hosted::report::{self, Format, Trace, check, ends};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Connections that are drawn unless one is asked for.
const DRAWN: usize = 20;

/// Does what was asked for.
pub(crate) fn run(verb: &Verb, out: &mut impl Write) -> Result<(), Failure> {
    match verb {
        Verb::Show(options) => show(options, out),
        Verb::Check(options) => check_all(options, out),
        Verb::Pcapng(options) => convert(options, Some(Format::Pcapng), out),
        Verb::Convert(options) => convert(options, None, out),
        Verb::Report(options) => page(options, out),
    }
}

/// Reads a file, with its name in whatever is wrong with it.
fn read(path: &Path) -> Result<Vec<Trace>, Failure> {
    let traces =
        report::read(path).map_err(|error| Failure::new(FAILED, format!("{}: {error}", path.display())))?;
    for remark in traces.iter().filter_map(|trace| trace.remark.as_ref()).take(1) {
        // Nobody has to read it.
        let _ = writeln!(std::io::stderr(), "tun-demo: {}: {remark}", path.display());
    }
    Ok(traces)
}

/// Reads one end or both, from one file or two.
fn read_ends(file: &Path, other: Option<&Path>) -> Result<Vec<Trace>, Failure> {
    let mut traces = read(file)?;
    if let Some(other) = other {
        if traces.len() > 1 {
            let text = format!("{} is a capture and has both ends already", file.display());
            return Err(Failure::new(USAGE, text));
        }
        traces.push(read(other)?.swap_remove(0));
    }
    Ok(traces)
}

fn page(options: &TraceReport, out: &mut impl Write) -> Result<(), Failure> {
    let traces = read_ends(&options.file, options.other.as_deref())?;
    let ends: Vec<End<'_>> =
        traces.iter().map(|trace| End { name: trace.header.node(), events: &trace.events }).collect();
    let title = options.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    crate::report::write(&options.output, &title, &ends, out)?;
    Ok(out.flush()?)
}

fn show(options: &TraceShow, out: &mut impl Write) -> Result<(), Failure> {
    let traces = read_ends(&options.file, options.other.as_deref())?;
    let first = &traces[0];
    let style = Style { colour: crate::colour(), whole: options.whole, columns: crate::columns() };
    let flows = first.flows();
    if let Some(wanted) = options.flow.filter(|wanted| !flows.contains_key(wanted)) {
        let most = flows.keys().next_back().copied().unwrap_or(0);
        let text = format!("{} has no connection {wanted}; the last is {most}", options.file.display());
        return Err(Failure::new(FAILED, text));
    }
    say_lost(&traces, out)?;
    let others = traces.get(1).map(Trace::flows).unwrap_or_default();
    let wanted = flows.iter().filter(|(number, _)| options.flow.is_none_or(|wanted| wanted == **number));
    for (drawn, (number, flow)) in wanted.enumerate() {
        if drawn == DRAWN && options.flow.is_none() {
            writeln!(out, "{} more connections; --flow N draws one of them", flows.len() - DRAWN)?;
            break;
        }
        write!(out, "{}", picture(&traces, *number, flow, &others, style))?;
        writeln!(out)?;
    }
    if flows.is_empty() {
        writeln!(out, "no connection is in {}", options.file.display())?;
    }
    Ok(out.flush()?)
}

/// Draws a connection as both ends have it, or as one has.
fn picture(traces: &[Trace], number: u32, flow: &Flow, others: &BTreeMap<u32, Flow>, style: Style) -> String {
    let (local, remote) = ends(flow);
    let own = label("A", &traces[0].header, &local.to_string());
    let events: &[Event] = &traces[0].events;
    let matching = others.iter().find(|(_, other)| ends(other) == (remote, local));
    match (traces.get(1), matching) {
        (Some(second), Some((theirs, _))) => {
            let peer = label("B", &second.header, &remote.to_string());
            draw((&own, &peer), events, &second.events, (number, *theirs), style)
        }
        _ => draw_one((&own, &format!("peer {remote}")), events, number, style),
    }
}

fn label(letter: &str, header: &Header, address: &str) -> String {
    match header.node() {
        "" => format!("{letter}  {address}"),
        node => format!("{letter}  {node} {address}"),
    }
}

fn say_lost(traces: &[Trace], out: &mut impl Write) -> Result<(), Failure> {
    for trace in traces {
        if trace.lost() > 0 {
            let node = trace.header.node();
            writeln!(out, "⚠ {} events of {node} were lost; where, stands in the picture", trace.lost())?;
        }
        if trace.inferred {
            writeln!(out, "states of {} are concluded from its segments", trace.header.node())?;
        }
    }
    Ok(())
}

fn check_all(options: &TraceCheck, out: &mut impl Write) -> Result<(), Failure> {
    let mut broken = 0;
    for path in &options.files {
        for trace in read(path)? {
            broken += check_one(path, &trace, options.two_msl, out)?;
        }
    }
    out.flush()?;
    match broken {
        0 => Ok(()),
        1 => Err(Failure::new(FAILED, "a rule of RFC 9293 is broken")),
        many => Err(Failure::new(FAILED, format!("rules of RFC 9293 are broken {many} times"))),
    }
}

fn check_one(path: &Path, trace: &Trace, two_msl: Duration, out: &mut impl Write) -> Result<usize, Failure> {
    let two_msl = if trace.inferred { Duration::ZERO } else { two_msl };
    let accusations = check(trace, two_msl);
    let (events, flows) = (counted(trace.events.len(), "event"), counted(trace.flows().len(), "connection"));
    let whose = if trace.inferred { format!(", as its {}s did", trace.header.node()) } else { String::new() };
    let broken = counted(accusations.len(), "rule");
    writeln!(out, "{}{whose}: {events} of {flows}, {broken} broken", path.display())?;
    if trace.lost() > 0 {
        writeln!(out, "  ⚠ {} events are lost, and nothing is held against them", trace.lost())?;
    }
    for accusation in &accusations {
        writeln!(out, "  {}", accusation.to_string().replace('\n', "\n  "))?;
    }
    Ok(accusations.len())
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn convert(options: &TraceConvert, format: Option<Format>, out: &mut impl Write) -> Result<(), Failure> {
    let traces = read(&options.file)?;
    let format = format.or_else(|| Format::of(&options.output)).unwrap_or(Format::JsonLines);
    let paths = match traces.len() {
        1 => vec![options.output.clone()],
        _ => both(&options.output).into(),
    };
    for (path, trace) in paths.iter().zip(&traces) {
        save(path, trace, format)?;
        writeln!(out, "{} events in {}", trace.events.len(), path.display())?;
    }
    Ok(out.flush()?)
}

/// Returns the names of the two ends' files: of x.jsonl, x.a.jsonl and x.b.jsonl.
pub(crate) fn both(path: &Path) -> [PathBuf; 2] {
    let suffix = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    ["a", "b"].map(|end| path.with_extension(format!("{end}.{suffix}")))
}

/// Writes what both ends of a connection recorded, each to its file, and says where it is.
pub(crate) fn save_both(
    path: &Path,
    ends: [(&str, &[Event]); 2],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let format = Format::of(path).unwrap_or(Format::Raw);
    let paths = both(path);
    for (path, (node, events)) in paths.iter().zip(ends) {
        let trace = Trace { header: Header::new(node, 0, 0), events: events.to_vec(), ..Trace::default() };
        save(path, &trace, format)?;
    }
    Ok(writeln!(out, "traces in {} and {}", paths[0].display(), paths[1].display())?)
}

fn save(path: &Path, trace: &Trace, format: Format) -> Result<(), Failure> {
    let written = File::create(path).and_then(|file| format.write(trace, &mut BufWriter::new(file)));
    written.map_err(|error| Failure::new(FAILED, format!("{} could not be written: {error}", path.display())))
}
