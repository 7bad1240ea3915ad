//! What a trace looks like in each of its written forms, as it stands in files.

use sockhop::trace::{Event, Header, View};
use sockhop_hosted::lab::{Outcome, Scenario, play};
use sockhop_hosted::ladder::{Style, draw, draw_one};
use sockhop_hosted::report::{Format, Trace};
use sockhop_tests::golden::hold;

#[test]
fn a_refusal_has_these_words_in_each_written_form() {
    let trace = Trace {
        header: Header::new("proxy", 0, 65_535),
        events: played("socks-refused").b,
        ..Trace::default()
    };
    for (name, format) in [
        ("txt", Format::Text),
        ("jsonl", Format::JsonLines),
        ("sqlog", Format::SeqLog),
        ("mmd", Format::Mermaid),
    ] {
        let mut octets = Vec::new();
        format.write(&trace, &mut octets).expect("memory takes everything");
        hold(&format!("golden/trace/refused.{name}"), &String::from_utf8(octets).expect("it is text"));
    }
}

#[test]
fn a_window_that_closes_looks_like_this_from_both_ends_and_from_one() {
    let outcome = played("window");
    let names = ("A  client", "B  proxy");
    let both = draw(names, &outcome.a, &outcome.b, (1, 1), Style::default());
    hold("golden/trace/window.both.txt", &both);
    let one = draw_one(("A  proxy", "peer"), &outcome.b, 1, Style::default());
    hold("golden/trace/window.one.txt", &one);
}

#[test]
fn what_is_lost_stands_in_every_picture() {
    let outcome = played("socks5");
    let mut events = outcome.b.clone();
    let lost = Event::of(View::Lost { events: 5 }).at(events[24].serial(), 0, events[24].time());
    events.splice(20..25, [lost]);
    let trace = Trace { events, ..Trace::default() };
    assert_eq!(trace.lost(), 5);
    let both = draw(("A", "B"), &outcome.a, &trace.events, (1, 1), Style::default());
    assert!(both.contains("⚠ 5 events lost"), "{both}");
    assert!(draw_one(("A", "B"), &trace.events, 1, Style::default()).contains("⚠ 5 events lost"));
    for format in [Format::Text, Format::JsonLines, Format::SeqLog, Format::Mermaid, Format::Pcapng] {
        let mut octets = Vec::new();
        format.write(&trace, &mut octets).expect("memory takes everything");
        let text = String::from_utf8_lossy(&octets);
        assert!(text.contains("lost"), "{format:?} says so");
    }
}

fn played(name: &str) -> Outcome {
    let scenario = Scenario::all().into_iter().find(|scenario| scenario.name == name);
    play(&scenario.expect("it is in the list"), 1).expect("every scenario starts")
}
