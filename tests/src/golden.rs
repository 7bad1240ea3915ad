//! Texts that stand in files: a test fails when the program says something else, and writes it down when told to.

use std::path::{Path, PathBuf};

/// Returns a file of this package by its path.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a text with what stands in a file of this package; with `SOCKHOP_BLESS=1` the file is written.
///
/// # Panics
/// They differ; the first line that does is shown.
pub fn hold(name: &str, text: &str) {
    let path = path(name);
    if std::env::var_os("SOCKHOP_BLESS").is_some_and(|value| value == "1") {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the folder can be made");
        }
        std::fs::write(&path, text).expect("the file can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let different = known.lines().zip(text.lines()).position(|(known, said)| known != said);
    let line = different.unwrap_or(known.lines().count().min(text.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
    assert!(
        known == text,
        "{name}, line {}:\n  known: {}\n  said:  {}\nIf that is better, run the test with SOCKHOP_BLESS=1.",
        line + 1,
        at(&known),
        at(text)
    );
}
