//! A receiver with its store and its digest, moved on whenever the connection allows.

use super::scene::{Budget, Clock};
use super::{Digest, Error, Event, Held, Keep, Receiver, Refusal, Scene, State, Store, Turn};
use crate::machine::Machine;
use crate::relay::Ring;
use crate::time::Instant;
use crate::trace::{Sink, Traced};

/// Receives one file: content goes from the receive ring straight to the store, and nothing of it is held.
///
/// While the store takes nothing, nothing is read, and the window closes back to the sender's disk.
#[derive(Debug)]
pub struct Intake<S: Store, D, const N: usize = 280> {
    receiver: Receiver<N>,
    store: S,
    digest: Option<D>,
    /// How many octets were here when the file was offered; `None` before that.
    held: Option<u64>,
    /// How many octets the digest has taken.
    digested: u64,
    clock: Clock,
}

impl<S: Store, D: Digest, const N: usize> Intake<S, D, N> {
    /// Returns an intake for what a sender offers to `receiver`, written to `store`.
    pub fn new(receiver: Receiver<N>, store: S) -> Self {
        Self { receiver, store, digest: None, held: None, digested: 0, clock: Clock::default() }
    }

    /// Returns the machine.
    pub const fn receiver(&self) -> &Receiver<N> {
        &self.receiver
    }

    /// Returns the store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Returns the store, to be changed.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Returns the digest of what is stored so far, once there is some.
    pub const fn digest(&self) -> Option<&D> {
        self.digest.as_ref()
    }

    /// Returns when [`pump`](Self::pump) is to be called although nothing has happened.
    pub fn deadline(&self) -> Option<Instant> {
        let patience = self.clock.deadline(self.receiver.patience())?;
        let at_work = matches!(self.receiver.state(), State::Offered | State::Committing);
        Some(if at_work { patience.min(self.clock.telling()) } else { patience })
    }

    /// Does what can be done now.
    pub fn pump<T: Sink>(&mut self, stream: &mut impl Ring, scene: &mut Scene<'_, T>) -> Turn<Error> {
        let mut budget = Budget::new();
        let mut more = true;
        while more && !budget.is_spent() {
            more = self.hear(stream, scene, &mut budget) | self.say(stream, scene);
            more |= match self.receiver.poll() {
                Err(nb::Error::Other(error)) => return self.fail(error),
                Err(nb::Error::WouldBlock) | Ok(Event::Content { .. }) => false,
                Ok(Event::Done(outcome)) => return Turn::Done(outcome),
                Ok(Event::Offer(_)) => self.offered(scene, &mut budget),
                Ok(Event::Start { at }) => self.start(at, scene),
                Ok(Event::Verify) => {
                    let sum = self.begun().sum();
                    self.step(scene, |receiver| receiver.verify(sum));
                    true
                }
                Ok(Event::Commit) => self.commit(scene),
                Ok(Event::Finish) => {
                    stream.close();
                    self.step(scene, Receiver::finish);
                    true
                }
            };
        }
        if self.clock.has_run_out(scene.now, self.receiver.beat(), self.receiver.patience()) {
            self.step(scene, Machine::expire);
            return Turn::Again;
        }
        if more { Turn::Again } else { Turn::Wait }
    }

