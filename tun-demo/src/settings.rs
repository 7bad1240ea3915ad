//! `tun-demo config print`: a file for `--config` with everything that can stand in it, made of the flags' definition.

use crate::args::Arguments;
use crate::exit::Failure;
use clap::{Arg, CommandFactory};
use std::io::Write;

/// Columns of a comment.
const WIDTH: usize = 100;

/// Flags that have no meaning in the file.
pub(crate) const NOT_IN_FILE: [&str; 2] = ["config", "help"];

/// Writes every setting with its help and its default, switched off.
pub(crate) fn print(out: &mut impl Write) -> Result<(), Failure> {
    let command = Arguments::command();
    writeln!(
        out,
        "# Settings of `tun-demo socks5 --config FILE`. What is commented out has the value shown."
    )?;
    writeln!(out, "# SIGHUP has the file read again; the command line decides where both say something.")?;
    for flag in command.find_subcommand("socks5").into_iter().flat_map(clap::Command::get_arguments) {
        let Some(name) = flag.get_long().filter(|name| !NOT_IN_FILE.contains(name)) else { continue };
        writeln!(out)?;
        let help =
            flag.get_long_help().or_else(|| flag.get_help()).map(ToString::to_string).unwrap_or_default();
        for line in help.lines().filter(|line| !line.is_empty()) {
            comment(line, out)?;
        }
        writeln!(out, "#{name} = {}", value(flag))?;
    }
    Ok(out.flush()?)
}

fn comment(text: &str, out: &mut impl Write) -> std::io::Result<()> {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            writeln!(out, "{line}")?;
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")
}

/// Returns a flag's default as TOML has it, or an example of its kind.
fn value(flag: &Arg) -> String {
    if !flag.get_action().takes_values() {
        return "false".to_owned();
    }
    let many = matches!(flag.get_action(), clap::ArgAction::Append);
    let shown = |text: &str| match text.parse::<f64>() {
        Ok(_) => text.to_owned(),
        Err(_) => format!("{text:?}"),
    };
    let default = flag.get_default_values().first().map(|value| shown(&value.to_string_lossy()));
    match default {
        Some(default) => default,
        None if many => "[]".to_owned(),
        None => {
            let name = flag.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
            format!("{:?}", name.unwrap_or_default())
        }
    }
}
