//! The pictures in the documents are the program's own.

use sockhop_hosted::lab::{Scenario, play, tell};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::states::diagram;
use sockhop_tests::golden;

/// The columns of pictures in documents.
const COLUMNS: usize = 80;

#[test]
fn every_picture_in_the_walk_through_is_what_the_program_prints() {
    let page = std::fs::read_to_string(golden::path("../docs/TCP.md")).expect("the page is there");
    let (drawn, count) = redraw(&page);
    assert!(count > 8, "{count} pictures");
    golden::hold("../docs/TCP.md", &drawn);
}

#[test]
fn the_walk_through_has_every_scenario_in_the_order_of_the_course() {
    let page = std::fs::read_to_string(golden::path("../docs/TCP.md")).expect("the page is there");
    let places: Vec<usize> = Scenario::all()
        .iter()
        .map(|scenario| {
            let wanted = format!("**`lab {}`", scenario.name);
            page.find(&wanted).unwrap_or_else(|| panic!("{wanted} has its place"))
        })
        .collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_picture_in_the_readme_is_what_the_program_prints() {
    let page = std::fs::read_to_string(golden::path("../README.md")).expect("it is there");
    let begins = page.find("```text\n    time").expect("it has a picture") + "```text\n".len();
    let shown = page[begins..].split("```").next().expect("it ends");
    assert!(shown.lines().count() > 10);
    let wide = Style { columns: 100, ..Style::default() };
    assert!(part("socks5", "picture", wide).starts_with(shown), "{shown}");
}

/// Returns a page with the blocks that name a picture filled, and how many they are.
fn redraw(page: &str) -> (String, usize) {
    let (mut out, mut count, mut within) = (String::new(), 0, false);
    for line in page.lines() {
        let picture = line.strip_prefix("```text ").map(|what| what.split(' ').collect::<Vec<_>>());
        if let Some(what) = &picture {
            within = true;
            count += 1;
            out += &format!("{line}\n{}", drawn(what));
            continue;
        }
        within &= line != "```";
        if !within {
            out += &format!("{line}\n");
        }
    }
    (out, count)
}

fn drawn(what: &[&str]) -> String {
    match what {
        ["states"] => diagram(Style::default()),
        ["lab", name, which] => part(name, which, Style { columns: COLUMNS, ..Style::default() }),
        other => panic!("nobody can draw {other:?}"),
    }
}

/// Returns a part of what a scenario says.
fn part(name: &str, which: &str, style: Style) -> String {
    let scenario = Scenario::named(name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    let outcome = play(&scenario, 1).expect("it starts");
    let told = tell(&scenario, &outcome, style);
    let parts: Vec<&str> = told.trim_end().split("\n\n").collect();
    let found = match which {
        "picture" => parts.get(1),
        "table" => parts.get(2),
        "account" => parts.last(),
        other => panic!("a scenario has no {other}"),
    };
    found.map(|part| format!("{part}\n")).expect("it has this part")
}
