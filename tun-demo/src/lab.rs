//! `tun-demo lab`: scenarios between two stacks, drawn.

use crate::args::Lab;
use crate::exit::{FAILED, Failure};
use crate::trace::save_both;
use sockhop_hosted::lab::{Chapter, Scenario, legend, play, tell};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::report::html::End;
use std::io::Write;

/// What is played when nobody says what.
const FIRST: &str = "socks5";

/// Plays a scenario and draws it.
pub(crate) fn run(options: &Lab, out: &mut impl Write) -> Result<(), Failure> {
    if options.list {
        return list(out);
    }
    let name = options.scenario.as_deref().unwrap_or(FIRST);
    let scenario = Scenario::named(name).ok_or_else(|| {
        Failure::new(FAILED, format!("there is no scenario {name:?}; `lab --list` has them"))
    })?;
    let outcome = play(&scenario, options.seed)
        .ok_or_else(|| Failure::new(FAILED, format!("{name} could not be started")))?;
    let style = Style { colour: crate::colour(), whole: options.whole, columns: crate::columns() };
    write!(out, "{}", tell(&scenario, &outcome, style))?;
    if options.scenario.is_none() {
        writeln!(out, "\n{}\n\nThere is more to see: `tun-demo lab handshake` begins a course,", legend())?;
        writeln!(out, "`tun-demo lab --list` shows what it has.")?;
    }
    let node = |name: &'static str| name.split_once("  ").map_or(name, |(_, node)| node);
    let names = (node(outcome.names.0), node(outcome.names.1));
    if let Some(path) = &options.trace {
        save_both(path, [(names.0, &outcome.a), (names.1, &outcome.b)], out)?;
    }
    if let Some(path) = &options.report {
        let ends = [End { name: names.0, events: &outcome.a }, End { name: names.1, events: &outcome.b }];
        crate::report::write(path, &format!("Lab: {name}"), &ends, out)?;
    }
    out.flush()?;
    if outcome.complete {
        Ok(())
    } else {
        Err(Failure::new(FAILED, format!("{name} did not end as it should with seed {}", options.seed)))
    }
}

/// Prints what there is, as a course.
fn list(out: &mut impl Write) -> Result<(), Failure> {
    let style = Style { colour: crate::colour(), ..Style::default() };
    let scenarios = Scenario::all();
    for (at, chapter) in Chapter::ALL.into_iter().enumerate() {
        writeln!(out, "{}", style.ink("1", &format!("{}. {chapter}", at + 1)))?;
        for scenario in scenarios.iter().filter(|scenario| scenario.chapter == chapter) {
            writeln!(out, "   {:<14} {}", scenario.name, scenario.title)?;
        }
    }
    let first = scenarios.first().map_or("", |scenario| scenario.name);
    writeln!(out, "\nBegin with `tun-demo lab {first}`.")?;
    Ok(out.flush()?)
}
