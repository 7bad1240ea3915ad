//! What a running stack records: a ladder on the screen, a file, both or nothing.

use crate::exit::{FAILED, Failure};
use crate::printer::Page;
use sockhop::trace::{Event, Header, Sink};
use sockhop_hosted::report::{Recording, Spool, Unstarted};
use std::io::Write;
use std::path::Path;

/// Who is told of everything the stack does: a ladder on the screen, a file, both or nobody.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) page: Option<Page>,
    pub(crate) spool: Option<Spool>,
}

impl Sink for Watch {
    fn record(&mut self, event: &Event) {
        self.page.record(event);
        self.spool.record(event);
    }

    fn enabled(&self) -> bool {
        self.page.is_some() || self.spool.is_some()
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
