//! Transitions with their causes and rules, what breaks a rule, and what the guards did.

use super::ink::{Escaped, count};
use super::lanes::class;
use super::story::{Story, What};
use core::fmt::Write as _;

/// Rows of a table whose length has no natural bound.
const MOST: usize = 100;

/// Writes the table of transitions.
pub(super) fn transitions(story: &Story) -> String {
    let mut out = String::from(
        "<table class=\"transitions\"><thead><tr><th class=\"n\">s</th><th>end</th><th>transition</th><th>cause</th><th>RFC 9293</th></tr></thead><tbody>",
    );
    let decimals = decimals(story.steps.iter().map(|step| step.moment.at));
    for step in &story.steps {
        let verdict = match (step.broken, step.section()) {
            (Some(broken), _) => {
                format!("<td class=\"bad\">✗ {} (§{})</td>", broken.law, broken.law.section())
            }
            (None, Some(section)) => format!("<td class=\"good\">✓ §{section}</td>"),
            (None, None) => "<td class=\"bad\">✗ no such edge</td>".to_owned(),
        };
        let _ = write!(
            out,
            "<tr data-t=\"{}\"><td class=\"n\">{}</td><td class=\"{}\"><b>{}</b></td><td>{} → <i class=\"dot {}\"></i><b>{}</b></td><td>{}</td>{verdict}</tr>",
            step.moment.at,
            seconds(step.moment.at, decimals),
            step.side.class(),
            step.side.letter(),
            step.from,
            class(step.to),
            step.to,
            Escaped(step.cause.name())
        );
    }
    out + "</tbody></table>"
}

/// Writes what breaks a rule; nothing if nothing does.
pub(super) fn broken(story: &Story) -> String {
    if story.broken.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<table><thead><tr><th class=\"n\">s</th><th>end</th><th>what RFC 9293 forbids</th><th>section</th></tr></thead><tbody>",
    );
    let decimals = decimals(story.broken.iter().map(|(_, moment, _)| moment.at));
    for (side, moment, violation) in story.broken.iter().take(MOST) {
        let _ = write!(
            out,
            "<tr data-t=\"{}\"><td class=\"n\">{}</td><td class=\"{}\"><b>{}</b></td><td class=\"bad\">✗ {}</td><td>§{}</td></tr>",
            moment.at,
            seconds(moment.at, decimals),
            side.class(),
            side.letter(),
            violation.law,
            violation.law.section()
        );
    }
    out.push_str("</tbody></table>");
    rest(&mut out, story.broken.len());
    out
}

/// Writes what the guards did, and how often; nothing if there was nothing to do.
pub(super) fn guards(story: &Story) -> (String, usize) {
    let acts = || {
        story.deeds.iter().filter_map(|deed| match &deed.what {
            What::Guard { rule, outward } => Some((deed, *rule, *outward)),
            What::App(..) | What::Call(_) => None,
        })
    };
    let all = acts().count();
    let mut out = String::from(
        "<table><thead><tr><th class=\"n\">s</th><th>end</th><th>on what is</th><th>rule</th><th>section</th></tr></thead><tbody>",
    );
    let decimals = decimals(acts().map(|(deed, ..)| deed.moment.at));
    for (deed, rule, outward) in acts().take(MOST) {
        let _ = write!(
            out,
            "<tr data-t=\"{}\"><td class=\"n\">{}</td><td class=\"{}\"><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            deed.moment.at,
            seconds(deed.moment.at, decimals),
            deed.side.class(),
            deed.side.letter(),
            if outward { "sent" } else { "received" },
            Escaped(&rule.to_string()),
            rule.section()
        );
    }
    out.push_str("</tbody></table>");
    rest(&mut out, all);
    (out, all)
}

fn rest(out: &mut String, all: usize) {
    if all > MOST {
        let _ = write!(out, "<p class=\"note\">{} more of these are left out.</p>", count(all - MOST, "row"));
    }
}

/// Returns the places after the point that all of these moments need.
fn decimals(mut moments: impl Iterator<Item = u64>) -> usize {
    if moments.all(|at| at.is_multiple_of(1_000)) { 3 } else { 6 }
}

fn seconds(at: u64, decimals: usize) -> String {
    format!("{:.decimals$}", at as f64 / 1e6)
}
