//! `tun-demo sim`: connections on a bad link, each from a seed; replayed, counted or made small.

use crate::args::{Guarded, Sim};
use crate::exit::{FAILED, Failure};
use crate::trace::save_both;
use sockhop::tcp::Rules;
use sockhop_hosted::ladder::{Style, draw};
use sockhop_hosted::report::html::End;
use sockhop_hosted::sim::{Outcome, Plan, Verdict, run, shrink};
use std::collections::BTreeMap;
use std::io::Write;

/// Failing seeds that are named.
const NAMED: usize = 20;

/// Replays a seed, or counts what becomes of many.
pub(crate) fn play(options: &Sim, out: &mut impl Write) -> Result<(), Failure> {
    let guards = match options.guard {
        Guarded::Both => (Rules::ALL, Rules::ALL),
        Guarded::Opener => (Rules::ALL, Rules::NONE),
        Guarded::Listener => (Rules::NONE, Rules::ALL),
        Guarded::None => (Rules::NONE, Rules::NONE),
    };
    match options.count {
        Some(count) => campaign(options, count, guards, out),
        None => one(options, guards, out),
    }
}

fn one(options: &Sim, guards: (Rules, Rules), out: &mut impl Write) -> Result<(), Failure> {
    let mut plan = Plan::new(options.seed, options.profile);
    let mut outcome = run(&plan, guards);
    if options.shrink && !outcome.verdict.is_good() {
        let kind = outcome.verdict.kind();
        plan = shrink(&plan, |plan| run(plan, guards).verdict.kind() == kind);
        outcome = run(&plan, guards);
    }
    writeln!(out, "{plan:#?}\n")?;
    let style = Style { colour: crate::colour(), whole: options.whole, columns: crate::columns() };
    let names = ("A  opener", "B  listener");
    write!(out, "{}", draw(names, &outcome.a.0, &outcome.b.0, (1, 1), style))?;
    writeln!(out, "\n{}", said(&outcome))?;
    if let Some(path) = &options.trace {
        save_both(path, [("opener", &outcome.a.0), ("listener", &outcome.b.0)], out)?;
    }
    if let Some(path) = &options.report {
        let ends =
            [End { name: "opener", events: &outcome.a.0 }, End { name: "listener", events: &outcome.b.0 }];
        let title = format!("Simulation: seed {} of {}", options.seed, options.profile);
        crate::report::write(path, &title, &ends, out)?;
    }
    out.flush()?;
    if outcome.verdict.is_good() {
        Ok(())
    } else {
        Err(Failure::new(
            FAILED,
            format!("seed {} of {}: {}", options.seed, options.profile, outcome.verdict),
        ))
    }
}

fn said(outcome: &Outcome) -> String {
    let lasted = outcome
        .completed
        .map_or("never complete".to_owned(), |at| format!("complete after {:.3} s", at.as_secs_f64()));
    format!(
        "verdict: {}; {lasted}; {} packets; the guards acted {} times",
        outcome.verdict, outcome.packets, outcome.guarded
    )
}

fn campaign(options: &Sim, count: u64, guards: (Rules, Rules), out: &mut impl Write) -> Result<(), Failure> {
    let mut kinds: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    let (mut packets, mut guarded, mut lasted) = (0, 0, core::time::Duration::ZERO);
    for seed in options.seed..options.seed.saturating_add(count) {
        let outcome = run(&Plan::new(seed, options.profile), guards);
        packets += outcome.packets;
        guarded += outcome.guarded;
        lasted += outcome.completed.unwrap_or_default();
        if outcome.verdict != Verdict::Good {
            kinds.entry(outcome.verdict.kind()).or_default().push(seed);
        }
    }
    let failed: usize = kinds.values().map(Vec::len).sum();
    writeln!(
        out,
        "{} profile, {count} seeds from {}, guards: {}: {failed} failed; {packets} packets, {:.1} h of the links' own \
         time, the guards acted {guarded} times",
        options.profile,
        options.seed,
        options.guard,
        lasted.as_secs_f64() / 3_600.0
    )?;
    for (kind, seeds) in &kinds {
        let named: Vec<String> = seeds.iter().take(NAMED).map(u64::to_string).collect();
        let more = if seeds.len() > NAMED { ", .." } else { "" };
        writeln!(out, "  {:>5} {kind}: {}{more}", seeds.len(), named.join(", "))?;
    }
    out.flush()?;
    if failed == 0 || options.guard == Guarded::None {
        Ok(())
    } else {
        Err(Failure::new(FAILED, format!("{failed} of {count} seeds failed")))
    }
}
