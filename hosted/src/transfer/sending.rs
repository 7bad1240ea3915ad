//! The service that sends one file.

use super::FileSource;
use super::hashing::Hashing;
use crate::engine::FlowId;
use crate::front::Front;
use crate::serve::Service;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::file::{
    Algorithm, Algorithms, Delivery, Digest, Outcome, Scene, Sender, SenderError, SenderState, Sum, Turn,
};
use sockhop::relay::Stream;
use sockhop::time::Instant;

/// Octets on their way from a disk to a digest.
const SCRATCH: usize = 64 << 10;

/// What became of the file.
#[derive(Clone, Debug)]
pub struct Sent {
    /// How it ended.
    pub outcome: Result<Outcome, SenderError>,
    /// What the receiver said with its refusal; of any octets.
    pub said: Vec<u8>,
    /// How many octets there are.
    pub size: u64,
    /// How many of them the receiver had before.
    pub resumed: u64,
    /// How many were put into the connection.
    pub octets: u64,
    /// Its digest, and by which algorithm that is.
    pub sum: Option<(Algorithm, Sum)>,
    /// How long it took.
    pub lasted: Duration,
}

/// Sends one file over one connection.
#[derive(Debug)]
pub struct Sending {
    delivery: Delivery<String, FileSource, Hashing>,
    flow: FlowId,
    began: Instant,
    again: bool,
    sent: Option<Sent>,
    scratch: Vec<u8>,
}

impl Sending {
    /// Returns a service that sends `source` over `flow`.
    ///
    /// # Errors
    /// [`SenderError::Name`] when no receiver would take the name.
    pub fn new(source: FileSource, classic: bool, flow: FlowId, now: Instant) -> Result<Self, SenderError> {
        let (name, stat) = (source.name().to_owned(), source.offered());
        let sender =
            if classic { Sender::classic(name, stat)? } else { Sender::new(name, stat, Algorithms::ALL)? };
        let delivery = Delivery::new(sender, source);
        Ok(Self { delivery, flow, began: now, again: true, sent: None, scratch: vec![0; SCRATCH] })
    }

    /// Returns what became of the file, once it is over.
    pub const fn sent(&self) -> Option<&Sent> {
        self.sent.as_ref()
    }

    /// Returns the name that is offered.
    pub fn name(&self) -> &str {
        self.delivery.source().name()
    }

    /// Returns how many octets there are.
    pub const fn size(&self) -> u64 {
        self.delivery.sender().stat().size
    }

    /// Returns how many octets are sent or were there before.
    pub const fn at(&self) -> u64 {
        self.delivery.sender().at()
    }

    /// Returns where the transfer stands.
    pub fn state(&self) -> SenderState {
        sockhop::machine::Machine::state(self.delivery.sender())
    }

    fn pump<F: Front>(&mut self, now: Instant, front: &mut F) {
        self.again = false;
        if self.sent.is_some() {
            return;
        }
        let outcome = match front.watched(self.flow) {
            Some((mut ring, recorder)) => {
                let mut scene = Scene { now, scratch: &mut self.scratch, recorder, flow: self.flow.serial() };
                match self.delivery.pump(&mut ring, &mut scene) {
                    Turn::Again => {
                        self.again = true;
                        return;
                    }
                    Turn::Wait => return,
                    Turn::Done(outcome) => {
                        ring.close();
                        Ok(outcome)
                    }
                    Turn::Failed(error) => {
                        ring.abort();
                        Err(error)
                    }
                }
            }
            None => Err(SenderError::Broken(self.state())),
        };
        self.finish(now, front, outcome);
    }

    fn finish<F: Front>(&mut self, now: Instant, front: &mut F, outcome: Result<Outcome, SenderError>) {
        front.release(self.flow);
        let sender = self.delivery.sender();
        let sum = self.delivery.digest().map(|digest| (sender.algorithm(), digest.sum()));
        self.sent = Some(Sent {
            outcome,
            said: sender.text().to_vec(),
            size: sender.stat().size,
            resumed: sender.start(),
            octets: sender.at() - sender.start(),
            sum: sum.filter(|_| outcome.is_ok()),
            lasted: now.since(self.began),
        });
    }
}

impl<F: Front> Service<F> for Sending {
    fn opened(&mut self, _now: Instant, _front: &mut F, _flow: FlowId, _remote: SocketAddr) {}

    fn ready(&mut self, now: Instant, front: &mut F, _flow: FlowId) {
        self.pump(now, front);
    }

    fn work(&mut self, now: Instant, front: &mut F) -> bool {
        if self.again || self.delivery.deadline().is_some_and(|at| at <= now) {
            self.pump(now, front);
        }
        self.again
    }

    fn poll_at(&self) -> Option<Instant> {
        self.delivery.deadline().filter(|_| self.sent.is_none())
    }

    fn goes_on(&self) -> bool {
        self.sent.is_none()
    }

    fn stop(&mut self, now: Instant, front: &mut F) {
        if self.sent.is_none() {
            let state = self.state();
            if let Some((mut ring, _)) = front.watched(self.flow) {
                ring.abort();
            }
            self.finish(now, front, Err(SenderError::Broken(state)));
        }
    }
}
