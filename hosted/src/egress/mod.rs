//! The way out: where a session's request goes.

pub mod host;
pub mod memory;
mod policy;
mod udp;

pub use policy::Policy;

use core::fmt;
use core::net::SocketAddr;
use sockhop::relay::Stream;
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::Target;

/// A connection to a target.
#[derive(Debug)]
pub struct Dialed<T> {
    /// The connection.
    pub stream: T,
    /// Our end, as the target sees it.
    pub bound: SocketAddr,
}

/// Why a target was not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the client is told.
    pub refusal: Refusal,
    /// What the log is told.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.refusal, self.text)
    }
}

impl core::error::Error for Failure {}

/// What an egress has for the owner of a key.
#[derive(Debug)]
pub enum Event<T> {
    /// A dial has ended.
    Dialed {
        /// The dial's key.
        key: usize,
        /// The connection, or why there is none.
        outcome: Result<Dialed<T>, Failure>,
    },
    /// A datagram has come for an association.
    Datagram {
        /// The association's key.
        key: usize,
        /// Who sent it; somebody who was written to.
        from: SocketAddr,
        /// What it carries.
        payload: Vec<u8>,
    },
    /// A connection may be readable or writable: read and write until it would block.
    Ready {
        /// The key of the dial it came from.
        key: usize,
    },
}

/// A way out; its owner names dials by keys that it may use again after `cancel`.
pub trait Egress {
    /// A connection to a target.
    type Stream: Stream;

    /// Begins to connect; the outcome comes by [`next`](Self::next).
    fn dial(&mut self, key: usize, target: Target<'_>, now: Instant);

    /// Opens an association for datagrams.
    fn associate(&mut self, key: usize);

    /// Sends a datagram of an association's; one that the rules or the host do not let through is dropped.
    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant);

    /// Forgets a dial or an association, and that its connection was of any interest.
    fn cancel(&mut self, key: usize);

    /// Returns the next thing that happened.
    fn next(&mut self, now: Instant) -> Option<Event<Self::Stream>>;

    /// Returns when `next` has to be called next, if nothing comes before.
    fn poll_at(&self) -> Option<Instant>;
}
