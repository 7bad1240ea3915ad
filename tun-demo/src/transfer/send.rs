//! `tun-demo send`: one file after another, each over its own connection.

use super::flags::{Send, place};
use super::meter::{Counted, Meter};
use super::shown::Shown;
use super::stack;
use crate::exit::{ADDRESS, FAILED, Failure, REFUSED, TRUNCATED, UNVERIFIED, USAGE};
use core::net::{IpAddr, SocketAddr};
use serde_json::json;
use sockhop::file::{Outcome, SenderError, SenderState};
use sockhop_hosted::engine::Engine;
use sockhop_hosted::front::HostFront;
use sockhop_hosted::serve::Loop;
use sockhop_hosted::transfer::{FileSource, Progress, Sending, Sent, SourceError};
use sockhop_hosted::via::{DialError, dial};
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
    let mut unverified = None;
    for path in files {
        let source = source(path, options)?;
        let name = source.name().to_owned();
        let (sent, counted) = if options.from_stack {
            let (sent, counted) = from_stack(options, source, &host, port)?;
            (sent, Some(counted))
        } else {
            (from_host(options, source, &host, port)?, None)
        };
        match report(&name, &sent, counted, options.json, out) {
            Ok(()) => {}
            Err(failure) if failure.code == UNVERIFIED => unverified = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    unverified.map_or(Ok(()), Err)
}

fn source(path: &str, options: &Send) -> Result<FileSource, Failure> {
    let source = if path == "-" {
        FileSource::spool(std::io::stdin().lock(), options.name.as_deref().unwrap_or("stdin"))
    } else {
        FileSource::open(Path::new(path), options.name.as_deref())
    };
    source.map_err(|error| {
        let code = match error {
            SourceError::Host(..) | SourceError::NoFile(_) => FAILED,
            SourceError::Name(..) => USAGE,
        };
        Failure::new(code, error.to_string())
    })
}

fn stat(source: &FileSource, out: &mut impl Write) -> Result<(), Failure> {
    let stat = source.offered();
    let name = source.name().escape_debug();
    Ok(writeln!(out, "{name}: {} B, changed {} s after 1970, mode {:03o}", stat.size, stat.mtime, stat.mode)?)
}

fn from_host(options: &Send, source: FileSource, host: &str, port: u16) -> Result<Sent, Failure> {
    let stream = dial(host, port, options.via.as_ref()).map_err(|error| {
        let code = match error {
            DialError::Host(..) => ADDRESS,
            DialError::Server(..) => FAILED,
        };
        Failure::new(code, error.to_string())
    })?;
    let turns = Loop::new()?;
    let mut front = HostFront::new(turns.registry().try_clone()?, Vec::new(), 1)?;
    let flow = front.adopt(turns.now(), stream)?;
    let mut sending = Sending::new(source, options.classic, flow, turns.now()).map_err(failed)?;
    let mut shown = Shown::new();
    let progress = progress_of(&sending);
    turns.on_host(front, &mut sending, |sending, _| shown.show(&progress(sending)))?;
    over(&sending, &mut shown)
}

fn from_stack(options: &Send, source: FileSource, host: &str, port: u16) -> Result<(Sent, Counted), Failure> {
    let remote = host.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)).map_err(|_| {
        Failure::new(USAGE, format!("{host:?} is no address, and the stack resolves no names"))
    })?;
    let turns = Loop::new()?;
    let (tun, mut engine, watching) = stack::open(&options.stack)?;
    let watching = watching.start();
    let local = SocketAddr::new(IpAddr::V4(options.stack.addr.0), 0);
    let flow = engine
        .connect(turns.now(), local, remote)
        .ok_or_else(|| Failure::new(ADDRESS, format!("the stack cannot reach {remote}: is it IPv4?")))?;
    let mut sending = Sending::new(source, options.classic, flow, turns.now()).map_err(failed)?;
    let mut shown = Shown::new();
    let progress = progress_of(&sending);
    turns.on_stack(tun, &mut engine, &mut sending, |sending, engine: &mut Engine<Meter>, _| {
        shown.show(&progress(sending));
        watching.look(engine);
    })?;
    watching.finish(&mut engine)?;
    Ok((over(&sending, &mut shown)?, engine.sink().counted()))
}

fn progress_of(sending: &Sending) -> impl Fn(&mut Sending) -> Progress + use<> {
    let (name, size) = (sending.name().to_owned(), sending.size());
    move |sending| Progress { name: name.clone(), octets: sending.at(), size: Some(size) }
}

fn over(sending: &Sending, shown: &mut Shown) -> Result<Sent, Failure> {
    shown.forget(sending.name());
    sending.sent().cloned().ok_or_else(|| Failure::new(TRUNCATED, "stopped before the file was sent"))
}

fn failed(error: SenderError) -> Failure {
    Failure::new(USAGE, error.to_string())
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
