//! `tun-demo receive`: files into a folder, from many senders at once.

use super::flags::Receive;
use super::meter::{Counted, Meter};
use super::shown::Shown;
use super::stack;
use crate::exit::{FAILED, Failure, REFUSED, TRUNCATED, UNVERIFIED};
use crate::lockdown;
use crate::socks5::cannot_listen;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use serde_json::json;
use sockhop::file::{Leading, Outcome};
use sockhop_hosted::engine::Engine;
use sockhop_hosted::front::{self, HostFront};
use sockhop_hosted::serve::Loop;
use sockhop_hosted::transfer::{Existing, Folder, PORT, Policy, Received, Receiving};
use std::io::Write;

/// Senders that are served at once.
const MOST: usize = 256;

/// Receives until Ctrl-C, or one file with `--once`.
pub(crate) fn run(options: &Receive) -> Result<(), Failure> {
    let shown = options.dir.display();
    let folder = Folder::open(&options.dir)
        .map_err(|error| Failure::new(FAILED, format!("{shown}: {error}; name a folder that exists")))?;
    let existing = match (options.overwrite, options.rename) {
        (true, _) => Existing::Overwrite,
        (false, true) => Existing::Rename,
        (false, false) => Existing::Refuse,
    };
    let policy = Policy { existing, max_size: options.max_size.unwrap_or(u64::MAX) };
    let leading = if options.any_name { Leading::Any } else { Leading::Plain };
    let turns = Loop::new()?;
    let receiving = Receiving::new(folder, policy, leading, Some(turns.waker()));
    let receiving = if options.once { receiving.once() } else { receiving };
    let mut desk = Desk { json: options.json, shown: Shown::new(), last: Ok(()) };
    if options.on_stack {
        on_stack(options, turns, receiving, &mut desk)?;
    } else {
        on_host(options, turns, receiving, &mut desk)?;
    }
    if options.once { desk.last } else { Ok(()) }
}

fn on_host(options: &Receive, turns: Loop, mut receiving: Receiving, desk: &mut Desk) -> Result<(), Failure> {
    let everywhere = [SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), PORT)];
    let at = if options.listen.is_empty() { &everywhere[..] } else { &options.listen };
    let at = front::listen(at).map_err(|error| cannot_listen(&error))?;
    let front = HostFront::new(turns.registry().try_clone()?, at, MOST)?;
    let held = lock(options, &receiving)?;
    for at in front.listens_at()? {
        desk.greet(&format!("receiving into {} at {at}", options.dir.display()))?;
    }
    desk.greet(&held)?;
    turns.on_host(front, &mut receiving, |receiving, _| desk.look(receiving, None))?;
    desk.look(&mut receiving, None);
    Ok(())
}

fn on_stack(
    options: &Receive,
    mut turns: Loop,
    mut receiving: Receiving,
    desk: &mut Desk,
) -> Result<(), Failure> {
    let (mut tun, mut engine, unwatched) = stack::open(&options.stack)?;
    let at = SocketAddr::new(IpAddr::V4(options.stack.addr.0), PORT);
    engine.listen(at, 1);
    let held = lock(options, &receiving)?;
    let watching = unwatched.start();
    desk.greet(&format!("receiving into {} at {at} on {}", options.dir.display(), tun.name()))?;
    desk.greet(&held)?;
    turns.on_stack(&mut tun, &mut engine, &mut receiving, |receiving, engine: &mut Engine<Meter>, _| {
        desk.look(receiving, Some(engine.sink().counted()));
        watching.look(engine);
    })?;
    watching.finish(&mut engine)?;
    desk.look(&mut receiving, Some(engine.sink().counted()));
    Ok(())
}

/// Keeps the folder and nothing else, and says what holds.
fn lock(options: &Receive, receiving: &Receiving) -> Result<String, Failure> {
    let held = lockdown::enter_alone(&options.sandbox, Some((&options.dir, receiving.folder())))?;
    if !receiving.folder().takes_files() {
        let (shown, user) = (options.dir.display(), rustix::process::geteuid().as_raw());
        let text = format!(
            "{shown}: user {user} may not write there; name a folder of his, or whose it is with --run-as"
        );
        return Err(Failure::new(FAILED, text));
    }
    Ok(held)
}

/// Where what happens is told.
#[derive(Debug)]
struct Desk {
    json: bool,
    shown: Shown,
    /// What the last file came to.
    last: Result<(), Failure>,
}

impl Desk {
    fn greet(&self, text: &str) -> std::io::Result<()> {
        let mut err = std::io::stderr();
        writeln!(err, "{text}")
    }

    /// Tells how far files are, and what became of those that are over.
    fn look(&mut self, receiving: &mut Receiving, counted: Option<Counted>) {
        for progress in receiving.progress() {
            self.shown.show(&progress);
        }
        while let Some(received) = receiving.next_report() {
            self.shown.forget(&received.name);
            let mut out = std::io::stdout().lock();
            // Whoever reads no more still gets his files.
            let _ = self.say(&received, counted, &mut out).and_then(|()| out.flush());
            if !received.name.is_empty() {
                self.last = code(&received);
            }
        }
    }

    fn say(
        &self,
        received: &Received,
        counted: Option<Counted>,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let Received { name, remote, outcome, octets, resumed, sum, lasted } = received;
        let shown = name.escape_debug();
        let said = match outcome {
            Ok(outcome) => outcome.to_string(),
            Err(error) if error.is_truncation() => format!("truncated: {error}"),
            Err(error) => error.to_string(),
        };
        if self.json {
            let word = match outcome {
                Ok(outcome) => outcome.to_string(),
                Err(error) if error.is_truncation() => "truncated".to_owned(),
                Err(_) => "refused".to_owned(),
            };
            let line = json!({
                "name": name, "from": remote.to_string(), "outcome": word, "stored": octets, "resumed": resumed,
                "algorithm": sum.map(|(algorithm, _)| algorithm.to_string()),
                "digest": sum.map(|(_, sum)| sum.to_string()), "seconds": lasted.as_secs_f64(),
                "error": outcome.err().map(|error| error.to_string()),
                "retransmitted": counted.map(|counted| counted.retransmitted),
                "window_closed_seconds": counted.map(|counted| counted.closed.as_secs_f64()),
            });
            return writeln!(out, "{line}");
        }
        let seconds = lasted.as_secs_f64();
        writeln!(out, "{shown} from {remote}: {said}, {octets} B in {seconds:.1} s")?;
        if *resumed > 0 {
            writeln!(out, "  {resumed} B were here already")?;
        }
        if let Some((algorithm, sum)) = sum {
            writeln!(out, "  {algorithm} {sum}")?;
        }
        if *outcome == Ok(Outcome::Unverified) {
            writeln!(
                out,
                "  a classic sender cannot prove that this is all: compare size and digest with it"
            )?;
        }
        if let Some(Counted { retransmitted, closed }) = counted {
            writeln!(
                out,
                "  {retransmitted} segments sent again, window closed for {:.3} s",
                closed.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

fn code(received: &Received) -> Result<(), Failure> {
    let shown = received.name.escape_debug();
    match received.outcome {
        Ok(Outcome::Verified) => Ok(()),
        Ok(Outcome::Unverified) => Err(Failure::new(UNVERIFIED, format!("{shown} is here, but unverified"))),
        Err(error) if error.is_truncation() => Err(Failure::new(TRUNCATED, format!("{shown}: {error}"))),
        Err(error) => Err(Failure::new(REFUSED, format!("{shown}: {error}"))),
    }
}
