//! What a proxy counts of its sessions.

use super::{End, Report};
use crate::metrics::Latency;
use sockhop::time::Instant;
use std::collections::{BTreeMap, HashMap};

/// Counts of sessions that have ended, and of the time that targets took.
#[derive(Debug, Default)]
pub struct Meters {
    ended: BTreeMap<(Option<u8>, &'static str), u64>,
    octets: (u64, u64),
    dials: Latency,
    /// When each dial that is under way began.
    dialing: HashMap<usize, Instant>,
}

impl Meters {
    pub(super) fn began(&mut self, key: usize, now: Instant) {
        self.dialing.insert(key, now);
    }

    pub(super) fn answered(&mut self, key: usize, now: Instant) {
        if let Some(began) = self.dialing.remove(&key) {
            self.dials.observe(now.since(began));
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
        *self.ended.entry((report.reply, end)).or_default() += 1;
        self.octets.0 += report.octets.0;
        self.octets.1 += report.octets.1;
    }

    /// Returns how many sessions had each reply code and end; without a code, no request was answered.
    pub fn ended(&self) -> impl Iterator<Item = ((Option<u8>, &'static str), u64)> {
        self.ended.iter().map(|(of, count)| (*of, *count))
    }

    /// Returns the octets that were carried up and down.
    pub const fn octets(&self) -> (u64, u64) {
        self.octets
    }

    /// Returns how long targets took to answer.
    pub const fn dials(&self) -> &Latency {
        &self.dials
    }
}
