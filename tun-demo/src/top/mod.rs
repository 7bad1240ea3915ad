//! `tun-demo top`: a running proxy on a screen: its connections, and of the chosen one the windows and the segments.
//!
//! ```text
//! Answer ──► Model ──► view ──► terminal
//! key ──────►  │
//!              └─ Wish ──► quit, write, report
//! ```

mod followed;
mod keep;
mod model;
mod theme;
mod view;

use crate::args::Top;
use crate::asking;
use crate::exit::{Failure, USAGE};
use core::time::Duration;
use model::{Model, Wish};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockhop_hosted::control::{Answer, Inquirer, Request};
use sockhop_hosted::os::Signals;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Instant;
use theme::Theme;

/// How often the process is looked at.
const TICK: Duration = Duration::from_millis(200);
/// Keys that are heard before everything else has its turn.
const KEYS: usize = 64;

/// Watches a process until somebody quits.
pub(crate) fn run(options: &Top) -> Result<(), Failure> {
    must_be_terminal("tun-demo netstat --watch")?;
    let mut inquirer = asking::find(&options.which)?;
    let first = inquirer.snapshot().map_err(|error| asking::failed(&error))?;
    // A signal ends the loop below, which leaves the terminal as it was.
    let signals = Signals::new()?;
    match Screen::begin(inquirer, Model::default(), Some(&signals))?.run(Answer::Snapshot(Box::new(first))) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            // Nobody has to read it.
            let _ = io::Write::write_all(&mut io::stderr(), b"tun-demo: the proxy has ended\n");
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

/// Watches the process that this is, on a thread of its own that ends with the other end of the connection.
pub(crate) fn inside(stream: UnixStream) -> JoinHandle<io::Result<()>> {
    std::thread::spawn(move || {
        let mut inquirer = Inquirer::new(stream);
        let first = inquirer.snapshot()?;
        match Screen::begin(inquirer, Model::inside(), None)?.run(Answer::Snapshot(Box::new(first))) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            outcome => outcome,
        }
    })
}

/// Says what to do where there is no terminal to draw on.
pub(crate) fn must_be_terminal(instead: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::new(USAGE, format!("this needs a terminal; `{instead}` prints without one")))
}

/// A terminal that is given back as it was, whatever happens.
struct Screen<'a> {
    terminal: DefaultTerminal,
    inquirer: Inquirer,
    signals: Option<&'a Signals>,
    model: Model,
    theme: Theme,
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

impl<'a> Screen<'a> {
    /// Takes the terminal; a panic gives it back too.
    fn begin(inquirer: Inquirer, model: Model, signals: Option<&'a Signals>) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, inquirer, signals, model, theme: Theme::of_terminal() })
    }

    /// Shows what comes until somebody quits or the process ends.
    fn run(mut self, first: Answer) -> io::Result<()> {
        self.model.take(first);
        if self.model.snapshot.node.follows {
            self.inquirer.ask(Request::Follow { flow: None })?;
        }
        let (mut next, mut asked, mut changed) = (Instant::now() + TICK, false, true);
        loop {
            if changed {
                let (model, theme) = (&self.model, self.theme);
                self.terminal.draw(|frame| view::draw(frame, model, theme))?;
            }
            // A terminal that is gone has no keys, and reading them would never end.
            if !self.wait(next.saturating_duration_since(Instant::now()))? {
                return Ok(());
            }
            changed = false;
            for _ in 0..KEYS {
                if !event::poll(Duration::ZERO)? {
                    break;
                }
                changed = true;
                if self.react(&event::read()?)? {
                    return Ok(());
                }
            }
            // SIGHUP too: there are no settings to be read again.
            if self.signals.is_some_and(|signals| signals.take().is_some()) {
                return Ok(());
            }
            loop {
                match self.inquirer.answer(false) {
                    Ok(answer) => {
                        asked &= !matches!(answer, Answer::Snapshot(_));
                        self.model.take(answer);
                        changed = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= next {
                next = Instant::now() + TICK;
                if !asked && !self.model.paused {
                    asked = true;
                    self.inquirer.ask(Request::Snapshot)?;
                }
            }
        }
    }

    /// Waits for a key, an answer or a signal, but no longer than this; returns whether the terminal is still there.
    fn wait(&self, longest: Duration) -> io::Result<bool> {
        let stdin = io::stdin();
        let others = [Some(self.inquirer.as_fd()), self.signals.map(AsFd::as_fd)];
        let mut fds: Vec<PollFd<'_>> = [Some(stdin.as_fd())]
            .into_iter()
            .chain(others)
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(longest.subsec_nanos()) };
        match poll(&mut fds, Some(&limit)) {
            Ok(_) => Ok(!fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)),
            // A change of the terminal's size interrupts.
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Does what the terminal tells; returns whether that was the end.
    fn react(&mut self, told: &TerminalEvent) -> io::Result<bool> {
        let TerminalEvent::Key(key) = told else { return Ok(false) };
        if key.kind == KeyEventKind::Release {
            return Ok(false);
        }
        match self.model.press(*key) {
            None => Ok(false),
            Some(Wish::Write) => {
                self.model.said = Some(keep::trace(&self.model));
                Ok(false)
            }
            Some(Wish::Report) => {
                self.model.said = Some(keep::report(&self.model));
                Ok(false)
            }
            Some(Wish::Quit) if self.model.inside => {
                // The loop of the proxy ends as by Ctrl-C, and the screen with it.
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT)?;
                self.model.said = Some("closing the connections; once more ends at once".to_owned());
                Ok(false)
            }
            Some(Wish::Quit) => Ok(true),
        }
    }
}
