//! `tun-demo passwd NAME`: a line for the file that `--users` reads.

use crate::args::Passwd;
use crate::exit::{FAILED, Failure, USAGE};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use sockhop_hosted::users;
use std::io::{BufRead, IsTerminal, Write};

/// Reads a password and writes the user's line.
pub(crate) fn run(options: &Passwd, out: &mut impl Write) -> Result<(), Failure> {
    let password = read()?;
    if !(1..=255).contains(&password.len()) {
        return Err(Failure::new(USAGE, "a password takes 1 to 255 octets (RFC 1929); none was stored"));
    }
    let hash = users::hash(password.as_bytes()).map_err(|text| Failure::new(FAILED, text))?;
    Ok(writeln!(out, "{}:{hash}", options.name)?)
}

/// Reads a line; what is typed on a terminal is not shown.
fn read() -> Result<String, Failure> {
    let input = std::io::stdin();
    let shown = input.is_terminal().then(|| tcgetattr(&input)).and_then(Result::ok);
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // A terminal that goes on showing what is typed is still one.
        let _ = tcsetattr(&input, OptionalActions::Flush, &hidden);
        let _ = write!(std::io::stderr(), "Password: ");
    }
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        let _ = tcsetattr(&input, OptionalActions::Now, shown);
        let _ = writeln!(std::io::stderr());
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
