//! The service that receives files, from many senders at once.

use super::{Folder, Part, Policy};
use crate::engine::FlowId;
use crate::front::Front;
use crate::serve::Service;
use core::net::SocketAddr;
use core::time::Duration;
use mio::Waker;
use sockhop::file::{
    Algorithms, Digest, Either, Error, Intake, Leading, Outcome, Receiver, Scene, Sum, Turn,
};
use sockhop::machine::Machine;
use sockhop::relay::Stream;
use sockhop::time::Instant;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Octets on their way from a disk to a digest.
const SCRATCH: usize = 64 << 10;
/// Senders that are served at once; more are reset.
const MOST: usize = 256;

/// What became of one file.
#[derive(Clone, Debug)]
pub struct Received {
    /// The name it was given, or the one that was offered; empty if none was.
    pub name: String,
    /// Who sent it.
    pub remote: SocketAddr,
    /// How it ended.
    pub outcome: Result<Outcome, Error>,
    /// How many octets of it are stored.
    pub octets: u64,
    /// How many of them were here before.
    pub resumed: u64,
    /// Its digest, and by which algorithm that is.
    pub sum: Option<(sockhop::file::Algorithm, Sum)>,
    /// How long it took.
    pub lasted: Duration,
}

/// One file under way.
#[derive(Debug)]
struct Reception {
    intake: Intake<Part, Either>,
    remote: SocketAddr,
    began: Instant,
    name: String,
    size: Option<u64>,
}

/// How far a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its name.
    pub name: String,
    /// How many octets are done.
    pub octets: u64,
    /// How many there are, if that is known.
    pub size: Option<u64>,
}

/// Receives files into a folder.
#[derive(Debug)]
pub struct Receiving {
    folder: Arc<Folder>,
    policy: Policy,
    leading: Leading,
    waker: Option<Arc<Waker>>,
    /// Whether it is over after one file.
    once: bool,
    files: u64,
    receptions: HashMap<FlowId, Reception>,
    again: Vec<FlowId>,
    reports: VecDeque<Received>,
    scratch: Vec<u8>,
    stopped: bool,
}

impl Receiving {
    /// Returns a service that receives into `folder`; with `waker` files are brought to the disk on threads.
    pub fn new(folder: Folder, policy: Policy, leading: Leading, waker: Option<Arc<Waker>>) -> Self {
        Self {
            folder: Arc::new(folder),
            policy,
            leading,
            waker,
            once: false,
            files: 0,
            receptions: HashMap::new(),
            again: Vec::new(),
            reports: VecDeque::new(),
            scratch: vec![0; SCRATCH],
            stopped: false,
        }
    }

    /// Ends after one file, whatever became of it; a connection that offers none does not count.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Returns where files are received into.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns what became of a file that is over.
    pub fn next_report(&mut self) -> Option<Received> {
        self.reports.pop_front()
    }

    /// Returns how far the files under way are.
    pub fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        self.receptions.values().filter(|reception| !reception.name.is_empty()).map(|reception| Progress {
            name: reception.name.clone(),
            octets: reception.intake.receiver().stored(),
            size: reception.size,
        })
    }

    fn pump<F: Front>(&mut self, now: Instant, front: &mut F, flow: FlowId) {
        let Some(reception) = self.receptions.get_mut(&flow) else { return };
        let turn = match front.watched(flow) {
            Some((mut ring, recorder)) => {
                let mut scene = Scene { now, scratch: &mut self.scratch, recorder, flow: flow.serial() };
                let turn = reception.intake.pump(&mut ring, &mut scene);
                match turn {
                    Turn::Failed(_) => ring.abort(),
                    Turn::Done(_) => ring.close(),
                    Turn::Again | Turn::Wait => {}
                }
                turn
            }
            None => {
                reception.intake.abandon();
                Turn::Failed(Error::Broken(reception.intake.receiver().state()))
            }
        };
        reception.look();
        match turn {
            Turn::Again => self.again.push(flow),
            Turn::Wait => {}
            Turn::Done(outcome) => self.finish(now, front, flow, Ok(outcome)),
            Turn::Failed(error) => self.finish(now, front, flow, Err(error)),
        }
    }

    fn finish<F: Front>(
        &mut self,
        now: Instant,
        front: &mut F,
        flow: FlowId,
        outcome: Result<Outcome, Error>,
    ) {
        front.release(flow);
        let Some(reception) = self.receptions.remove(&flow) else { return };
        let Reception { intake, remote, began, name, .. } = reception;
        let sum = intake.digest().map(|digest| (intake.receiver().algorithm(), digest.sum()));
        let name = intake.store().name().map_or(name, str::to_owned);
        self.files += u64::from(!name.is_empty());
        self.reports.push_back(Received {
            name,
            remote,
            outcome,
            octets: intake.receiver().stored(),
            resumed: intake.receiver().started(),
            sum: sum.filter(|_| outcome.is_ok()),
            lasted: now.since(began),
        });
    }
}

impl Reception {
    /// Notes what the machine has let be known.
    fn look(&mut self) {
        if self.name.is_empty()
            && let Some((name, stat)) = self.intake.store().offered()
        {
            self.name = name.to_owned();
            self.size = stat.map(|stat| stat.size);
        }
    }
}

impl<F: Front> Service<F> for Receiving {
    fn opened(&mut self, now: Instant, front: &mut F, flow: FlowId, remote: SocketAddr) {
        if self.stopped || self.receptions.len() >= MOST {
            if let Some((mut ring, _)) = front.watched(flow) {
                ring.abort();
            }
            return front.release(flow);
        }
        let store = Part::new(Arc::clone(&self.folder), self.policy, self.waker.clone());
        let intake = Intake::new(Receiver::new(Algorithms::ALL, self.leading), store);
        let reception = Reception { intake, remote, began: now, name: String::new(), size: None };
        self.receptions.insert(flow, reception);
        self.pump(now, front, flow);
    }

    fn ready(&mut self, now: Instant, front: &mut F, flow: FlowId) {
        self.pump(now, front, flow);
    }

    fn work(&mut self, now: Instant, front: &mut F) -> bool {
        let due = |(flow, reception): (&FlowId, &Reception)| {
            let late = reception.intake.deadline().is_some_and(|at| at <= now);
            (late || reception.intake.store().is_committing()).then_some(*flow)
        };
        let mut flows = core::mem::take(&mut self.again);
        flows.extend(self.receptions.iter().filter_map(due));
        flows.sort_unstable_by_key(|flow| flow.serial());
        flows.dedup();
        for flow in flows {
            self.pump(now, front, flow);
        }
        !self.again.is_empty()
    }

    fn poll_at(&self) -> Option<Instant> {
        self.receptions.values().filter_map(|reception| reception.intake.deadline()).min()
    }

    fn goes_on(&self) -> bool {
        !(self.once && self.files > 0)
    }

    fn stop(&mut self, now: Instant, front: &mut F) {
        self.stopped = true;
        for flow in self.receptions.keys().copied().collect::<Vec<_>>() {
            if let Some(reception) = self.receptions.get_mut(&flow) {
                let state = reception.intake.receiver().state();
                reception.intake.abandon();
                if let Some((mut ring, _)) = front.watched(flow) {
                    ring.abort();
                }
                self.finish(now, front, flow, Err(Error::Broken(state)));
            }
        }
    }
}
