//! What stands in a page.

use roxmltree::{Document, Node, ParsingOptions};
use sockhop::tcp::{Flags, Marks};
use sockhop::trace::{Event, View};
use sockhop_hosted::report::html::{End, page};
use sockhop_hosted::sim::{Plan, Profile};
use sockhop_tests::golden;
use sockhop_tests::pages::{Traces, stalled, transfer};

/// Returns a page as the tree that it is: pages are well-formed XML beside being HTML.
fn tree(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).expect("a page is well-formed")
}

/// Returns the elements that have this class.
fn classed<'a>(tree: &'a Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    let has = |node: &Node<'_, '_>| {
        node.attribute("class").is_some_and(|classes| classes.split_whitespace().any(|one| one == class))
    };
    tree.descendants().filter(has).collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

fn sent(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event.view(), Some(View::Segment { sent: true, .. }))).count()
}

fn again(events: &[Event]) -> usize {
    let is = |event: &&Event| match event.view() {
        Some(View::Segment { sent: true, marks, .. }) => {
            marks.contains(Marks::RETRANSMIT) && !marks.contains(Marks::PROBE)
        }
        _ => false,
    };
    events.iter().filter(is).count()
}

#[test]
fn every_page_is_well_formed() {
    for seed in 0..12 {
        for profile in Profile::ALL {
            let traces = Traces::of(&Plan::new(seed, profile));
            tree(&traces.page("a seed"));
        }
    }
}

#[test]
fn a_title_or_a_name_with_markup_is_text() {
    let traces = Traces::of(&transfer(100, 0));
    let evil = "<script>alert(1)</script> & \"quotes\" 'and' \u{1} more";
    let page = page(evil, &[End { name: evil, events: &traces.a }, End { name: "]]>", events: &traces.b }]);
    assert!(!page.contains("<script>alert"));
    let tree = tree(&page);
    let heading = tree.descendants().find(|node| node.has_tag_name("h1")).expect("there is a heading");
    assert_eq!(text(heading), evil.replace('\u{1}', "\u{fffd}"));
}

#[test]
fn every_transition_stands_in_the_table_and_in_the_ladder() {
    for plan in [transfer(5_000, 0), stalled(), Plan::new(3, Profile::Hostile)] {
        let traces = Traces::of(&plan);
        let page = traces.page("transitions");
        let tree = tree(&page);
        let change = |event: &Event| match event.view() {
            Some(View::State { from, to, cause, .. }) => {
                Some((event.time(), format!("{from} → {to}"), cause.to_string()))
            }
            _ => None,
        };
        let mut changes: Vec<_> = traces.a.iter().chain(&traces.b).filter_map(change).collect();
        changes.sort_by_key(|change| change.0);
        let table = classed(&tree, "transitions")[0];
        let rows: Vec<String> =
            table.descendants().filter(|node| node.has_tag_name("tr")).map(text).skip(1).collect();
        assert_eq!(rows.len(), changes.len());
        for (_, change, cause) in changes {
            let found =
                rows.iter().any(|row| row.contains(&change) && row.contains(&cause) && row.contains("✓ §"));
            assert!(found, "{change} by {cause} in {rows:#?}");
        }
        assert_eq!(classed(&tree, "pill").len(), rows.len());
    }
}

#[test]
fn nothing_remarkable_is_folded_away() {
    for (octets, loss) in [(60_000, 0), (60_000, 30), (1_200_000, 15)] {
        let traces = Traces::of(&transfer(octets, loss));
        let page = traces.page("loss");
        let tree = tree(&page);
        let count = again(&traces.a) + again(&traces.b);
        let drawn = |class: &str, within: &str| {
            let of = |node: &Node<'_, '_>| {
                node.ancestors()
                    .any(|above| above.attribute("class").is_some_and(|class| class.starts_with(within)))
            };
            classed(&tree, class).into_iter().filter(of).count()
        };
        assert_eq!(drawn("again", "ladder"), count, "arrows of {octets} octets with {loss}");
        assert_eq!(drawn("redone", "sequence"), count, "marks of {octets} octets with {loss}");
        assert!(loss == 0 || count > 0);
    }
}

#[test]
fn a_closed_window_is_told_everywhere() {
    let traces = Traces::of(&stalled());
    let page = traces.page("window");
    let tree = tree(&page);
    let cards: Vec<String> = classed(&tree, "card").into_iter().map(text).collect();
    assert!(cards.iter().any(|card| card.contains("zero window stopped A")), "{cards:?}");
    let zero = classed(&tree, "w-zero");
    assert!(zero.len() >= 3, "a lane and both graphs: {}", zero.len());
    assert!(classed(&tree, "mark").into_iter().any(|mark| text(mark).contains("window reopened")));
    assert!(!classed(&tree, "probed").is_empty());
}

