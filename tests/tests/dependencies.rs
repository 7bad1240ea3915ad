//! Every direct dependency has a reason, and every reason a dependency.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the crates that a manifest asks for, in any of its tables of dependencies.
fn asked_for(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if inside && let Some((name, _)) = line.split_once('=') {
            names.insert(name.trim().trim_end_matches(".workspace").to_owned());
        }
    }
    names
}

#[test]
fn the_table_has_each_direct_dependency_with_a_reason_and_no_other() {
    let manifests = ["core/Cargo.toml", "hosted/Cargo.toml", "tun-demo/Cargo.toml", "tests/Cargo.toml"];
    let asked: BTreeSet<String> = manifests.iter().flat_map(|path| asked_for(&read(path))).collect();
    let asked: BTreeSet<String> = asked.into_iter().filter(|name| !name.starts_with("sockhop")).collect();
    assert!(asked.len() > 20, "{asked:?}");
    let table = read("DEPENDENCIES.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut explained = BTreeSet::new();
    for (name, rest) in rows {
        let why = rest.trim_end_matches('|').split(" | ").nth(1).unwrap_or_default().trim();
        assert!(why.len() > 3, "{name} has no reason");
        assert!(explained.insert(name.to_owned()), "{name} is there twice");
    }
    assert_eq!(explained, asked);
}

#[test]
fn the_workspace_names_no_crate_that_nobody_asks_for() {
    let manifests = ["core/Cargo.toml", "hosted/Cargo.toml", "tun-demo/Cargo.toml", "tests/Cargo.toml"];
    let asked: BTreeSet<String> = manifests.iter().flat_map(|path| asked_for(&read(path))).collect();
    let named = asked_for(&read("Cargo.toml"));
    assert_eq!(named.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new());
}
