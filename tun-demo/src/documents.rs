//! Every command line of ours in a document, or in an example of the help, is one that the flags' definition takes.

use crate::args::Arguments;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Parser};
use sockhop_tests::documents::{DOCUMENTS, read, spans, typed};
use std::collections::BTreeSet;

/// Documents that have nobody type anything, but name commands and flags.
const OTHERS: [&str; 4] = ["ARCHITECTURE.md", "CHANGELOG.md", "DEPENDENCIES.md", "SECURITY.md"];

#[test]
fn every_command_line_in_the_documents_is_taken() {
    let mut count = 0;
    for document in DOCUMENTS.into_iter().chain(OTHERS) {
        let text = read(document);
        let named = spans(&text).into_iter().chain(typed(&text).into_iter().map(|typed| typed.command));
        for line in named {
            for command in ours(&line) {
                taken(document, &command);
                count += 1;
            }
        }
    }
    assert!(count > 60, "{count} command lines were found");
}

#[test]
fn every_flag_that_the_documents_name_is_there() {
    let (mut known, mut count) = (BTreeSet::new(), 0);
    flags(&Arguments::command(), &mut known);
    for document in DOCUMENTS.into_iter().chain(OTHERS) {
        // Those behind `--test` are cargo's.
        for span in spans(&read(document)).iter().filter(|span| !span.starts_with("--test ")) {
            let named = span.split(' ').next().and_then(|word| word.strip_prefix("--"));
            if let Some(flag) = named.and_then(|word| word.split('=').next()) {
                assert!(known.contains(flag), "{document}: there is no --{flag}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count} flags were found");
}

#[test]
fn every_example_of_the_help_is_taken_and_fits_a_line_of_100_columns() {
    let mut count = 0;
    examples(&Arguments::command(), &mut count);
    assert!(count > 50, "{count} examples were found");
}

fn examples(command: &Command, count: &mut u32) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for line in help.lines().filter(|line| line.starts_with("  ")) {
        assert!(line.chars().count() <= 100, "{} has its help folded: {line}", command.get_name());
    }
    // What an example does stands behind two spaces.
    let lines = help.lines().filter_map(|line| line.trim_start().split("  ").next());
    for example in lines.flat_map(ours) {
        taken(command.get_name(), &example);
        *count += 1;
    }
    command.get_subcommands().for_each(|command| examples(command, count));
}

fn flags(command: &Command, known: &mut BTreeSet<String>) {
    known.extend(command.get_arguments().filter_map(|flag| flag.get_long()).map(str::to_owned));
    known.extend(["help", "version"].map(str::to_owned));
    command.get_subcommands().for_each(|command| flags(command, known));
}

/// Fails when these words are no command line; one that only names a command may lack what it needs.
fn taken(place: &str, words: &[String]) {
    let said = Arguments::try_parse_from(words).err().map(|error| (error.kind(), error));
    let Some((kind, error)) = said else { return };
    let named = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ErrorKind::DisplayVersion,
    ];
    let without_value = error.get(ContextKind::InvalidValue) == Some(&ContextValue::String(String::new()));
    assert!(named.contains(&kind) || without_value, "{place}: {}: {error}", words.join(" "));
}

/// Returns the command lines of ours in a line for a shell.
fn ours(line: &str) -> Vec<Vec<String>> {
    let line = line.replace("cargo run --release --", "tun-demo").replace("cargo run --", "tun-demo");
    let mut found = Vec::new();
    for words in commands(&line) {
        let own = words.iter().position(|word| word.rsplit('/').next() == Some("tun-demo"));
        let before = |at: &usize| words[..*at].iter().all(|word| word == "sudo" || word.contains('='));
        if let Some(at) = own.filter(before) {
            found.push(words[at..].to_vec());
        }
    }
    found
}

/// Splits a line at what joins commands, and each command into its words, as far as documents need it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    for char in line.chars().chain([';']) {
        match char {
            '\'' | '"' => quoted = !quoted,
            _ if quoted => word.push(char),
            ' ' | '|' | ';' | '&' | '>' | '<' => {
                words.extend((!word.is_empty()).then(|| core::mem::take(&mut word)));
                if char != ' ' {
                    all.push(core::mem::take(&mut words));
                }
            }
            _ => word.push(char),
        }
    }
    all
}
