//! A connection as one page that needs nothing else: no network, no server, and for all but the cursor no script.
//!
//! ```text
//! ends ─► flows ─► story ─┬► segments ─► variables ─┬► lanes, ladder, sliding, graphs, diagram, tables, cards
//!                         └► axis ──────────────────┘                        └► moments, for the cursor
//! ```
//!
//! Each picture is a drawing of its own, written as text; what it says stands on the axis of time that all share. The
//! same events give the same page, octet by octet.
//!
//! ```
//! use sockhop_hosted::lab::{Scenario, play};
//! use sockhop_hosted::report::html::{End, page};
//!
//! let outcome = play(&Scenario::named("window").expect("it is in the course"), 1).expect("it begins");
//! let ends = [End { name: "A", events: &outcome.a }, End { name: "B", events: &outcome.b }];
//! let text = page("A window that closes", &ends);
//! assert!(text.starts_with("<!DOCTYPE html>") && text.contains("<svg"));
//! ```

mod axis;
mod cards;
mod diagram;
mod flows;
mod graphs;
mod ink;
mod ladder;
mod lanes;
mod moments;
mod segments;
mod sliding;
mod story;
mod tables;
mod variables;

use axis::Axis;
use core::fmt::Write as _;
use flows::{Flow, Side, flows};
use ink::{Escaped, Grouped, count};
use sockhop::trace::Event;
use story::Story;
use variables::Direction;

/// Connections that are drawn; others are listed.
const DRAWN: usize = 8;
/// Octets of a page after which no further connection is drawn.
const ENOUGH: usize = 2_000_000;
/// Connections that are listed.
const LISTED: usize = 100;

/// The height of a ladder beside which the tables find room.
const SHORT: f64 = 1_300.0;

/// What one end recorded.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its events, in the order in which they were recorded.
    pub events: &'a [Event],
}

/// Returns the page of what one end recorded, or of what two ends of the same connections did.
///
/// The connection with the most segments comes first. Further ends than two are not looked at.
pub fn page(title: &str, ends: &[End<'_>]) -> String {
    let flows = flows(ends);
    let mut sections = String::new();
    let mut drawn = 0;
    for flow in flows.iter().take(DRAWN) {
        if drawn > 0 && sections.len() > ENOUGH {
            break;
        }
        section(&mut sections, ends, flow, drawn, flows.len());
        drawn += 1;
    }
    let mut page = String::with_capacity(sections.len() + 64_000);
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><meta name=\"color-scheme\" content=\"light dark\"/><title>{}</title><style>{}</style></head>\n<body>{DEFINITIONS}<header class=\"top\"><h1>{}</h1><button id=\"theme\" type=\"button\" hidden=\"hidden\" title=\"Light or dark\">◐ theme</button></header>\n",
        Escaped(title),
        include_str!("page.css"),
        Escaped(title)
    );
    for (end, said) in ends.iter().zip(["A", "B"]) {
        lost(&mut page, said, end);
    }
    if flows.len() > 1 {
        index(&mut page, &flows, drawn);
    }
    if flows.is_empty() {
        page.push_str(
            "<p class=\"note\">The trace has no segment of any connection: there is nothing to draw.</p>",
        );
    }
    page.push_str(&sections);
    let _ = write!(page, "<script>//<![CDATA[\n{}//]]></script></body></html>\n", include_str!("page.js"));
    page
}

/// Patterns and arrow heads that all drawings use.
const DEFINITIONS: &str = include_str!("definitions.svg");

/// Says plainly that a recording has gaps.
fn lost(page: &mut String, letter: &str, end: &End<'_>) {
    let gaps = story::lost(end.events);
    if gaps > 0 {
        let _ = write!(
            page,
            "<p class=\"warning\" role=\"alert\">⚠ {letter} ({}) lost {} events while it recorded: what they told is missing below, and segments may be called lost that were not.</p>",
            Escaped(end.name),
            Grouped(i64::try_from(gaps).unwrap_or(i64::MAX))
        );
    }
}

