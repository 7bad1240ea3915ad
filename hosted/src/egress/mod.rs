//! The way out: where a session's request goes.

mod bind;
pub mod host;
pub mod memory;
mod policy;
mod udp;

pub use policy::{Asked, Policy, Rule, Verdict};

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use rustix::io::Errno;
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
    /// The peer that a listener waited for has connected; its address is what is `bound`.
    Accepted {
        /// The listener's key.
        key: usize,
        /// The connection.
        accepted: Dialed<T>,
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

    /// Begins to connect for a user; the outcome comes by [`next`](Self::next).
    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant);

    /// Listens for one connection from `peer`, or from anybody if that is unspecified, and returns where.
    ///
    /// # Errors
    /// [`Failure`], when this host has no way to the peer or no port left.
    fn bind(&mut self, key: usize, peer: IpAddr) -> Result<SocketAddr, Failure>;

    /// Opens an association for a user's datagrams.
    fn associate(&mut self, key: usize, user: &str);

    /// Sends a datagram of an association's; one that the rules or the host do not let through is dropped.
    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant);

    /// Forgets a dial, a listener or an association, and that its connection was of any interest.
    fn cancel(&mut self, key: usize);

    /// Returns the next thing that happened.
    fn next(&mut self, now: Instant) -> Option<Event<Self::Stream>>;

    /// Returns when `next` has to be called next, if nothing comes before.
    fn poll_at(&self) -> Option<Instant>;
}

/// Says in the protocol's words why a socket failed (RFC 1928 §6).
fn failure(at: SocketAddr, error: &std::io::Error) -> Failure {
    let refusal = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNREFUSED) => Refusal::ConnectionRefused,
        Some(Errno::NETUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT) => Refusal::NetworkUnreachable,
        Some(Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::CONNRESET) => Refusal::HostUnreachable,
        Some(Errno::TIMEDOUT) => Refusal::TtlExpired,
        Some(Errno::ACCESS | Errno::PERM) => Refusal::NotAllowed,
        Some(_) | None => Refusal::General,
    };
    Failure { refusal, text: format!("{at}: {error}") }
}
