//! What Chromium makes of a page.

use sockhop_hosted::report::html::{End, page};
use sockhop_hosted::sim::{Plan, Profile};
use sockhop_tests::netns::{allowed, lacking};
use sockhop_tests::pages::{Measured, Traces, stalled, transfer};
use std::path::PathBuf;

/// Writes a page where only this test does.
fn file(name: &str, page: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sockhop-{}-{name}.html", std::process::id()));
    std::fs::write(&path, page).expect("the page can be written");
    path
}

/// Asserts that a page has no errors, that no labels overlap, and that everything is in its place.
fn hold(name: &str, page: &str, looks: &[(&str, (u32, u32))]) {
    let path = file(name, page);
    for (theme, size) in looks {
        let measured = Measured::new(&path, theme, *size);
        for (word, expected) in [("errors ", 0), ("overlaps ", 0), ("wider ", 0)] {
            assert_eq!(
                measured.number(word),
                Some(expected),
                "{name} {theme} {size:?}: {:#?}",
                measured.lines
            );
        }
        assert!(measured.lines.iter().any(|line| line == "live true"), "{name}: {:#?}", measured.lines);
    }
    std::fs::remove_file(path).expect("the page was written");
}

#[test]
fn a_page_draws_without_errors_in_both_themes_at_three_sizes() {
    if !allowed("a_page_draws_without_errors_in_both_themes_at_three_sizes", &lacking(&["chromium"])) {
        return;
    }
    let page = Traces::of(&stalled()).page("window");
    let sizes = [(500, 900), (1_100, 900), (1_900, 1_200)];
    let looks: Vec<_> =
        ["light", "dark"].into_iter().flat_map(|theme| sizes.map(|size| (theme, size))).collect();
    hold("sizes", &page, &looks);
}

#[test]
fn no_labels_overlap_whatever_happens_on_the_link() {
    if !allowed("no_labels_overlap_whatever_happens_on_the_link", &lacking(&["chromium"])) {
        return;
    }
    let wide = [("light", (1_500, 1_000))];
    hold("handshake", &Traces::of(&transfer(1, 0)).first(16).page("handshake"), &wide);
    hold("loss", &Traces::of(&transfer(300_000, 20)).page("loss"), &wide);
    let one = Traces::of(&transfer(30_000, 20));
    hold("one", &page("one end", &[End { name: "b", events: &one.b }]), &wide);
    for seed in [1, 3, 8] {
        hold(
            &format!("hostile-{seed}"),
            &Traces::of(&Plan::new(seed, Profile::Hostile)).page("hostile"),
            &wide,
        );
        hold(&format!("faults-{seed}"), &Traces::of(&Plan::new(seed, Profile::Faults)).page("faults"), &wide);
    }
}
