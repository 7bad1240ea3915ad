//! Events on a wire or in a file of a device, 32 octets each.

use super::{Event, Header, Sink, View};
use crate::time::Instant;

/// Writes each event as it stands in a trace.
///
/// What cannot be written is counted, and told as lost as soon as something can be written again. A writer ought to take
/// the 32 octets whole or not at all: behind half an event nobody finds the next.
#[derive(Clone, Debug)]
pub struct Frames<W> {
    out: W,
    lost: u32,
}

impl<W> Frames<W> {
    /// Returns a sink that writes to `out`, which ought not to wait.
    pub const fn new(out: W) -> Self {
        Self { out, lost: 0 }
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Returns how many events could not be written and were not told as lost yet.
    pub const fn lost(&self) -> u32 {
        self.lost
    }
}

impl<W: embedded_io::Write> Frames<W> {
    /// Writes what stands before the first event in a file; tools ask for it.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(&mut self, header: &Header) -> Result<(), W::Error> {
        self.out.write_all(&header.encode())
    }
}

impl<W: embedded_io::Write> Sink for Frames<W> {
    fn record(&mut self, event: &Event) {
        if self.lost > 0 {
            let (serial, now): (u32, Instant) = (event.serial().wrapping_sub(1), event.time());
            let lost = Event::of(View::Lost { events: self.lost }).at(serial, 0, now);
            if self.out.write_all(&lost.encode()).is_err() {
                self.lost = self.lost.saturating_add(1);
                return;
            }
            self.lost = 0;
        }
        if self.out.write_all(&event.encode()).is_err() {
            self.lost = 1;
        }
    }
}
