//! What a proxy counts of its sessions.

use super::{End, Report};
use crate::metrics::Latency;
use sockhop::time::Instant;
use std::collections::{BTreeMap, HashMap};

/// Counts of sessions that have ended, and of the time that targets took.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// How many had each reply code and end; without a code, no request was answered.
    pub ended: BTreeMap<(Option<u8>, &'static str), u64>,
    /// The octets that were carried up and down.
    pub octets: (u64, u64),
    /// How long targets took to answer.
    pub dials: Latency,
}

/// What is counted, and what is being measured.
#[derive(Debug, Default)]
pub(super) struct Meters {
    pub(super) counted: Counted,
    /// When each dial that is under way began.
    dialing: HashMap<usize, Instant>,
}

impl Meters {
    pub(super) fn began(&mut self, key: usize, now: Instant) {
        self.dialing.insert(key, now);
    }

    pub(super) fn answered(&mut self, key: usize, now: Instant) {
        if let Some(began) = self.dialing.remove(&key) {
            self.counted.dials.observe(now.since(began));
        }
    }

    /// Counts a session that has ended; a dial that has not been answered by then took as long.
    pub(super) fn report(&mut self, key: usize, now: Instant, report: &Report) {
        self.answered(key, now);
        let end = match report.end {
            End::Complete => "complete",
            End::Broken(..) => "broken",
            End::Failed(_) => "failed",
            End::Left => "left",
            End::Lost => "lost",
            End::Expired(_) => "expired",
            End::Stopped => "stopped",
        };
        *self.counted.ended.entry((report.reply, end)).or_default() += 1;
        self.counted.octets.0 += report.octets.0;
        self.counted.octets.1 += report.octets.1;
    }
}
