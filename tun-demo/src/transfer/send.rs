//! `tun-demo send`: one file after another, each over its own connection.

use super::flags::{Send, place};
use super::meter::Counted;
use super::way::Way;
use crate::exit::{FAILED, Failure, REFUSED, TRUNCATED, UNVERIFIED, USAGE};
use crate::lockdown;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use sockhop::file::{Outcome, SenderError, SenderState};
use sockhop_hosted::transfer::{FileSource, Sent, SourceError};
use std::io::Write;
use std::path::Path;

/// Sends each file; the first that does not arrive ends it.
pub(crate) fn run(options: &Send, out: &mut impl Write) -> Result<(), Failure> {
    if options.stat {
        return options.words.iter().try_for_each(|path| stat(&source(path, options)?, out));
    }
    let Some((host, files)) = options.words.split_last().filter(|(_, files)| !files.is_empty()) else {
        return Err(Failure::new(
            USAGE,
            "where to? The last word is the receiver's host, as in 192.0.2.7:7007",
        ));
    };
    if files.len() > 1 && options.name.is_some() {
        return Err(Failure::new(USAGE, "--name names one file, and several are given"));
    }
    let (host, port) = place(host).map_err(|text| Failure::new(USAGE, text))?;
    hold_many();
    let sources = files.iter().map(|path| source(path, options)).collect::<Result<Vec<_>, _>>()?;
    let way = Way::open(options, &host, port)?;
    let held = lockdown::enter_alone(&options.sandbox, None)?;
    writeln!(std::io::stderr(), "{held}")?;
    let mut way = way.start();
    let sent = each(sources, &mut way, options, out);
    way.finish()?;
    sent
}

fn each(
    sources: Vec<FileSource>,
    way: &mut Way<'_>,
    options: &Send,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut unverified = None;
    for source in sources {
        let source = source.renewed().map_err(unreadable)?;
        let name = source.name().to_owned();
        let (sent, counted) = way.send(source, options.classic)?;
        match report(&name, &sent, counted, options.json, out) {
            Ok(()) => {}
            Err(failure) if failure.code == UNVERIFIED => unverified = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    unverified.map_or(Ok(()), Err)
}

/// Has the host let this process hold as many files as it ever would: all are opened before the first is sent.
fn hold_many() {
    let most = getrlimit(Resource::Nofile).maximum;
    // With fewer, the file that is too many is named.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
}

fn source(path: &str, options: &Send) -> Result<FileSource, Failure> {
    let source = if path == "-" {
        FileSource::spool(std::io::stdin().lock(), options.name.as_deref().unwrap_or("stdin"))
    } else {
        FileSource::open(Path::new(path), options.name.as_deref())
    };
    source.map_err(unreadable)
}

fn unreadable(error: SourceError) -> Failure {
    let code = match error {
        SourceError::Host(..) | SourceError::NoFile(_) => FAILED,
        SourceError::Name(..) => USAGE,
    };
    Failure::new(code, error.to_string())
}

fn stat(source: &FileSource, out: &mut impl Write) -> Result<(), Failure> {
    let stat = source.offered();
    let name = source.name().escape_debug();
    Ok(writeln!(out, "{name}: {} B, changed {} s after 1970, mode {:03o}", stat.size, stat.mtime, stat.mode)?)
}

/// Says what became of a file; anything but a verified one is a failure with its code.
fn report(
    name: &str,
    sent: &Sent,
    counted: Option<Counted>,
    as_json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let shown = name.escape_debug();
    if as_json {
        let outcome = match sent.outcome {
            Ok(outcome) => outcome.to_string(),
            Err(error) if error.is_truncation() => "truncated".to_owned(),
            Err(_) => "refused".to_owned(),
        };
        let line = json!({
            "name": name, "outcome": outcome, "size": sent.size, "sent": sent.octets, "resumed": sent.resumed,
            "algorithm": sent.sum.map(|(algorithm, _)| algorithm.to_string()),
            "digest": sent.sum.map(|(_, sum)| sum.to_string()), "seconds": sent.lasted.as_secs_f64(),
            "error": sent.outcome.err().map(|error| error.to_string()),
            "retransmitted": counted.map(|counted| counted.retransmitted),
            "window_closed_seconds": counted.map(|counted| counted.closed.as_secs_f64()),
        });
        writeln!(out, "{line}")?;
    } else if let Ok(outcome) = sent.outcome {
        writeln!(
            out,
            "{shown}: {outcome}, {} B in {:.1} s{}",
            sent.size,
            sent.lasted.as_secs_f64(),
            rate(sent)
        )?;
        if sent.resumed > 0 {
            writeln!(out, "  {} B were there already", sent.resumed)?;
        }
        if let Some((algorithm, sum)) = sent.sum {
            writeln!(out, "  {algorithm} {sum}")?;
        }
        if let Some(Counted { retransmitted, closed }) = counted {
            writeln!(
                out,
                "  {retransmitted} segments sent again, window closed for {:.3} s",
                closed.as_secs_f64()
            )?;
        }
    }
    out.flush()?;
    verdict(name, sent)
}

/// Returns nothing for a verified file, and for any other what to do about it.
fn verdict(name: &str, sent: &Sent) -> Result<(), Failure> {
    let shown = name.escape_debug();
    match sent.outcome {
        Ok(Outcome::Verified) => Ok(()),
        Ok(Outcome::Unverified) => Err(Failure::new(
            UNVERIFIED,
            format!(
                "{shown} was sent, but the classic protocol cannot prove that it arrived whole: compare digests"
            ),
        )),
        // One that knows only names may say "ok" and no more, or be at a loss with what it takes for a name.
        Err(
            error @ (SenderError::Classic
            | SenderError::Ended(SenderState::Offering)
            | SenderError::Broken(SenderState::Offering)),
        ) => Err(Failure::new(
            REFUSED,
            format!("{shown}: {error}; for a receiver that knows names only: --classic"),
        )),
        Err(error) if error.is_truncation() => {
            Err(Failure::new(TRUNCATED, format!("{shown}: {error}; send it again to go on where it was cut")))
        }
        Err(error) => {
            let said =
                if sent.said.is_empty() { String::new() } else { format!(" ({})", sent.said.escape_ascii()) };
            Err(Failure::new(REFUSED, format!("{shown}: {error}{said}")))
        }
    }
}

fn rate(sent: &Sent) -> String {
    let seconds = sent.lasted.as_secs_f64();
    if seconds < 0.001 { String::new() } else { format!(", {:.1} MB/s", sent.octets as f64 / seconds / 1e6) }
}
