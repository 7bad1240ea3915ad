//! What was followed of connections: their last events, the states they went through, and whether all was legal.

use sockhop::tcp::{Legality, State, Violation};
use sockhop::time::Instant;
use sockhop::trace::{Ends, Event, View};
use sockhop_hosted::survey::Snapshot;
use std::collections::{HashMap, HashSet, VecDeque};

/// Events kept of one connection.
const EVENTS: usize = 4_096;
/// Samples kept of one connection.
const SAMPLES: usize = 512;
/// Connections of which something is kept.
const KEPT: usize = 512;

/// Every connection that was followed and still is there.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    tapes: HashMap<u32, Tape>,
    /// Events that were lost on the way here.
    pub(crate) lost: u64,
    /// Connections whose every event was checked.
    pub(crate) checked: u64,
    /// The first rule that was broken, and how many were.
    pub(crate) broken: Option<(u32, Violation)>,
    pub(crate) violations: u64,
}

/// What is kept of one connection.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) events: VecDeque<Event>,
    /// The numbers that sequence numbers are counted from.
    pub(crate) ends: Ends,
    /// When its first event was.
    pub(crate) began: Instant,
    /// The states it went through, as far as they were seen.
    pub(crate) path: Vec<State>,
    /// The checker, while nothing was missed.
    checker: Option<Legality>,
    /// The peer's window and what is in flight, one pair for each look.
    pub(crate) samples: VecDeque<(u64, u64)>,
}

impl Followed {
    /// Takes events, behind some that were lost.
    pub(crate) fn take(&mut self, lost: u64, events: impl Iterator<Item = Event>) {
        if lost > 0 {
            self.lost += lost;
            // Past a hole nothing can be checked.
            self.tapes.values_mut().for_each(|tape| tape.checker = None);
        }
        for event in events.filter(|event| event.flow() != 0) {
            let flow = event.flow();
            if self.tapes.len() >= KEPT && !self.tapes.contains_key(&flow) {
                continue;
            }
            let tape =
                self.tapes.entry(flow).or_insert_with(|| Tape { began: event.time(), ..Tape::default() });
            let (fresh, broken) = tape.take(event);
            self.checked += u64::from(fresh);
            if let Some(violation) = broken {
                self.violations += 1;
                self.broken.get_or_insert((flow, violation));
            }
        }
    }

    /// Takes a sample of each connection, and forgets those that are gone.
    pub(crate) fn look(&mut self, snapshot: &Snapshot) {
        let there: HashSet<u32> = snapshot
            .flows
            .iter()
            .map(|flow| flow.flow)
            .chain(snapshot.waits.iter().map(|wait| wait.flow))
            .collect();
        let newest = there.iter().max().copied().unwrap_or(0);
        // One that is newer than the snapshot is not gone.
        self.tapes.retain(|flow, _| *flow > newest || there.contains(flow));
        for flow in &snapshot.flows {
            if self.tapes.len() >= KEPT && !self.tapes.contains_key(&flow.flow) {
                continue;
            }
            let samples = &mut self.tapes.entry(flow.flow).or_default().samples;
            if samples.len() == SAMPLES {
                samples.pop_front();
            }
            samples.push_back((flow.send.window.unwrap_or(0).into(), flow.send.in_flight));
        }
    }

    /// Returns what is kept of a connection.
    pub(crate) fn of(&self, flow: u32) -> Option<&Tape> {
        self.tapes.get(&flow)
    }
}

impl Tape {
    /// Takes an event; returns whether it is the first of its connection, and the rule it breaks.
    fn take(&mut self, event: Event) -> (bool, Option<Violation>) {
        let fresh = matches!(event.view(), Some(View::Opened { .. }));
        if self.events.is_empty() {
            self.began = event.time();
            self.checker = fresh.then(Legality::default);
        }
        self.ends.learn(&event);
        if let Some(View::State { from, to, .. }) = event.view() {
            if self.path.is_empty() {
                self.path.push(from);
            }
            self.path.push(to);
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
        (fresh, self.checker.as_mut().and_then(|checker| checker.see(&event)))
    }
}
