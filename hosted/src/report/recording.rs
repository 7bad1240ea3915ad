//! A trace on its way to a file, on a thread of its own, so that the stack never waits for a disk.
//!
//! ```text
//! engine ─► Spool ─► at most 8 batches ─► thread ─► FILE
//!             └ what has no room is counted, and stands in the file as Lost where it is missing
//! ```

use super::{Format, Merge, Reach};
use core::time::Duration;
use sockhop::trace::{Event, Header, Sink, View};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;
use std::time::Instant;

/// Events that wait for the thread; more are counted and lost.
const WAITING: usize = 65_536;
/// Batches on their way.
const UNDER_WAY: usize = 8;
/// How long events are collected before they are written: waking the thread for each batch would cost more than the batch.
const COLLECTING: Duration = Duration::from_millis(20);
/// How long the last events may take to be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events, and up to when there are no others.
type Batch = (Vec<Event>, sockhop::time::Instant);

/// The sink of a recording: it collects events until they are offered.
#[derive(Debug)]
pub struct Spool {
    batches: SyncSender<Batch>,
    waiting: Vec<Event>,
    /// Events that had no room since the last one that had.
    missing: u32,
    lost: u64,
    /// The last event that had no room.
    last: Event,
    reach: Reach,
    closed: bool,
}

/// A file that is open while nobody writes to it yet.
///
/// Threads inherit which signals are blocked, so the one that writes is started once the program has blocked its own.
pub struct Unstarted {
    out: Box<dyn Write + Send>,
    format: Format,
    header: Header,
    merge: Merge,
    batches: Receiver<Batch>,
}

impl core::fmt::Debug for Unstarted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Unstarted").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Unstarted {
    /// Puts the events of several workers in order of time.
    pub fn merging(mut self, several: bool) -> Self {
        self.merge = Merge::new(several);
        self
    }

    /// Starts the thread that writes.
    pub fn start(self) -> Recording {
        let (end, done) = sync_channel(1);
        // Nobody may be left to hear of it.
        thread::spawn(move || {
            let how = (self.format, &self.header, self.merge);
            let _ = end.send(write(self.out, how, &self.batches));
        });
        Recording { done }
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Recording {
    done: Receiver<io::Result<u64>>,
}

impl Recording {
    /// Creates a file in the format of its suffix; events are collected at once, and written when it is started.
    ///
    /// # Errors
    /// The host's, or that the suffix stands for no format.
    pub fn create(path: &Path, header: &Header) -> io::Result<(Unstarted, Spool)> {
        let format = Format::of(path).ok_or_else(|| {
            let text = format!("the suffix says no format; there are {}", Format::suffixes());
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        let file = File::create(path)?;
        Ok(Self::to(file, format, *header))
    }

    /// Does the same with anything that can be written to.
    pub fn to(out: impl Write + Send + 'static, format: Format, header: Header) -> (Unstarted, Spool) {
        let (batches, waiting) = sync_channel(UNDER_WAY);
        let spool = Spool {
            batches,
            waiting: Vec::new(),
            missing: 0,
            lost: 0,
            last: Event::default(),
            reach: Reach::default(),
            closed: false,
        };
        let (out, merge) = (Box::new(out), Merge::new(false));
        (Unstarted { out, format, header, merge, batches: waiting }, spool)
    }

    /// Hands the last events over, waits until they are written, and returns how many were written and how many lost.
    ///
    /// # Errors
    /// The file's, or that it took nothing any more.
    pub fn finish(self, mut spool: Spool) -> io::Result<(u64, u64)> {
        let until = Instant::now() + PATIENCE;
        spool.confess();
        while !spool.offer() && Instant::now() < until {
            // The thread is behind; nobody else waits for this one any more.
            thread::sleep(Duration::from_millis(1));
        }
        let lost = spool.lost + spool.waiting.len() as u64;
        drop(spool);
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        Ok((self.written(left)?, lost))
    }

    /// Waits until what was handed over is written, once its spool is gone, as after a failure; returns how many events
    /// were written.
    ///
    /// # Errors
    /// The file's, or that it took nothing any more.
    pub fn salvage(self) -> io::Result<u64> {
        self.written(PATIENCE)
    }

    fn written(self, within: Duration) -> io::Result<u64> {
        self.done.recv_timeout(within).unwrap_or_else(|_| {
            let text = "the file takes nothing any more, so the last events are not in it";
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }
}

impl Drop for Spool {
    /// Hands over what is left, whatever has ended the stack.
    fn drop(&mut self) {
        self.confess();
        self.offer();
    }
}

impl Spool {
    /// Hands over what has been collected, unless the thread is behind; returns whether nothing waits any more.
    pub fn offer(&mut self) -> bool {
        if self.waiting.is_empty() && !self.reach.frees() || self.closed {
            return true;
        }
        let mut reach = self.reach;
        match self.batches.try_send((core::mem::take(&mut self.waiting), reach.say())) {
            Ok(()) => {
                self.reach = reach;
                true
            }
            Err(TrySendError::Full((unsent, _))) => {
                self.waiting = unsent;
                false
            }
            Err(TrySendError::Disconnected((unsent, _))) => {
                // The file failed; the thread says why at the end.
                self.lost += unsent.len() as u64;
                self.closed = true;
                true
            }
        }
    }

    /// Notes that every event up to then has been recorded, whichever worker's; those of several wait to be told so.
    pub fn advance(&mut self, until: sockhop::time::Instant) {
        self.reach.advance(until);
    }

    /// Says in the trace itself how many events are missing here.
    fn confess(&mut self) {
        if self.missing > 0 {
            let lost = Event::of(View::Lost { events: core::mem::take(&mut self.missing) });
            let time = self.last.time().max(self.reach.said());
            self.waiting.push(lost.at(self.last.serial(), 0, time));
        }
    }

    /// Returns how many events were lost so far.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Sink for Spool {
    fn record(&mut self, event: &Event) {
        if self.waiting.len() + 1 >= WAITING || self.closed {
            self.missing = self.missing.saturating_add(1);
            self.last = *event;
            self.lost += 1;
            return;
        }
        self.confess();
        self.reach.note(event);
        self.waiting.push(*event);
    }
}

/// Writes batches until there are no more; what is written can be read whenever the thread has nothing to do.
fn write(
    out: impl Write,
    (format, header, mut merge): (Format, &Header, Merge),
    batches: &Receiver<Batch>,
) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let mut writer = format.begin(header, &mut out)?;
    let (mut written, mut goes_on) = (0, true);
    while goes_on {
        let next = match batches.try_recv() {
            Ok(batch) => Some(batch),
            Err(TryRecvError::Empty) => {
                out.flush()?;
                // Spools have room for what comes meanwhile, and the end waits no longer than this.
                thread::sleep(COLLECTING);
                batches.recv().ok()
            }
            Err(TryRecvError::Disconnected) => None,
        };
        goes_on = next.is_some();
        let events = match next {
            Some((events, until)) => merge.add(events, until),
            None => merge.rest(),
        };
        for event in &events {
            writer.event(event, &mut out)?;
        }
        written += events.len() as u64;
    }
    writer.end(&mut out)?;
    out.flush()?;
    Ok(written)
}