/// Lists the connections of a trace that has several.
fn index(page: &mut String, flows: &[Flow], drawn: usize) {
    let _ = write!(
        page,
        "<section class=\"panel index\"><h2>{} <small>{drawn} drawn below, the busiest first</small></h2><table><thead><tr><th>A</th><th>B</th><th class=\"n\">segments</th><th></th></tr></thead><tbody>",
        count(flows.len(), "connection")
    );
    for (place, flow) in flows.iter().take(LISTED).enumerate() {
        let link = if place < drawn {
            format!("<a href=\"#flow{place}\">drawn</a>")
        } else {
            "not drawn".to_owned()
        };
        let _ = write!(
            page,
            "<tr><td class=\"a\">{}</td><td class=\"b\">{}</td><td class=\"n\">{}</td><td>{link}</td></tr>",
            Escaped(&flow.address(Side::A)),
            Escaped(&flow.address(Side::B)),
            flow.segments
        );
    }
    page.push_str("</tbody></table>");
    if flows.len() > LISTED {
        let _ = write!(
            page,
            "<p class=\"note\">{} more are left out.</p>",
            count(flows.len() - LISTED, "connection")
        );
    }
    page.push_str("</section>");
}

/// Draws one connection.
fn section(page: &mut String, ends: &[End<'_>], flow: &Flow, number: usize, of: usize) {
    let story = Story::new(ends, flow);
    let directions = Side::BOTH.map(|side| Direction::new(&story, side));
    let axis = Axis::new(story.moments());
    let ladder = ladder::draw(&story, &axis, number);
    let busier = if directions[1].octets > directions[0].octets { Side::B } else { Side::A };
    let at = sliding::telling(&directions[busier.index()]);
    let _ = write!(page, "<section class=\"flow\" id=\"flow{number}\" data-at=\"{at}\">");
    for side in Side::BOTH {
        let checked = if side == busier { " checked=\"checked\"" } else { "" };
        let _ = write!(
            page,
            "<input type=\"radio\" class=\"pick {0}\" name=\"way{number}\" id=\"way{number}{0}\" value=\"{0}\"{checked}/>",
            side.class()
        );
    }
    headline(page, &story, &directions, number, of);
    controls(page, number);
    let _ = write!(
        page,
        "<div class=\"panel wide\"><h2>What each side was doing <small>{}</small></h2><div class=\"scroll\">{}</div></div>",
        lanes::remark(&axis, story.end),
        lanes::draw(&story, &directions, &axis)
    );
    page.push_str("<div class=\"columns\"><div class=\"left\">");
    ladder_panel(page, &ladder, &story);
    let short = ladder.tall < SHORT;
    if short {
        page.push_str(&tables(&story));
    }
    page.push_str("</div><div class=\"right\">");
    pictures(page, &story, &directions, &axis, number);
    page.push_str("</div></div>");
    if !short {
        page.push_str(&tables(&story));
    }
    let (json, left_out) = moments::json(&story, &directions, &axis, &ladder.knots);
    if left_out > 0 {
        let _ = write!(
            page,
            "<p class=\"note\">The cursor passes over {} that say nothing unusual; they are drawn all the same.</p>",
            count(left_out, "moment")
        );
    }
    page.push_str(&moments::element(&json));
    page.push_str("</section>\n");
}

fn headline(page: &mut String, story: &Story, directions: &[Direction; 2], number: usize, of: usize) {
    let which = if of > 1 { format!("{} of {of} · ", number + 1) } else { String::new() };
    let traced = match story.seen {
        [true, true] => "both ends recorded",
        [true, false] => "only A recorded",
        [false, true] => "only B recorded",
        [false, false] => "nothing recorded",
    };
    let called = |side: Side| match &story.names[side.index()] {
        Some(name) => format!("{} {name}", side.letter()),
        None => side.letter().to_string(),
    };
    let _ = write!(
        page,
        "<div class=\"headline\"><p class=\"who\">{which}<b class=\"a\">{}</b> <span>{}</span> ⇄ <b class=\"b\">{}</b> <span>{}</span> · {traced}</p>{}</div>",
        Escaped(&called(Side::A)),
        Escaped(&story.addresses[0]),
        Escaped(&called(Side::B)),
        Escaped(&story.addresses[1]),
        cards::draw(story, directions)
    );
}

/// Writes the bar of the cursor, which only a script can move.
fn controls(page: &mut String, number: usize) {
    let _ = write!(
        page,
        "<div class=\"controls\" hidden=\"hidden\"><button type=\"button\" class=\"back\" aria-label=\"Previous event\" title=\"Previous event (←)\">◀</button><button type=\"button\" class=\"play\" aria-label=\"Play\" title=\"Play (space)\">▶</button><button type=\"button\" class=\"on\" aria-label=\"Next event\" title=\"Next event (→)\">▶▏</button><input type=\"range\" class=\"slide\" id=\"slide{number}\" min=\"0\" value=\"0\" aria-label=\"Cursor: an event of the connection\"/><output class=\"now\" for=\"slide{number}\"></output><span class=\"st a\"></span><span class=\"st b\"></span><span class=\"said\" aria-live=\"polite\"></span></div>"
    );
}

fn ladder_panel(page: &mut String, ladder: &ladder::Ladder, story: &Story) {
    let (drawn, folded) = ladder.counts;
    let said = if folded > 0 {
        format!("{} drawn, {folded} counted in bands", count(drawn, "segment"))
    } else {
        format!("{}, each where it left and where it arrived", count(drawn, "segment"))
    };
    let one = if story.is_whole() { "" } else { "; the other end’s times are not known" };
    let long = if ladder.tall > 2_000.0 { " long" } else { "" };
    let _ = write!(
        page,
        "<div class=\"panel ladderpanel{long}\"><h2>Ladder <small>{said}{one}</small></h2><div class=\"scroll\">{}</div></div>",
        ladder.svg
    );
}

/// Draws what each direction has, of which one is shown, and the diagram.
fn pictures(page: &mut String, story: &Story, directions: &[Direction; 2], axis: &Axis, number: usize) {
    let tabs = format!(
        "<span class=\"tabs\"><label class=\"tab a\" for=\"way{number}a\">A → B</label><label class=\"tab b\" for=\"way{number}b\">B → A</label></span>"
    );
    let each = |draw: &dyn Fn(&Direction) -> String| -> String {
        let both = directions.iter().map(|direction| {
            let (from, to) = (direction.from, direction.from.other());
            format!(
                "<div class=\"way {}\"><p class=\"printed\">{} → {}</p>{}</div>",
                from.class(),
                from.letter(),
                to.letter(),
                draw(direction)
            )
        });
        both.collect()
    };
    let sliding = each(&|direction| {
        let at = sliding::telling(direction);
        format!("<p class=\"when\">at <b>{}</b></p>{}", moments::at(at), sliding::draw(direction, at))
    });
    for (title, remark, body) in [
        ("Sliding window", "what may be sent, against what is held", sliding),
        ("Sequence numbers", "octets over time", each(&|direction| graphs::sequence(story, direction, axis))),
        ("Windows", "octets over time", each(&|direction| graphs::windows(story, direction, axis))),
    ] {
        let _ =
            write!(page, "<div class=\"panel\"><h2>{title} <small>{remark}</small>{tabs}</h2>{body}</div>");
    }
    let _ = write!(
        page,
        "<div class=\"panel\"><h2>Path through the states <small>RFC 9293 figure 5; numbers are the steps of <b class=\"a\">A</b> and <b class=\"b\">B</b></small></h2>{}<p class=\"note\">Resets and abort() lead to CLOSED from everywhere: {} edges that are drawn only where they were taken, as is a timeout.</p></div>",
        diagram::draw(story),
        diagram::unrouted()
    );
}

/// Returns the tables: transitions, what breaks a rule, and what the guards did.
fn tables(story: &Story) -> String {
    let mut out = String::new();
    let broken = tables::broken(story);
    if !broken.is_empty() {
        let _ = write!(
            out,
            "<div class=\"panel\"><h2>Broken rules <small>{}</small></h2>{broken}</div>",
            story.broken.len()
        );
    }
    let _ = write!(
        out,
        "<div class=\"panel\"><h2>Transitions <small>each with its cause and the section that allows it</small></h2>{}</div>",
        tables::transitions(story)
    );
    let (guards, acts) = tables::guards(story);
    if acts > 0 {
        let _ = write!(
            out,
            "<div class=\"panel\"><h2>Guard <small>{}</small></h2>{guards}</div>",
            count(acts, "action")
        );
    }
    out
}
