//! Prints on a thread of its own, so that the stack never waits for a terminal or a pager that nobody scrolls.

use core::time::Duration;
use sockhop::tcp::State;
use sockhop::time::Instant;
use sockhop::trace::{Ends, Event, Line, Sink, View};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::report::{Merge, Reach};
use std::collections::{HashMap, VecDeque};
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
    reach: Reach,
}

impl Sink for Page {
    fn record(&mut self, event: &Event) {
        if self.events.len() < WAITING {
            self.reach.note(event);
            self.events.push(*event);
        } else {
            self.lost += 1;
        }
    }
}

impl Page {
    /// Adds a line.
    pub(crate) fn say(&mut self, line: String) {
        if self.lines.len() < WAITING { self.lines.push(line) } else { self.lost += 1 }
    }

    /// Notes that every event up to then stands on it, or has.
    pub(crate) fn advance(&mut self, until: Instant) {
        self.reach.advance(until);
    }

    /// Returns whether there is nothing to be printed, nor that waits for this page.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lines.is_empty() && self.lost == 0 && !self.reach.frees()
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
        self.reach.join(&other.reach);
        other.reach.say();
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

/// The way to the thread that prints, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages(Option<Arc<Shared>>);

impl Pages {
    /// Hands over what stands on a page, and leaves it blank; if the thread is behind, what is too much is lost, and
    /// without one everything is.
    pub(crate) fn offer(&self, page: &mut Page) {
        if page.is_empty() {
            return;
        }
        let Some((tray, roused)) = self.0.as_deref() else {
            *page = Page::default();
            return;
        };
        let mut tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
        tray.page.take(page);
        if core::mem::take(&mut tray.is_waited_for) {
            roused.notify_one();
        }
    }
}

/// The thread that prints.
#[derive(Debug)]
pub(crate) struct Printer {
    shared: Arc<Shared>,
    done: Receiver<io::Result<()>>,
}

impl Printer {
    /// Starts a thread that prints on standard output what one worker says, or `several` do.
    pub(crate) fn start(style: Style, several: bool) -> Self {
        let shared = Arc::new(Shared::default());
        let (end, done) = sync_channel(1);
        let ladder =
            Ladder { connections: HashMap::new(), style, merge: Merge::new(several), lines: VecDeque::new() };
        let theirs = Arc::clone(&shared);
        thread::spawn(move || end.send(ladder.print(&theirs)));
        Self { shared, done }
    }

    /// Returns the way to the thread.
    pub(crate) fn pages(&self) -> Pages {
        Pages(Some(Arc::clone(&self.shared)))
    }

    /// Hands the last page over and waits until everything is printed, but not for ever.
    ///
    /// # Errors
    /// Those of standard output, or that it takes nothing any more.
    pub(crate) fn finish(self, mut page: Page) -> io::Result<()> {
        self.pages().offer(&mut page);
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).is_last = true;
        self.shared.1.notify_one();
        self.done.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let text = "standard output takes nothing any more, so the last lines are not printed";
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }
}

/// Waits for something to be printed; `None` when nothing more will come.
fn next((tray, roused): &Shared) -> Option<Page> {
    let tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tray = roused
        .wait_while(tray, |tray| {
            tray.is_waited_for = tray.page.is_empty() && !tray.is_last;
            tray.is_waited_for
        })
        .unwrap_or_else(PoisonError::into_inner);
    tray.is_waited_for = false;
    let page = core::mem::take(&mut tray.page);
    if page.is_empty() && tray.is_last { None } else { Some(page) }
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
    merge: Merge,
    /// Lines that wait for the events before them, with the time of the last of those.
    lines: VecDeque<(Instant, String)>,
}

impl Ladder {
    fn print(mut self, shared: &Shared) -> io::Result<()> {
        let mut goes_on = true;
        while goes_on {
            let page = next(shared);
            goes_on = page.is_some();
            let (events, lost) = match page {
                Some(mut page) => {
                    let events = self.merge.add(page.events, page.reach.say());
                    let behind = self.merge.reached().0;
                    self.lines.extend(page.lines.into_iter().map(|line| (behind, line)));
                    (events, page.lost)
                }
                None => (self.merge.rest(), 0),
            };
            // Between two pages others have something to say.
            let mut out = io::stdout().lock();
            for event in &events {
                self.event(event, &mut out)?;
            }
            let reached = self.merge.reached().1;
            let ripe = self.lines.partition_point(|(behind, _)| *behind <= reached);
            for (_, line) in self.lines.drain(..ripe) {
                writeln!(out, "{line}")?;
            }
            if lost > 0 {
                writeln!(out, "{lost} lines were lost: they came faster than they could be printed")?;
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
