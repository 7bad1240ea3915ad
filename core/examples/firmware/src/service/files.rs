//! Receives files into RAM, and gives the last one back.

use crate::app::Board;
use sockhop::file::{
    Algorithms, Intake, Keep, Leading, Offer, Receiver, Refusal, Scene, Sha256, Store, Turn,
};
use sockhop::node::FlowId;
use sockhop::relay::Stream;
use sockhop::time::Instant;

/// The largest file.
pub const MOST: usize = 8 << 10;

/// One file, in RAM.
pub struct Shelf {
    octets: [u8; MOST],
    length: usize,
    /// Whether it was received whole.
    whole: bool,
}

impl Shelf {
    /// Returns an empty shelf.
    pub const fn new() -> Self {
        Self { octets: [0; MOST], length: 0, whole: false }
    }
}

/// The shelf, while a file is being received: it begins afresh with each.
struct Writer<'s>(&'s mut Shelf);

impl Store for Writer<'_> {
    fn open(&mut self, offer: &Offer<'_>) -> Result<u64, Refusal> {
        if offer.stat.is_some_and(|stat| stat.size > MOST as u64) {
            return Err(Refusal::TooLarge);
        }
        (self.0.length, self.0.whole) = (0, false);
        Ok(0)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Refusal> {
        let here = usize::try_from(at).ok().and_then(|at| self.0.octets.get(at..self.0.length));
        let here = here.filter(|here| !here.is_empty()).ok_or(Refusal::Local)?;
        let count = here.len().min(into.len());
        into[..count].copy_from_slice(&here[..count]);
        Ok(count)
    }

    fn truncate(&mut self, at: u64) -> Result<(), Refusal> {
        self.0.length = usize::try_from(at).map_or(self.0.length, |at| at.min(self.0.length));
        Ok(())
    }

    fn write(&mut self, at: u64, octets: &[u8]) -> nb::Result<usize, Refusal> {
        let at = usize::try_from(at).unwrap_or(MOST);
        let Some(place) = self.0.octets.get_mut(at..).filter(|place| !place.is_empty()) else {
            return Err(nb::Error::Other(Refusal::TooLarge));
        };
        let count = place.len().min(octets.len());
        place[..count].copy_from_slice(&octets[..count]);
        self.0.length = at + count;
        Ok(count)
    }

    fn commit(&mut self) -> nb::Result<(), Refusal> {
        self.0.whole = true;
        Ok(())
    }

    fn abort(&mut self, _keep: Keep) {
        (self.0.length, self.0.whole) = (0, false);
    }
}

/// One sender.
pub struct Files<'s> {
    flow: FlowId,
    intake: Intake<Writer<'s>, Sha256>,
}

impl<'s> Files<'s> {
    /// Begins to receive a file from a connection.
    pub fn new(flow: FlowId, shelf: &'s mut Shelf) -> Self {
        let receiver = Receiver::new(Algorithms::SHA256, Leading::Plain);
        Self { flow, intake: Intake::new(receiver, Writer(shelf)) }
    }

    /// Receives what has come; gives the shelf back once the connection is over.
    pub fn work(mut self, now: Instant, node: &mut Board) -> Result<Self, &'s mut Shelf> {
        let mut scratch = [0; 64];
        let over = match node.watched(self.flow) {
            None => true,
            Some((mut stream, recorder)) => {
                let mut scene = Scene { now, scratch: &mut scratch, recorder, flow: self.flow.serial() };
                match self.intake.pump(&mut stream, &mut scene) {
                    Turn::Again | Turn::Wait => false,
                    Turn::Done(_) => true,
                    Turn::Failed(_) => {
                        stream.abort();
                        true
                    }
                }
            }
        };
        if !over {
            return Ok(self);
        }
        node.release(self.flow);
        Err(self.intake.into_store().0)
    }
}

/// One reader of the last file.
pub struct Reader {
    flow: FlowId,
    sent: usize,
}

impl Reader {
    /// Begins to give the file to a connection.
    pub const fn new(flow: FlowId) -> Self {
        Self { flow, sent: 0 }
    }

    /// Sends as much as there is room for; returns whether it is over.
    pub fn work(&mut self, shelf: Option<&Shelf>, node: &mut Board) -> bool {
        let whole = shelf.filter(|shelf| shelf.whole).map_or(&[][..], |shelf| &shelf.octets[..shelf.length]);
        let rest = whole.get(self.sent..).unwrap_or(&[]);
        let put = match node.stream(self.flow) {
            Some(mut stream) if !rest.is_empty() => stream.write(rest),
            Some(_) | None => Ok(0),
        };
        match put {
            Ok(count) if count > 0 => {
                self.sent += count;
                false
            }
            Err(nb::Error::WouldBlock) => false,
            Ok(_) | Err(nb::Error::Other(_)) => {
                node.release(self.flow);
                true
            }
        }
    }
}
