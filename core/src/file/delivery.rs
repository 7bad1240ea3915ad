//! A sender with its source and its digest, moved on whenever the connection allows.

use super::scene::{Budget, Clock};
use super::{Digest, Scene, Sender, SenderError, SenderEvent, Source, Turn, Unreadable};
use crate::machine::Machine;
use crate::relay::{Broken, Ring};
use crate::time::Instant;
use crate::trace::{Sink, Traced};

/// Sends one file: content is read straight into the send ring, and nothing of it is held.
#[derive(Debug)]
pub struct Delivery<B, S, D> {
    sender: Sender<B>,
    source: S,
    digest: Option<D>,
    /// How many octets the digest has taken.
    digested: u64,
    clock: Clock,
}

/// What a step came to.
enum Step {
    /// Something was done.
    Moved,
    /// Something is waited for.
    Idle,
}

impl<B: AsRef<str>, S: Source, D: Digest> Delivery<B, S, D> {
    /// Returns a delivery of what `sender` offers, read from `source`.
    pub fn new(sender: Sender<B>, source: S) -> Self {
        Self { sender, source, digest: None, digested: 0, clock: Clock::default() }
    }

    /// Returns the machine.
    pub const fn sender(&self) -> &Sender<B> {
        &self.sender
    }

    /// Returns the source.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Returns the digest of what was read so far.
    pub const fn digest(&self) -> Option<&D> {
        self.digest.as_ref()
    }

    /// Returns when [`pump`](Self::pump) is to be called although nothing has happened.
    pub fn deadline(&self) -> Option<Instant> {
        self.clock.deadline(self.sender.patience())
    }

    /// Does what can be done now.
    pub fn pump<T: Sink>(&mut self, stream: &mut impl Ring, scene: &mut Scene<'_, T>) -> Turn<SenderError> {
        let mut budget = Budget::new();
        let mut more = true;
        while more && !budget.is_spent() {
            more = self.hear(stream, scene) | self.say(stream, scene);
            more |= match self.sender.poll() {
                Err(nb::Error::Other(error)) => return Turn::Failed(error),
                Err(nb::Error::WouldBlock) => false,
                Ok(SenderEvent::Done(outcome)) => return Turn::Done(outcome),
                Ok(event) => matches!(self.act(event, stream, scene, &mut budget), Step::Moved),
            };
        }
        if self.clock.has_run_out(scene.now, self.sender.beat(), self.sender.patience()) {
            self.step(scene, Machine::expire);
            return Turn::Again;
        }
        if more { Turn::Again } else { Turn::Wait }
    }

    fn step<T: Sink, R>(&mut self, scene: &mut Scene<'_, T>, verb: impl FnOnce(&mut Sender<B>) -> R) -> R {
        Traced::new(&mut self.sender, scene.recorder, scene.flow, scene.now).step(verb)
    }

    fn hear<T: Sink>(&mut self, stream: &mut impl Ring, scene: &mut Scene<'_, T>) -> bool {
        let heard = stream.with_received(|octets| {
            let taken = self.step(scene, |sender| sender.feed(octets));
            (taken, taken)
        });
        match heard {
            Ok(Some(taken)) => taken > 0,
            Ok(None) => {
                self.step(scene, Machine::end);
                false
            }
            Err(nb::Error::WouldBlock) => false,
            Err(nb::Error::Other(_)) => {
                self.step(scene, Sender::broke);
                false
            }
        }
    }

    fn say<T: Sink>(&mut self, stream: &mut impl Ring, scene: &mut Scene<'_, T>) -> bool {
        // A file without content goes on although nothing is said.
        let before = self.sender.state();
        if self.sender.poll() != Err(nb::Error::WouldBlock) {
            return false;
        }
        let said = stream.with_space(|space| {
            let said = self.step(scene, |sender| sender.drain(space));
            (said, said)
        });
        matches!(said, Ok(said) if said > 0) || self.sender.state() != before
    }

    fn act<T: Sink>(
        &mut self,
        event: SenderEvent,
        stream: &mut impl Ring,
        scene: &mut Scene<'_, T>,
        budget: &mut Budget,
    ) -> Step {
        match event {
            SenderEvent::Compare { octets, .. } => self.compare(octets, scene, budget),
            SenderEvent::Send { offset, left } => self.send((offset, left), stream, scene, budget),
            SenderEvent::Digest => {
                let unchanged = self.source.stat() == Ok(self.sender.stat());
                let sum = self.begun().sum();
                self.step(scene, |sender| if unchanged { sender.digest(sum) } else { sender.abandon() });
                Step::Moved
            }
            SenderEvent::Finish => {
                // A classic sender has no digest to tell a change by: it resets rather than end in order.
                let unchanged = self.source.stat() == Ok(self.sender.stat());
                if unchanged {
                    stream.close();
                }
                self.step(scene, |sender| if unchanged { sender.finish() } else { sender.abandon() });
                Step::Moved
            }
            SenderEvent::Done(_) => Step::Idle,
        }
    }

    /// Returns the digest, begun if it was not.
    fn begun(&mut self) -> &mut D {
        let algorithm = self.sender.algorithm();
        self.digest.get_or_insert_with(|| D::begin(algorithm))
    }

    fn compare<T: Sink>(&mut self, octets: u64, scene: &mut Scene<'_, T>, budget: &mut Budget) -> Step {
        let count = budget.allow(octets - self.digested).min(scene.scratch.len());
        match self.source.read(self.digested, &mut scene.scratch[..count]) {
            Ok(0) | Err(Unreadable) => self.step(scene, Sender::abandon),
            Ok(read) => {
                debug_assert!(read <= count, "a source reads into the room it is given");
                let count = read.min(count);
                self.begun().update(&scene.scratch[..count]);
                self.digested += count as u64;
                budget.spend(count);
            }
        }
        if self.digested == octets {
            let sum = self.begun().sum();
            self.step(scene, |sender| sender.compare(sum));
            if self.sender.start() == 0 {
                self.digest = None;
            }
        }
        Step::Moved
    }

    fn send<T: Sink>(
        &mut self,
        (offset, left): (u64, u64),
        stream: &mut impl Ring,
        scene: &mut Scene<'_, T>,
        budget: &mut Budget,
    ) -> Step {
        let sent = stream.with_space(|space| {
            let room = budget.allow(left).min(space.len());
            match self.source.read(offset, &mut space[..room]) {
                Ok(0) | Err(Unreadable) => (0, Err(Unreadable)),
                Ok(read) => {
                    debug_assert!(read <= room, "a source reads into the room it is given");
                    let count = read.min(room);
                    self.begun().update(&space[..count]);
                    (count, Ok(count))
                }
            }
        });
        match sent {
            Ok(Ok(count)) => {
                budget.spend(count);
                self.step(scene, |sender| sender.advance(count as u64));
            }
            Ok(Err(Unreadable)) => self.step(scene, Sender::abandon),
            Err(nb::Error::WouldBlock) => return Step::Idle,
            // The other direction may hold the reason; hearing tells when the connection is really over.
            Err(nb::Error::Other(Broken::Reset | Broken::TimedOut | Broken::Host(_))) => return Step::Idle,
        }
        Step::Moved
    }
}
