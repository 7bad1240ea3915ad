//! The pictures in the documents are the program's own, and each module shows how it is used.

use sockhop_hosted::lab::{Scenario, play, tell};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::states::diagram;
use sockhop_tests::golden;
use std::fs;
use std::path::{Path, PathBuf};

/// The columns of pictures in documents.
const COLUMNS: usize = 80;

#[test]
fn every_picture_in_the_walk_through_is_what_the_program_prints() {
    let page = fs::read_to_string(golden::path("../docs/TCP.md")).expect("the page is there");
    let (drawn, count) = redraw(&page);
    assert!(count > 8, "{count} pictures");
    golden::hold("../docs/TCP.md", &drawn);
}

#[test]
fn the_walk_through_has_every_scenario_in_the_order_of_the_course() {
    let page = fs::read_to_string(golden::path("../docs/TCP.md")).expect("the page is there");
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
    let page = fs::read_to_string(golden::path("../README.md")).expect("it is there");
    let begins = page.find("```text\n    time").expect("it has a picture") + "```text\n".len();
    let shown = page[begins..].split("```").next().expect("it ends");
    assert!(shown.lines().count() > 10);
    let wide = Style { columns: 100, ..Style::default() };
    assert!(part("socks5", "picture", wide).starts_with(shown), "{shown}");
}

/// The most lines of an example that are shown.
const EXAMPLE: usize = 20;

#[test]
fn each_public_module_has_an_example_or_says_where_one_is() {
    let mut count = 0;
    for source in ["../core/src/lib.rs", "../hosted/src/lib.rs"] {
        for (name, files) in modules(&golden::path(source)) {
            let texts: Vec<String> =
                files.iter().map(|file| fs::read_to_string(file).expect("a module has files")).collect();
            // What stands elsewhere is told on the module's own page.
            let elsewhere = texts[0].lines().any(|line| line.starts_with("//! The example is "));
            let examples: Vec<usize> = texts.iter().flat_map(|text| examples(text)).collect();
            assert!(elsewhere || !examples.is_empty(), "{name} has no example");
            assert!(
                examples.iter().all(|lines| *lines <= EXAMPLE),
                "{name}: an example of {examples:?} lines"
            );
            count += 1;
        }
    }
    assert!(count > 40, "{count} modules");
}

/// Returns the public modules below a file, each with its files; the first of them has its page.
fn modules(file: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut all = Vec::new();
    for line in text.lines() {
        let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        let folder = file.with_file_name(name);
        let (single, page) = (folder.with_extension("rs"), folder.join("mod.rs"));
        let page = if single.exists() { single } else { page };
        all.extend(modules(&page));
        let mut files = vec![page.clone()];
        if page.ends_with("mod.rs") {
            let parts = fs::read_dir(&folder).expect("it is there").filter_map(Result::ok);
            files.extend(parts.map(|part| part.path()).filter(|path| path.is_file() && *path != page));
        }
        all.push((format!("{}: {name}", file.display()), files));
    }
    all
}

/// Returns the length of each example that the doc tests run or compile, without what is hidden.
fn examples(text: &str) -> Vec<usize> {
    let (mut lengths, mut open) = (Vec::new(), None);
    for line in text.lines() {
        let line = line.trim_start();
        let Some(doc) = line.strip_prefix("//!").or_else(|| line.strip_prefix("///")) else {
            continue;
        };
        match (doc.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => lengths.extend(open.take().flatten()),
            // A drawing is no example.
            (Some(kind), None) => open = Some(["", "no_run"].contains(&kind).then_some(0)),
            (None, Some(Some(lines))) if !doc.starts_with(" #") => *lines += 1,
            (None, _) => {}
        }
    }
    lengths
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
