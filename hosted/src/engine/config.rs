//! What an engine is told once.

use super::rings;
use core::net::IpAddr;
use core::time::Duration;
use sockhop::tcp::Rules;

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The stack's own addresses with their prefix lengths, at most one of each family.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The largest packet of the link, in octets.
    pub mtu: usize,
    /// Whether the wire is handed TCP segments of up to 64 KiB, to be cut and given their checksums there:
    /// [`Wire::transmit_segment`](super::Wire::transmit_segment).
    pub offload: bool,
    /// The key of hashes and the seed of initial sequence numbers; unpredictable outside of simulations.
    pub seed: [u64; 2],
    /// How long a closed connection is remembered (RFC 9293 §3.6.1 has 4 minutes; Linux has 60 s).
    pub two_msl: Duration,
    /// How long a connection that is not served keeps the memory of rings that hold nothing.
    pub quiet: Duration,
    /// How many of each thing there may be.
    pub limits: Limits,
    /// What of the guard is switched on; all of it outside of experiments.
    pub guard: Rules,
}

impl Config {
    /// Returns what a stack with these addresses, this packet size and this seed is told by default.
    pub fn new(addresses: Vec<(IpAddr, u8)>, mtu: usize, seed: [u64; 2]) -> Self {
        Self {
            addresses,
            mtu,
            offload: false,
            seed,
            two_msl: Duration::from_secs(60),
            quiet: Duration::from_secs(1),
            limits: Limits::default(),
            guard: Rules::ALL,
        }
    }
}

/// How many of each thing there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections, those in TIME-WAIT not counted.
    pub flows: usize,
    /// Connections whose handshake is unfinished.
    pub half_open: usize,
    /// Records of connections in TIME-WAIT.
    pub time_wait: usize,
    /// Octets in rings.
    pub rings: usize,
    /// The smallest ring and the largest, at most 524,288 octets; one of more than 65,535 is to be a power of two, since
    /// its windows are scaled.
    pub ring: (usize, usize),
    /// Resets and ICMP answers a second, for packets that belong to nothing.
    pub answers: u32,
    /// How long a peer may be silent although it was asked to say something.
    pub silence: Duration,
    /// How long a handshake that a peer began may stay unfinished.
    pub handshake: Duration,
    /// How long a connection that we open may take to stand.
    pub connect: Duration,
    /// How long a released connection may go without an octet being taken by its peer.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flows: 16_384,
            // As many as Linux lets wait at a listener: a host may open that many at once, before it hears of the first.
            half_open: 4_096,
            time_wait: 65_536,
            rings: 1 << 30,
            ring: rings::RING,
            answers: 1_000,
            silence: Duration::from_secs(300),
            handshake: Duration::from_secs(30),
            connect: Duration::from_secs(120),
            linger: Duration::from_secs(60),
        }
    }
}