#[test]
fn every_segment_is_drawn_or_counted() {
    for plan in [transfer(3_000, 0), transfer(400_000, 20), Plan::new(1, Profile::Hostile)] {
        let traces = Traces::of(&plan);
        let page = traces.page("all");
        let tree = tree(&page);
        let panel = classed(&tree, "ladderpanel")[0];
        let said = text(panel.descendants().find(|node| node.has_tag_name("small")).expect("a remark"));
        let number =
            |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse::<usize>();
        let (drawn, rest) = said.split_once("segment").expect("segments are counted");
        let folded = rest.split_once(" counted").map_or(0, |(before, _)| number(before).expect("a number"));
        let copies = classed(&tree, "copy").len();
        let all = number(drawn).expect("a number") + folded;
        let least = sent(&traces.a) + sent(&traces.b);
        assert!(all >= least && all <= least + copies + folded, "{said}: {least} sent, {copies} copies");
    }
}

#[test]
fn lost_events_are_told_first() {
    let mut traces = Traces::of(&transfer(30_000, 0));
    traces.b.drain(40..52);
    let page = traces.page("gaps");
    let tree = tree(&page);
    let warning = text(classed(&tree, "warning")[0]);
    assert!(warning.contains("B (listener) lost 12 events"), "{warning}");
}

#[test]
fn one_end_is_enough() {
    let traces = Traces::of(&transfer(30_000, 10));
    for events in [&traces.a, &traces.b] {
        let page = page("one", &[End { name: "this end", events }]);
        let tree = tree(&page);
        assert!(page.contains("only A recorded") && page.contains("losses show only with both ends"));
        assert!(classed(&tree, "lost").is_empty(), "nobody knows what was lost");
        assert!(!classed(&tree, "arrow").is_empty());
    }
}

#[test]
fn a_page_of_nothing_says_so() {
    for ends in [&[][..], &[End { name: "a", events: &[] }]] {
        let page = page("nothing", ends);
        tree(&page);
        assert!(page.contains("there is nothing to draw"));
    }
}

#[test]
fn several_connections_are_listed_and_the_busiest_comes_first() {
    let (small, large) = (Traces::of(&transfer(500, 0)), Traces::of(&transfer(50_000, 0)));
    let renumbered = |events: &[Event], flow: u32| -> Vec<Event> {
        let own = events.iter().filter(|event| event.flow() == 1);
        own.map(|event| event.at(event.serial(), flow, event.time())).collect()
    };
    let events: Vec<Event> =
        (2..14).flat_map(|flow| renumbered(&small.a, flow)).chain(renumbered(&large.a, 1)).collect();
    let page = page("many", &[End { name: "a", events: &events }]);
    let tree = tree(&page);
    let index = text(classed(&tree, "index")[0]);
    assert!(
        index.contains("13 connections") && index.contains("8 drawn below") && index.contains("not drawn"),
        "{index}"
    );
    assert_eq!(classed(&tree, "flow").len(), 8);
    let first = text(classed(&tree, "card")[0]);
    assert!(first.contains("50\u{202f}000 from A"), "{first}");
}

#[test]
fn the_same_events_give_the_same_page() {
    let plan = Plan::new(8, Profile::Hostile);
    assert!(Traces::of(&plan).page("again") == Traces::of(&plan).page("again"));
}

#[test]
fn a_page_is_small_for_what_it_shows() {
    let large = Traces::of(&transfer(6_000_000, 5));
    assert!(large.len() >= 10_000, "{} events", large.len());
    for (events, most) in [(10, 80_000), (205, 200_000), (10_000, 3_000_000)] {
        let page = large.first(events).page("sizes");
        tree(&page);
        assert!(page.len() < most, "{events} events take {} octets", page.len());
    }
}

#[test]
fn a_handshake_is_drawn_as_it_always_was() {
    let traces = Traces::of(&transfer(100, 0));
    let until = |events: &[Event]| {
        let open = |event: &Event| matches!(event.view(), Some(View::Segment { flags, .. }) if flags.contains(Flags::PSH));
        let place = events.iter().position(open).unwrap_or(events.len());
        events[..place].to_vec()
    };
    let page = Traces { a: until(&traces.a), b: until(&traces.b) }.page("Handshake");
    let (_, body) = page.split_once("</style>").expect("a page has a style");
    let (body, _) = body.split_once("<script>").expect("a page has a script");
    golden::hold("golden/report/handshake.html", &body.replace("><", ">\n<"));
}
