//! What a running stack records: a ladder on the screen, a file, both or nothing.

use crate::exit::{FAILED, Failure};
use crate::printer::Page;
use sockhop::trace::{Event, Header, Sink};
use sockhop_hosted::report::{Recording, Spool, Unstarted};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Who is told of everything the stack does: a ladder on the screen, a file, both or nobody.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What is to be printed, the ends of sessions among it.
    pub(crate) page: Page,
    /// Whether each event is printed.
    pub(crate) ladder: bool,
    pub(crate) spool: Option<Spool>,
}

impl Sink for Watch {
    fn record(&mut self, event: &Event) {
        if self.ladder {
            self.page.record(event);
        }
        self.spool.record(event);
    }

    fn enabled(&self) -> bool {
        self.ladder || self.spool.is_some()
    }
}

/// Who is told by a worker: those whom nobody else tells, or those whom all workers tell.
#[derive(Debug)]
pub(crate) enum Ears {
    Own(Watch),
    Shared {
        watch: Arc<Mutex<Watch>>,
        /// Whether they listen; looked at for each event.
        enabled: bool,
    },
}

impl Ears {
    /// Returns the ears of so many workers.
    pub(crate) fn of(watch: Watch, workers: usize) -> Vec<Self> {
        if workers == 1 {
            return vec![Self::Own(watch)];
        }
        let (enabled, watch) = (watch.enabled(), Arc::new(Mutex::new(watch)));
        (0..workers).map(|_| Self::Shared { watch: Arc::clone(&watch), enabled }).collect()
    }

    /// Lends those who are told.
    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut Watch) -> R) -> R {
        match self {
            Self::Own(watch) => work(watch),
            // A worker that panicked has left no event half recorded.
            Self::Shared { watch, .. } => work(&mut watch.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl Sink for Ears {
    fn record(&mut self, event: &Event) {
        self.with(|watch| watch.record(event));
    }

    fn enabled(&self) -> bool {
        match self {
            Self::Own(watch) => watch.enabled(),
            Self::Shared { enabled, .. } => *enabled,
        }
    }
}

/// Opens the file to record to, if one is asked for.
pub(crate) fn begin(path: Option<&Path>, node: &str) -> Result<(Option<Unstarted>, Option<Spool>), Failure> {
    let Some(path) = path else { return Ok((None, None)) };
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let header = Header::new(node, u64::try_from(since.as_nanos()).unwrap_or(0), 0);
    let (recording, spool) = Recording::create(path, &header)
        .map_err(|error| Failure::new(FAILED, format!("{} cannot be written: {error}", path.display())))?;
    Ok((Some(recording), Some(spool)))
}

/// Waits for the last events to be written, and says what became of them.
pub(crate) fn say(
    recording: Recording,
    spool: Spool,
    path: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let path = path.unwrap_or(Path::new("")).display();
    let (written, lost) = recording
        .finish(spool)
        .map_err(|error| Failure::new(FAILED, format!("{path} is not complete: {error}")))?;
    match lost {
        0 => writeln!(out, "  events in {path}: {written}")?,
        lost => {
            writeln!(out, "  events in {path}: {written}; {lost} came faster than they could be written")?
        }
    }
    Ok(out.flush()?)
}
