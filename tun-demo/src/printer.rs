//! Prints on a thread of its own, so that the stack never waits for a terminal or a pager that nobody scrolls.

use core::time::Duration;
use sockhop::tcp::State;
use sockhop::time::Instant as TraceInstant;
use sockhop::trace::{Ends, Event, Line, Sink, View};
use sockhop_hosted::ladder::Style;
use sockhop_hosted::report::Merge;
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Instant;

/// Events and lines that wait to be printed; more are counted and said to be lost.
const WAITING: usize = 65_536;
/// Pages on their way to the thread.
const UNDER_WAY: usize = 4;

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

    /// Returns whether there is nothing to be printed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lines.is_empty() && self.lost == 0
    }
}

/// The way to the thread that prints.
#[derive(Clone, Debug)]
pub(crate) struct Pages(SyncSender<Page>);

impl Pages {
    /// Hands a page over, unless the thread is behind: then it stays where it is and grows.
    pub(crate) fn offer(&self, page: &mut Page) {
        if page.is_empty() {
            return;
        }
        match self.0.try_send(core::mem::take(page)) {
            // Whoever reads no more is told no more.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(unsent)) => *page = unsent,
        }
    }
}

/// The thread that prints.
#[derive(Debug)]
pub(crate) struct Printer {
    pages: Pages,
    done: Receiver<io::Result<()>>,
}

impl Printer {
    /// Starts a thread that prints on standard output what one worker says, or `several` do.
    pub(crate) fn start(style: Style, several: bool) -> Self {
        let (pages, waiting) = sync_channel(UNDER_WAY);
        let (end, done) = sync_channel(1);
        let ladder =
            Ladder { connections: HashMap::new(), style, merge: Merge::new(several), lines: VecDeque::new() };
        thread::spawn(move || end.send(ladder.print(&waiting)));
        Self { pages: Pages(pages), done }
    }

    /// Returns the way to the thread, which ends when nobody has one any more.
    pub(crate) const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Hands the last page over and waits until everything is printed, but not for ever.
    ///
    /// # Errors
    /// Those of standard output, or that it takes nothing any more.
    pub(crate) fn finish(self, mut page: Page) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.pages.offer(&mut page);
            if page.is_empty() || Instant::now() >= until {
                break;
            }
            // The thread is behind; nobody else waits for this one any more.
            thread::sleep(Duration::from_millis(1));
        }
        drop(self.pages);
        self.done
            .recv_timeout(until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
            .unwrap_or_else(|_| {
                let text = "standard output takes nothing any more, so the last lines are not printed";
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            })
    }
}

/// Prints events as lines, each connection counted from its own SYNs.
struct Ladder {
    /// The numbers of each connection, and the state it was last seen in.
    connections: HashMap<u32, (Ends, State)>,
    style: Style,
    merge: Merge,
    /// Lines that wait for the events before them, with the time of the last of those.
    lines: VecDeque<(TraceInstant, String)>,
}

impl Ladder {
    fn print(mut self, pages: &Receiver<Page>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let mut goes_on = true;
        while goes_on {
            let (events, lost) = match pages.recv_timeout(self.merge.patience()) {
                Ok(page) => {
                    let events = self.merge.add(page.events);
                    let behind = self.merge.reached().0;
                    self.lines.extend(page.lines.into_iter().map(|line| (behind, line)));
                    (events, page.lost)
                }
                Err(why) => {
                    goes_on = why == RecvTimeoutError::Timeout;
                    (self.merge.rest(), 0)
                }
            };
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