    /// Gives the connection up: what the store holds is kept as after a break.
    pub fn abandon(&mut self) {
        self.receiver.broke();
        if let Err(nb::Error::Other(error)) = self.receiver.poll() {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: Error) -> Turn<Error> {
        if self.held.take().is_some() {
            let keep = match error {
                Error::Refused(Refusal::Mismatch) => Keep::Nothing,
                Error::Protocol
                | Error::Start(_)
                | Error::Refused(_)
                | Error::Ended(_)
                | Error::Broken(_)
                | Error::Expired(_) => Keep::Part,
            };
            self.store.abort(keep);
        }
        Turn::Failed(error)
    }

    fn step<T: Sink, R>(&mut self, scene: &mut Scene<'_, T>, verb: impl FnOnce(&mut Receiver<N>) -> R) -> R {
        Traced::new(&mut self.receiver, scene.recorder, scene.flow, scene.now).step(verb)
    }

    fn begun(&mut self) -> &mut D {
        let algorithm = self.receiver.algorithm();
        self.digest.get_or_insert_with(|| D::begin(algorithm))
    }

    fn hear<T: Sink>(
        &mut self,
        stream: &mut impl Ring,
        scene: &mut Scene<'_, T>,
        budget: &mut Budget,
    ) -> bool {
        let heard = stream.with_received(|octets| {
            let taken = match self.receiver.poll() {
                Ok(Event::Content { at, left }) => {
                    let count = budget.allow(left).min(octets.len());
                    self.store_content(at, &octets[..count], scene)
                }
                _ => self.step(scene, |receiver| receiver.feed(octets)),
            };
            (taken, taken)
        });
        match heard {
            Ok(Some(taken)) => {
                budget.spend(taken);
                taken > 0
            }
            Ok(None) => self.step(scene, |receiver| {
                let before = receiver.state();
                receiver.end();
                receiver.state() != before
            }),
            Err(nb::Error::WouldBlock) => false,
            Err(nb::Error::Other(_)) => self.step(scene, |receiver| {
                let before = receiver.state();
                receiver.broke();
                receiver.state() != before
            }),
        }
    }

    /// Stores octets and returns how many; 0 while the store is busy, and when it has refused.
    fn store_content<T: Sink>(&mut self, at: u64, octets: &[u8], scene: &mut Scene<'_, T>) -> usize {
        match self.store.write(at, octets) {
            Ok(count) => {
                self.begun().update(&octets[..count]);
                self.step(scene, |receiver| receiver.advance(count as u64));
                count
            }
            Err(nb::Error::WouldBlock) => 0,
            Err(nb::Error::Other(refusal)) => {
                self.step(scene, |receiver| receiver.refuse(refusal));
                0
            }
        }
    }

    fn say<T: Sink>(&mut self, stream: &mut impl Ring, scene: &mut Scene<'_, T>) -> bool {
        let said = stream.with_space(|space| {
            let said = self.step(scene, |receiver| receiver.drain(space));
            (said, said)
        });
        matches!(said, Ok(said) if said > 0)
    }

    /// Opens the store, and hashes what it holds of the file, a piece in each turn.
    fn offered<T: Sink>(&mut self, scene: &mut Scene<'_, T>, budget: &mut Budget) -> bool {
        let Some(held) = self.held else {
            let Ok(Event::Offer(offer)) = self.receiver.poll() else { return false };
            let classic = offer.stat.is_none();
            match self.store.open(&offer) {
                Ok(held) => self.held = Some(if classic { 0 } else { held }),
                Err(refusal) => self.step(scene, |receiver| receiver.refuse(refusal)),
            }
            return true;
        };
        if self.digested < held {
            let count = budget.allow(held - self.digested).min(scene.scratch.len());
            match self.store.read(self.digested, &mut scene.scratch[..count]) {
                Ok(count) => {
                    self.begun().update(&scene.scratch[..count]);
                    self.digested += count as u64;
                    budget.spend(count.max(1));
                }
                Err(refusal) => self.step(scene, |receiver| receiver.refuse(refusal)),
            }
            self.tell(scene);
        } else {
            let sum = self.begun().sum();
            self.step(scene, |receiver| receiver.accept(Held { octets: held, sum }));
        }
        true
    }

    fn start<T: Sink>(&mut self, at: u64, scene: &mut Scene<'_, T>) -> bool {
        if self.held.is_some_and(|held| at < held) {
            self.digest = None;
        }
        match self.store.truncate(at) {
            Ok(()) => self.step(scene, Receiver::begin),
            Err(refusal) => self.step(scene, |receiver| receiver.refuse(refusal)),
        }
        true
    }

    fn commit<T: Sink>(&mut self, scene: &mut Scene<'_, T>) -> bool {
        match self.store.commit() {
            Ok(()) => self.step(scene, Receiver::commit),
            Err(nb::Error::WouldBlock) => {
                self.tell(scene);
                return false;
            }
            Err(nb::Error::Other(refusal)) => self.step(scene, |receiver| receiver.refuse(refusal)),
        }
        true
    }

    fn tell<T: Sink>(&mut self, scene: &mut Scene<'_, T>) {
        if self.clock.is_time_to_tell(scene.now) {
            self.step(scene, Receiver::wait);
        }
    }
}
