//! `tun-demo lab`: scenarios between two stacks, drawn.

use crate::args::Lab;
use crate::exit::{FAILED, Failure, USAGE};
use crate::trace::save_both;
use sockhop_hosted::lab::{Scenario, play};
use sockhop_hosted::ladder::{Style, draw};
use sockhop_hosted::report::html::End;
use std::io::Write;

/// Plays a scenario and draws it.
pub(crate) fn run(options: &Lab, out: &mut impl Write) -> Result<(), Failure> {
    let scenarios = Scenario::all();
    if options.list {
        for scenario in &scenarios {
            writeln!(out, "{:<12} {}", scenario.name, scenario.about.replace('\n', "\n             "))?;
        }
        return Ok(());
    }
    let name = options.scenario.as_deref().unwrap_or("socks5");
    let Some(scenario) = scenarios.iter().find(|scenario| scenario.name == name) else {
        let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name).collect();
        return Err(Failure::new(
            USAGE,
            format!("there is no scenario {name:?}; there are {}", names.join(", ")),
        ));
    };
    let outcome = play(scenario, options.seed)
        .ok_or_else(|| Failure::new(FAILED, format!("{name} could not be started")))?;
    writeln!(out, "{}\n", scenario.about)?;
    let style = Style { colour: crate::colour(), whole: options.whole };
    let names = ("A  client 10.0.0.1", "B  proxy 10.0.0.2:1080");
    write!(out, "{}", draw(names, &outcome.client, &outcome.proxy, (1, 1), style))?;
    writeln!(out)?;
    if let Some(report) = &outcome.report {
        writeln!(out, "proxy:  {report}")?;
    }
    match &outcome.failure {
        Some(failure) => writeln!(out, "client: {failure}")?,
        None => writeln!(out, "client: {} B received, every octet as it was sent", outcome.received)?,
    }
    writeln!(out, "time:   {:.3} s of the link's own", outcome.lasted.as_secs_f64())?;
    if let Some(path) = &options.trace {
        save_both(path, [("client", &outcome.client), ("proxy", &outcome.proxy)], out)?;
    }
    if let Some(path) = &options.report {
        let ends =
            [End { name: "client", events: &outcome.client }, End { name: "proxy", events: &outcome.proxy }];
        crate::report::write(path, &format!("Lab: {name}"), &ends, out)?;
    }
    out.flush()?;
    if outcome.complete {
        Ok(())
    } else {
        Err(Failure::new(FAILED, format!("{name} did not end as it should with seed {}", options.seed)))
    }
}
