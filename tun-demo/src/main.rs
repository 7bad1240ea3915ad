//! A SOCKS proxy on a userspace TCP stack that lets you watch TCP work.

mod args;
mod config;
mod doctor;
mod exit;
mod explain;
mod lab;
mod lockdown;
mod log;
mod passwd;
mod printer;
mod service;
mod settings;
mod sim;
mod socks5;
mod states;

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
    if let Command::Socks5(options) = command {
        // It prints from a thread of its own.
        return socks5::run(options);
    }
    let mut out = std::io::stdout().lock();
    match command {
        Command::Socks5(_) => Ok(()),
        Command::Lab(options) => lab::run(options, &mut out),
        Command::Sim(options) => sim::play(options, &mut out),
        Command::Explain(options) => explain::run(options, &mut out),
        Command::Passwd(options) => passwd::run(options, &mut out),
        Command::Config(ConfigCommand::Print) => settings::print(&mut out),
        Command::Doctor => doctor::run(&mut out),
        Command::States => Ok(states::print(&mut out)?),
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
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        let page = clap_mangen::Man::new(part.clone().display_name(format!("tun-demo {}", part.get_name())));
        writeln!(out, ".SH \"TUN-DEMO {}\"", part.get_name().to_uppercase())?;
        page.render_synopsis_section(out)?;
        page.render_description_section(out)?;
        page.render_options_section(out)?;
        page.render_extra_section(out)?;
    }
    Ok(())
}

/// Returns whether colours are wanted on standard output (no-color.org).
fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
}
