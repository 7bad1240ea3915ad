//! Echo, files, the trace, and the log.

use super::dump::Dump;
use super::echo::Echo;
use super::files::{Files, Reader, Shelf};
use crate::app::{Board, CLIENTS};
use sockhop::node::{Opened, Report};
use sockhop::time::Instant;
use sockhop::trace::{Event, Ring, Sink};
use static_cell::ConstStaticCell;

/// Where octets come back, by TCP and UDP.
const ECHO: u16 = 7;
/// Where files are received, and where the last one is given back.
const FILES: u16 = 7_007;
const READER: u16 = 7_008;
/// Where the trace is given away.
const TRACE: u16 = 7_070;

static SHELF: ConstStaticCell<Shelf> = ConstStaticCell::new(Shelf::new());

/// The last events, and where the connections stood before them; it stands still while it is read.
pub struct Trace {
    ring: Ring<32, 4>,
    still: bool,
}

impl Trace {
    /// Returns an empty trace.
    pub const fn new() -> Self {
        Self { ring: Ring::new(), still: false }
    }

    /// Lets it stand still, or go on.
    pub const fn stand(&mut self, still: bool) {
        self.still = still;
    }

    /// Returns the event at this place.
    pub fn nth(&self, at: usize) -> Option<Event> {
        self.ring.events().nth(at)
    }
}

impl Sink for Trace {
    fn record(&mut self, event: &Event) {
        self.ring.record(event);
    }

    fn enabled(&self) -> bool {
        !self.still
    }
}

/// One connection that is not the proxy's.
enum Service {
    Echo(Echo),
    Dump(Dump),
    Reader(Reader),
}

/// What is being served.
pub struct Services {
    places: [Option<Service>; CLIENTS],
    /// Where the next file goes, while none is being received.
    shelf: Option<&'static mut Shelf>,
    files: Option<Files<'static>>,
}

impl Services {
    /// Opens the ports.
    pub fn new(node: &mut Board) -> Self {
        for port in [ECHO, FILES, READER, TRACE] {
            node.listen(port);
        }
        node.open_port_at(ECHO);
        Self { places: [const { None }; CLIENTS], shelf: Some(SHELF.take()), files: None }
    }

    /// Takes a connection to one of the ports; one too many, and one with a second file at a time, is closed.
    pub fn opened(&mut self, node: &mut Board, opened: Opened) {
        if opened.port == FILES && !opened.crowded {
            match self.shelf.take() {
                Some(shelf) => self.files = Some(Files::new(opened.flow, shelf)),
                None => node.release(opened.flow),
            }
            return;
        }
        let place = self.places.iter_mut().find(|place| place.is_none());
        let Some(place) = place.filter(|_| !opened.crowded) else { return node.release(opened.flow) };
        *place = Some(match opened.port {
            TRACE => Service::Dump(Dump::new(opened.flow)),
            READER => Service::Reader(Reader::new(opened.flow)),
            _ => Service::Echo(Echo::new(opened.flow)),
        });
    }

    /// Says how a session of the proxy's ended.
    pub fn ended(&mut self, report: &Report) {
        #[cfg(feature = "log")]
        {
            let (up, down) = report.octets;
            defmt::info!("session {=u32}: {} up {=u64} down {=u64}", report.flow, report.end, up, down);
        }
        let _ = report;
    }

    /// Serves every connection and the datagram that stands.
    pub fn work(&mut self, now: Instant, node: &mut Board) {
        if let Some((at, from)) = node.datagram().map(|datagram| (datagram.at, datagram.from))
            && at == ECHO
        {
            node.pass_datagram(at, from, &[], 0);
        }
        match self.files.take().map(|files| files.work(now, node)) {
            Some(Ok(files)) => self.files = Some(files),
            Some(Err(shelf)) => self.shelf = Some(shelf),
            None => {}
        }
        for place in &mut self.places {
            let over = match place {
                None => false,
                Some(Service::Echo(echo)) => echo.work(now, node),
                Some(Service::Dump(dump)) => dump.work(node),
                Some(Service::Reader(reader)) => reader.work(self.shelf.as_deref(), node),
            };
            if over {
                *place = None;
            }
        }
    }
}
