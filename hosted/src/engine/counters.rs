//! What an engine counts of everything, added up over the engines of a stack.

use core::ops::AddAssign;
use serde::{Deserialize, Serialize};

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets taken from the wire.
    pub packets_in: u64,
    /// Packets given to the wire.
    pub packets_out: u64,
    /// Packets that were no packet of ours or not well-formed.
    pub malformed: u64,
    /// Segments with a wrong checksum.
    pub corrupt: u64,
    /// Things the guard did.
    pub guarded: u64,
    /// Unfinished handshakes that made room for others.
    pub evicted: u64,
    /// SYNs dropped because of a limit.
    pub refused: u64,
    /// Answers not given because of their limit.
    pub unanswered: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections given up by a deadline.
    pub expired: u64,
    /// Panics of smoltcp, each contained to its connection.
    pub panics: u64,
    /// Packets that came to a worker whose they are not, and were handed over.
    #[serde(default)]
    pub strays: u64,
}

/// How many of each thing there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Connections.
    pub flows: usize,
    /// Connections whose handshake is unfinished.
    pub half_open: usize,
    /// Connections in TIME-WAIT.
    pub time_wait: usize,
    /// Octets in rings.
    pub rings: usize,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.packets_in += other.packets_in;
        self.packets_out += other.packets_out;
        self.malformed += other.malformed;
        self.corrupt += other.corrupt;
        self.guarded += other.guarded;
        self.evicted += other.evicted;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.accepted += other.accepted;
        self.expired += other.expired;
        self.panics += other.panics;
        self.strays += other.strays;
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.flows += other.flows;
        self.half_open += other.half_open;
        self.time_wait += other.time_wait;
        self.rings += other.rings;
    }
}
