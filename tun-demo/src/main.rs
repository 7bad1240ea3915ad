//! A SOCKS proxy on a userspace TCP stack that lets you watch TCP work.

mod args;
mod asking;
mod config;
mod descriptors;
mod doctor;
#[cfg(test)]
mod documents;
mod echo;
mod exit;
mod explain;
mod lab;
mod lockdown;
mod log;
mod netstat;
mod passwd;
mod printer;
mod recording;
mod report;
mod service;
mod settings;
mod shown;
mod sim;
mod socks5;
mod states;
mod top;
mod trace;
mod transfer;

use args::{Arguments, Command, ConfigCommand};
use clap::CommandFactory;
use exit::Failure;
use sockhop_hosted::sandbox::Files;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match config::parse(std::env::args_os().collect(), &Files::default()) {
        Ok(Ok(arguments)) => run(&arguments.command),
        Ok(Err(error)) => {
            // A reader that has gone has seen enough.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "tun-demo: {failure}");
            failure.code.into()
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    // These print from threads of their own.
    if let Command::Socks5(options) = command {
        return socks5::run(options);
    }
    if let Command::Send(options) = command {
        return transfer::send::run(options, &mut std::io::stdout());
    }
    if let Command::Receive(options) = command {
        return transfer::receive::run(options);
    }
    if let Command::Echo(options) = command {
        return echo::run(options);
    }
    if let Command::Ping(options) = command {
        return echo::ping::run(options, &mut std::io::stdout());
    }
    let mut out = std::io::stdout().lock();
    match command {
        Command::Socks5(_) | Command::Send(_) | Command::Receive(_) | Command::Echo(_) | Command::Ping(_) => {
            Ok(())
        }
        Command::Netstat(options) => netstat::run(options, &mut out),
        Command::Top(options) => top::run(options),
        Command::Lab(options) => lab::run(options, &mut out),
        Command::Sim(options) => sim::play(options, &mut out),
        Command::Trace(options) => trace::run(options, &mut out),
        Command::Explain(options) => explain::run(options, &mut out),
        Command::Passwd(options) => passwd::run(options, &mut out),
        Command::Config(ConfigCommand::Print) => settings::print(&mut out),
        Command::Doctor => doctor::run(&mut out),
        Command::States(options) => Ok(states::print(options, &mut out)?),
        Command::Completions { shell } => {
            // Through memory, because the generator panics when its reader has gone.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "tun-demo", &mut script);
            Ok(out.write_all(&script)?)
        }
        Command::Man { to: None } => man(&mut out),
        Command::Man { to: Some(folder) } => clap_mangen::generate_to(Arguments::command(), folder)
            .map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", folder.display()))),
    }
}

/// Writes the manual page: the command, then each of its subcommands.
fn man(out: &mut impl Write) -> Result<(), Failure> {
    let command = Arguments::command();
    clap_mangen::Man::new(command.clone()).render(out)?;
    sections("tun-demo", &command, out)
}

/// Writes a section for each subcommand, and behind it those of its own subcommands.
fn sections(above: &str, command: &clap::Command, out: &mut impl Write) -> Result<(), Failure> {
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        let name = format!("{above} {}", part.get_name());
        let page = clap_mangen::Man::new(part.clone().display_name(name.clone()));
        writeln!(out, ".SH \"{}\"", name.to_uppercase())?;
        page.render_synopsis_section(out)?;
        page.render_description_section(out)?;
        page.render_options_section(out)?;
        page.render_extra_section(out)?;
        sections(&name, part, out)?;
    }
    Ok(())
}

/// Returns whether nobody forbids colours (no-color.org), and the terminal is not said to be without them.
fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Returns whether colours are wanted on standard output.
fn colour() -> bool {
    may_colour() && std::io::stdout().is_terminal()
}

/// Returns the columns of standard output: those of the terminal, those that `COLUMNS` says, or 0 if nobody says.
fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|value| value.parse().ok());
    let terminal = || Some(usize::from(rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_col));
    said.or_else(terminal).unwrap_or(0)
}
