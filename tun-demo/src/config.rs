//! `--config FILE`: flags in a TOML file, by their long names.
//!
//! The file becomes flags in front of those of the command line, which so decide where both say something; nothing is
//! defined twice.

use crate::args::{Arguments, Command};
use crate::exit::{FAILED, Failure, USAGE};
use crate::settings::NOT_IN_FILE;
use clap::{CommandFactory, Parser};
use sockhop_hosted::sandbox::Files;
use std::ffi::OsString;
use std::path::Path;
use toml::Value;

/// Parses a command line, with the file that it names, if it names one.
///
/// # Errors
/// As clap prints them, or a sentence that names the file and the key.
pub(crate) fn parse(line: Vec<OsString>, files: &Files) -> Result<Result<Arguments, clap::Error>, Failure> {
    let arguments = match Arguments::try_parse_from(&line) {
        Ok(arguments) => arguments,
        Err(error) => return Ok(Err(error)),
    };
    let Command::Socks5(options) = &arguments.command else { return Ok(Ok(arguments)) };
    let Some(path) = &options.config else { return Ok(Ok(arguments)) };
    let shown = path.display();
    let text = files
        .read(path)
        .map_err(|error| Failure::new(FAILED, format!("{shown}: {error}; --config names a file of flags")))?;
    let flags = flags(path, &text)?;
    // The program, its subcommand, the file, the line.
    let mut whole: Vec<OsString> = line.iter().take(2).cloned().collect();
    whole.extend(flags.into_iter().map(OsString::from));
    whole.extend(line.iter().skip(2).cloned());
    Ok(Arguments::try_parse_from(whole))
}

/// Returns the flags that a file stands for.
fn flags(path: &Path, text: &str) -> Result<Vec<String>, Failure> {
    let wrong = |what: String| Failure::new(USAGE, format!("{}: {what}", path.display()));
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let command = Arguments::command();
    let socks5 = command.find_subcommand("socks5").into_iter().flat_map(clap::Command::get_arguments);
    let known: Vec<(&str, bool)> = socks5
        .filter_map(|flag| Some((flag.get_long()?, flag.get_action().takes_values())))
        .filter(|(name, _)| !NOT_IN_FILE.contains(name))
        .collect();
    let mut flags = Vec::new();
    for (key, value) in &table {
        let Some((_, takes)) = known.iter().find(|(name, _)| name == key) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            return Err(wrong(format!("{key:?} is no flag; there are {}", names.join(", "))));
        };
        match value {
            Value::Boolean(on) if !takes => flags.extend(on.then(|| format!("--{key}"))),
            Value::Array(values) if *takes => {
                for value in values {
                    let text = plain(value)
                        .ok_or_else(|| wrong(format!("{key} has an entry that is no text or number")))?;
                    flags.push(format!("--{key}={text}"));
                }
            }
            value if *takes => {
                let text =
                    plain(value).ok_or_else(|| wrong(format!("{key} is no text, number or list of them")))?;
                flags.push(format!("--{key}={text}"));
            }
            _ => return Err(wrong(format!("{key} is true or false"))),
        }
    }
    Ok(flags)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        flags(Path::new("a.toml"), text).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_printed_file_is_read_with_every_setting_switched_on() {
        let mut printed = Vec::new();
        crate::settings::print(&mut printed).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(read(&printed), Ok(vec![]), "as it is printed it changes nothing");
        let on: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix('#')).collect();
        let on: Vec<&str> = on.into_iter().filter(|line| !line.starts_with(' ')).collect();
        assert!(on.len() > 20, "{on:?}");
        let text = on.join("\n");
        let flags = read(&text).unwrap();
        for name in ["--port=1080", "--addr=198.18.0.2/30", "--egress=host", "--drain=0", "--log=text"] {
            assert!(flags.iter().any(|flag| flag == name), "{name} is not in {flags:?}");
        }
        assert!(printed.lines().all(|line| line.len() <= 100), "{printed}");
    }

    #[test]
    fn every_flag_of_the_help_is_accepted_in_a_file_and_says_the_same_there() {
        let values = [
            ("listen", "\"127.0.0.1:1080\""),
            ("most", "9"),
            ("tun", "\"tun9\""),
            ("addr", "\"10.9.9.2/30\""),
            ("addr6", "\"none\""),
            ("port", "1081"),
            ("user", "[\"ann:secret\", \"bob:hidden\"]"),
            ("users", "\"users\""),
            ("egress", "\"socks5://192.0.2.1:9050\""),
            ("setup", "true"),
            ("trace", "\"x.jsonl\""),
            ("top", "true"),
            ("control", "\"none\""),
            ("deny", "[\"10.0.0.0/8\", \"any:25\"]"),
            ("allow", "\"loopback\""),
            ("per-source", "7"),
            ("rate", "0.5"),
            ("no-resolve", "true"),
            ("mtu", "1500"),
            ("no-offload", "true"),
            ("workers", "2"),
            ("ladder", "true"),
            ("handshake-timeout", "2.5"),
            ("connect-timeout", "3"),
            ("activated", "true"),
            ("log", "\"json\""),
            ("metrics", "\"127.0.0.1:9102\""),
            ("drain", "30"),
            ("run-as", "\"1000:1000\""),
            ("no-sandbox", "true"),
            ("names", "\"libc\""),
        ];
        let command = Arguments::command();
        let socks5 = command.find_subcommand("socks5").unwrap();
        for name in socks5.get_arguments().filter_map(clap::Arg::get_long) {
            if ["config", "help"].contains(&name) {
                continue;
            }
            let (_, value) = values
                .iter()
                .find(|(flag, _)| *flag == name)
                .unwrap_or_else(|| panic!("--{name} has no value here"));
            let written = read(&format!("{name} = {value}")).unwrap();
            let line = ["tun-demo", "socks5"].into_iter().chain(written.iter().map(String::as_str));
            let read = Arguments::try_parse_from(line).unwrap_or_else(|error| panic!("{name}: {error}"));
            let Command::Socks5(read) = read.command else { panic!("it is socks5") };
            let Ok(Arguments { command: Command::Socks5(plain) }) =
                Arguments::try_parse_from(["tun-demo", "socks5"])
            else {
                panic!("no flag is needed")
            };
            assert_ne!(format!("{read:?}"), format!("{plain:?}"), "{name} says nothing");
        }
    }

    #[test]
    fn every_kind_of_flag_has_its_value() {
        let text =
            "port = 1081\nladder = true\nhandshake-timeout = 2.5\ndeny = [\"10.0.0.0/8\", \"any:25\"]\n";
        let mut flags = read(text).unwrap();
        flags.sort();
        let wanted =
            ["--deny=10.0.0.0/8", "--deny=any:25", "--handshake-timeout=2.5", "--ladder", "--port=1081"];
        assert_eq!(flags, wanted);
        assert_eq!(read("ladder = false"), Ok(vec![]));
        for (text, said) in [
            ("prot = 1", "a.toml: \"prot\" is no flag; there are listen,"),
            ("config = \"b\"", "\"config\" is no flag"),
            ("port = true", "port is no text"),
            ("ladder = 1", "ladder is true or false"),
            ("deny = [[1]]", "deny has an entry"),
            ("port = ", "a.toml"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
