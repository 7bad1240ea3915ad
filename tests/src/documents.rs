//! What the documents tell their readers to type, and how they are built.

use std::path::{Path, PathBuf};

/// Each document that tells its readers to type something, from the root of the repository.
pub const DOCUMENTS: [&str; 8] = [
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    "core/README.md",
    "docs/TCP.md",
    "packaging/README.md",
    "tests/README.md",
    "tests/tests/statements/README.md",
];

/// Returns a file by its path from the root of the repository.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// Reads a file by its path from the root of the repository.
///
/// # Panics
/// It is not there.
pub fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A part of a document, as far as two translations of it have to agree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// A heading by its level.
    Heading(usize),
    /// A fenced block: what stands behind the fence, and its lines without the indentation of the fence.
    Block(String, Vec<String>),
    /// What is shown or linked, by its address.
    Link(String),
    /// A row of a table by the number of its cells.
    Row(usize),
    /// A comment, which marks a place that a program writes.
    Mark(String),
}

/// Takes a document apart.
///
/// # Panics
/// A block does not end.
pub fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let inside = line.trim_start();
        let indent = line.len() - inside.len();
        if let Some(info) = inside.strip_prefix("```") {
            let unindented = |line: &str| line.get(indent..).unwrap_or_default().to_owned();
            let mut block = Vec::new();
            loop {
                let line = lines.next().unwrap_or_else(|| panic!("the block ```{info} does not end"));
                if line.trim_start().starts_with("```") {
                    break;
                }
                block.push(unindented(line));
            }
            parts.push(Part::Block(info.to_owned(), block));
        } else if line.starts_with('#') {
            parts.push(Part::Heading(line.chars().take_while(|&char| char == '#').count()));
        } else if line.starts_with('|') {
            parts.push(Part::Row(line.matches('|').count() - 1));
        } else if line.starts_with("<!--") {
            parts.push(Part::Mark(line.to_owned()));
        }
        if !inside.starts_with("```") {
            parts.extend(links(line).map(|address| Part::Link(address.to_owned())));
        }
    }
    parts
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// A command that a document has its readers type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Typed {
    /// The command, in one line and without a comment.
    pub command: String,
    /// What the document shows as its output.
    pub shown: Vec<String>,
}

/// Returns the commands in the blocks `console` and `sh` of a document, in their order.
///
/// # Panics
/// A block does not begin with a command.
pub fn typed(text: &str) -> Vec<Typed> {
    let mut all = Vec::new();
    for part in parts(text) {
        match part {
            Part::Block(info, lines) if info == "console" => all.extend(transcript(&lines)),
            Part::Block(info, lines) if info == "sh" => {
                let commands = joined(&lines).into_iter().filter(|line| !line.is_empty());
                all.extend(commands.map(|command| Typed { command, shown: Vec::new() }));
            }
            Part::Block(..) | Part::Heading(_) | Part::Link(_) | Part::Row(_) | Part::Mark(_) => {}
        }
    }
    all
}

/// Reads what was typed behind prompts, and what was said to it.
fn transcript(lines: &[String]) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    for line in joined(lines) {
        match line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")) {
            Some(command) => all.push(Typed { command: command.to_owned(), shown: Vec::new() }),
            None => all.last_mut().expect("a block begins with a prompt, $ or #").shown.push(line),
        }
    }
    all
}

/// Returns lines without comments, with those joined to the next that end in a backslash.
fn joined(lines: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    let mut begun = String::new();
    for line in lines {
        let line = line.split_once(" # ").map_or(line.as_str(), |(before, _)| before).trim_end();
        begun += line.trim_end_matches('\\');
        if !line.ends_with('\\') {
            all.push(core::mem::take(&mut begun));
        }
    }
    all
}

/// Returns what stands between single backticks outside of blocks.
pub fn spans(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut outside = true;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            outside = !outside;
        } else if outside {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n\nSee [`b`](c.md) and `tun-demo lab`.\n\n- in a list:\n\n  ```console\n  $ one two \\\n    three   # why\n  said\n  # four\n  ```\n\n| a | b |\n<!-- x -->\n";

    #[test]
    fn what_is_typed_loses_prompt_comment_and_line_breaks_and_keeps_what_is_shown() {
        let commands = typed(PAGE);
        assert_eq!(commands[0].command, "one two   three");
        assert_eq!(commands[0].shown, ["said"]);
        assert_eq!((commands[1].command.as_str(), commands.len()), ("four", 2));
    }

    #[test]
    fn a_document_comes_apart_in_order() {
        let parts = parts(PAGE);
        assert_eq!(parts[0], Part::Heading(1));
        assert_eq!(parts[1], Part::Link("c.md".to_owned()));
        assert!(matches!(&parts[2], Part::Block(info, lines) if info == "console" && lines.len() == 4));
        assert_eq!(parts[3..], [Part::Row(2), Part::Mark("<!-- x -->".to_owned())]);
        assert_eq!(spans(PAGE), ["b", "tun-demo lab"]);
    }
}
