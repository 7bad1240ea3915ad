//! Prints on a thread of its own, so that the stack never waits for a terminal or a pager that nobody scrolls.

use core::time::Duration;
use sockhop::tcp::State;
use sockhop::trace::{Ends, Event, Line, Sink, View};
use sockhop_hosted::ladder::Style;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Events and lines that wait to be printed; more are counted and said to be lost.
const WAITING: usize = 65_536;
/// How long lines are collected before they are printed: a wake-up for each would cost more than the line.
const COLLECTING: Duration = Duration::from_millis(20);

/// How long the last lines may take to be printed.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is to be printed next: the events of the ladder first, then the lines.
#[derive(Debug, Default)]
pub(crate) struct Page {
    events: Vec<Event>,
    lines: Vec<String>,
    lost: u64,
}

impl Sink for Page {
    fn record(&mut self, event: &Event) {
        if self.events.len() < WAITING { self.events.push(*event) } else { self.lost += 1 }
    }
}

impl Page {
    /// Adds a line.
    pub(crate) fn say(&mut self, line: String) {
        if self.lines.len() < WAITING { self.lines.push(line) } else { self.lost += 1 }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lines.is_empty() && self.lost == 0
    }

    /// Adds what stands on another page, as far as there is room, and leaves that one blank.
    fn take(&mut self, other: &mut Self) {
        let room = WAITING.saturating_sub(self.events.len()).min(other.events.len());
        self.lost += other.lost + (other.events.len() - room) as u64;
        self.events.extend(other.events.drain(..).take(room));
        let room = WAITING.saturating_sub(self.lines.len()).min(other.lines.len());
        self.lost += (other.lines.len() - room) as u64;
        self.lines.extend(other.lines.drain(..).take(room));
        other.lost = 0;
    }
}

/// What the thread is to print next.
#[derive(Debug, Default)]
struct Tray {
    page: Page,
    /// Whether the thread sleeps until something lies here.
    is_waited_for: bool,
    /// Whether nothing more will come.
    is_last: bool,
}

/// The tray, and what wakes the thread.
type Shared = (Mutex<Tray>, Condvar);

/// The thread that prints.
#[derive(Debug)]
pub(crate) struct Printer {
    shared: Arc<Shared>,
    done: Receiver<io::Result<()>>,
}

impl Printer {
    /// Starts a thread that prints on standard output.
    pub(crate) fn start(style: Style) -> Self {
        let shared = Arc::new(Shared::default());
        let (end, done) = sync_channel(1);
        let theirs = Arc::clone(&shared);
        thread::spawn(move || end.send(Ladder { connections: HashMap::new(), style }.print(&theirs)));
        Self { shared, done }
    }

    /// Hands over what stands on a page, and leaves it blank; if the thread is behind, what is too much is lost.
    pub(crate) fn offer(&self, page: &mut Page) {
        if page.is_empty() {
            return;
        }
        let mut tray = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        tray.page.take(page);
        if core::mem::take(&mut tray.is_waited_for) {
            self.shared.1.notify_one();
        }
    }

    /// Hands the last page over and waits until everything is printed, but not for ever.
    ///
    /// # Errors
    /// Those of standard output, or that it takes nothing any more.
    pub(crate) fn finish(self, mut page: Page) -> io::Result<()> {
        self.offer(&mut page);
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).is_last = true;
        self.shared.1.notify_one();
        self.done.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let text = "standard output takes nothing any more, so the last lines are not printed";
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }
}

/// Waits for something to be printed; `None` when nothing more will come.
///
fn next((tray, roused): &Shared) -> Option<Page> {
    let tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tray = roused
        .wait_while(tray, |tray| {
            tray.is_waited_for = tray.page.is_empty() && !tray.is_last;
            tray.is_waited_for
        })
        .unwrap_or_else(PoisonError::into_inner);
    let page = core::mem::take(&mut tray.page);
    if page.is_empty() {
        return None;
    }
    Some(page)
}

/// Lets lines collect for a while, unless the last one is there.
fn collect((tray, roused): &Shared) {
    let tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
    drop(roused.wait_timeout_while(tray, COLLECTING, |tray| !tray.is_last));
}

/// Prints events as lines, each connection counted from its own SYNs.
struct Ladder {
    /// The numbers of each connection, and the state it was last seen in.
    connections: HashMap<u32, (Ends, State)>,
    style: Style,
}

impl Ladder {
    fn print(&mut self, shared: &Shared) -> io::Result<()> {
        while let Some(page) = next(shared) {
            // Between two pages others have something to say.
            let mut out = io::stdout().lock();
            for event in &page.events {
                self.event(event, &mut out)?;
            }
            for line in &page.lines {
                writeln!(out, "{line}")?;
            }
            if page.lost > 0 {
                writeln!(out, "{} lines were lost: they came faster than they could be printed", page.lost)?;
            }
            out.flush()?;
            drop(out);
            collect(shared);
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, out: &mut impl Write) -> io::Result<()> {
        let (ends, last) = self.connections.entry(event.flow()).or_default();
        if event.flow() == 0 {
            // What belongs to no connection has no numbers in common.
            *ends = Ends::new();
        }
        ends.learn(event);
        let line = Line(event, ends);
        let text = line.to_string();
        match line.state() {
            Some(state) => {
                *last = state;
                writeln!(out, "{}", self.style.paint(state, &text))?;
            }
            None if text.is_empty() => {}
            None => writeln!(out, "{text}")?,
        }
        // A connection in TIME-WAIT has no socket any more and still answers.
        let over = match event.view() {
            Some(View::Ended { .. }) => *last != State::TimeWait,
            Some(View::State { from: State::TimeWait, .. }) => true,
            _ => false,
        };
        if over {
            self.connections.remove(&event.flow());
        }
        Ok(())
    }
}
