//! The way out: where a session's request goes.
//!
//! ```
//! use sockhop::socks5::Refusal;
//! use sockhop_hosted::egress::{Asked, Policy, Rule};
//!
//! let policy = Policy {
//!     rules: vec![Rule::new("10.0.0.0/8", false).expect("a rule"), Rule::new("loopback:8000", true).expect("a rule")],
//!     ..Policy::default()
//! };
//! let verdict = |at: &str| policy.explain(&Asked::default(), at.parse().expect("an address"));
//! assert_eq!(verdict("10.1.2.3:22").refusal, Some(Refusal::NotAllowed));
//! assert_eq!(verdict("127.0.0.1:8000").refusal, None);
//! assert_eq!(verdict("127.0.0.1:8001").refusal, Some(Refusal::NotAllowed)); // as without any rule
//! assert!(verdict("10.1.2.3:22").because.contains("--deny 10.0.0.0/8"));
//! ```

mod bind;
mod chain;
pub mod host;
mod lookup;
pub mod memory;
mod named;
mod policy;
mod race;
mod socket;
mod stack;
mod udp;
mod upstream;

pub use chain::Chain;
pub use policy::{Asked, Policy, Rule, Verdict};
pub use socket::Socket;
pub(crate) use socket::retried;
pub use stack::{BOUND, OnStack, Stack};
pub use upstream::Upstream;

use crate::engine::{Datagram, FlowId};
use crate::metrics::Latency;
use crate::resolve::Resolver;
use core::fmt;
use core::net::SocketAddr;
use mio::{Registry, Token, Waker};
use rustix::io::Errno;
use sockhop::relay::Stream;
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host, HostOf, Target};
use std::sync::Arc;

/// A connection to a target, as a session holds it.
#[derive(Debug)]
pub enum Leg<T> {
    /// One of the egress's own.
    Own(T),
    /// A flow of the stack that the clients come to as well.
    Flow(FlowId),
}

impl<T> Leg<T> {
    /// Returns the connection if it is one of the egress's own.
    pub fn own(self) -> Option<T> {
        match self {
            Self::Own(stream) => Some(stream),
            Self::Flow(_) => None,
        }
    }
}

/// A connection to a target.
#[derive(Debug)]
pub struct Dialed<T> {
    /// The connection.
    pub stream: Leg<T>,
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

/// What was looked up for a client: the address of a name, or the name of an address.
pub type Found = Result<HostOf<Vec<u8>>, Failure>;

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
    /// A listener stands, or cannot.
    Bound {
        /// The listener's key.
        key: usize,
        /// Where it listens, or why it does not.
        outcome: Result<SocketAddr, Failure>,
    },
    /// The peer that a listener waited for has connected; its address is what is `bound`.
    Accepted {
        /// The listener's key.
        key: usize,
        /// The connection, or why none will come.
        outcome: Result<Dialed<T>, Failure>,
    },
    /// An association is open, or cannot be.
    Associated {
        /// The association's key.
        key: usize,
        /// Nothing, or why there is none.
        outcome: Result<(), Failure>,
    },
    /// A look-up has ended.
    Resolved {
        /// The look-up's key.
        key: usize,
        /// What was found, or why nothing was.
        outcome: Found,
    },
    /// An association has ended by itself.
    Lost {
        /// The association's key.
        key: usize,
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

impl<T> Event<T> {
    /// Returns whose event it is.
    pub const fn key(&self) -> usize {
        match self {
            Self::Dialed { key, .. }
            | Self::Bound { key, .. }
            | Self::Accepted { key, .. }
            | Self::Associated { key, .. }
            | Self::Resolved { key, .. }
            | Self::Lost { key }
            | Self::Datagram { key, .. }
            | Self::Ready { key } => *key,
        }
    }
}

/// A way out; its owner names dials by keys that it may use again after `cancel`.
pub trait Egress: fmt::Debug {
    /// A connection to a target.
    type Stream: Stream;

    /// Begins to connect for a user; the outcome comes by [`next`](Self::next).
    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant);

    /// Begins to listen for one connection from `peer`, or from anybody if that is unspecified; where, and later
    /// whose connection it is, comes by [`next`](Self::next).
    fn bind(&mut self, key: usize, user: &str, peer: Target<'_>, now: Instant);

    /// Begins to open an association for a user's datagrams; the outcome comes by [`next`](Self::next).
    fn associate(&mut self, key: usize, user: &str, now: Instant);

    /// Begins to look up the address of a name for a user, who wants nothing more of it; the outcome comes by
    /// [`next`](Self::next).
    fn resolve(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant);

    /// Begins to look up the name of an address; the outcome comes by [`next`](Self::next).
    fn reverse(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant);

    /// Sends a datagram of an association's; one that the rules or the host do not let through is dropped.
    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant);

    /// Forgets a dial, a listener, an association or a look-up, and that its connection was of any interest.
    fn cancel(&mut self, key: usize);

    /// Takes note of an event of one of its sockets; an egress without any has nothing to note.
    fn ready(&mut self, _token: Token) {}

    /// Judges by other rules from now on; what stands goes on. An egress without rules has nothing to change.
    fn reconfigure(&mut self, _rules: Vec<Rule>) {}

    /// Does what it has to do on the stack that the clients come to; an egress beside the stack has nothing to do there.
    fn work(&mut self, _stack: &mut dyn Stack, _now: Instant) {}

    /// Takes note that a connection of the stack's has come to one of its listeners.
    fn came(&mut self, _flow: FlowId, _at: SocketAddr, _from: SocketAddr) {}

    /// Takes note that a connection of the stack's that is no client's may have changed.
    fn touched(&mut self, _flow: FlowId) {}

    /// Takes a datagram that has come to a port of the stack's that is no client's.
    fn arrived(&mut self, _datagram: Datagram) {}

    /// Returns the next thing that happened.
    fn next(&mut self, now: Instant) -> Option<Event<Self::Stream>>;

    /// Returns when `next` has to be called next, if nothing comes before.
    fn poll_at(&self) -> Option<Instant>;
}

/// A kind of way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// This host's sockets.
    #[default]
    Host,
    /// The stack that the clients come to.
    Stack,
    /// Another server.
    Upstream(Upstream),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Stack => f.write_str("stack"),
            Self::Upstream(upstream) => write!(f, "{upstream}"),
        }
    }
}

impl core::str::FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Self::Host),
            "stack" => Ok(Self::Stack),
            _ if text.contains("://") => text.parse().map(Self::Upstream),
            _ => Err(format!("{text:?} is none of host, stack and socks5://HOST:PORT")),
        }
    }
}

/// A way out of any kind, for a loop on a thread of its own.
pub(crate) type Out = Box<dyn Egress<Stream = Socket> + Send>;

/// Returns the way out, with tokens from `first_token` upwards.
///
/// # Errors
/// The host's, when it has no descriptors left.
pub(crate) fn through(
    registry: Registry,
    first_token: usize,
    policy: Policy,
    waker: Arc<Waker>,
    way: Way,
    resolving: Arc<Latency>,
) -> std::io::Result<Out> {
    let resolver = Resolver::new(waker, policy.names.clone(), resolving)?;
    Ok(match way {
        Way::Host => Box::new(host::Host::new(registry, first_token, policy, resolver)),
        Way::Stack => Box::new(OnStack::new(policy, resolver)),
        Way::Upstream(upstream) => Box::new(Chain::new(registry, first_token, policy, resolver, upstream)),
    })
}

impl<E: Egress + ?Sized> Egress for Box<E> {
    type Stream = E::Stream;

    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        (**self).dial(key, user, target, now);
    }

    fn bind(&mut self, key: usize, user: &str, peer: Target<'_>, now: Instant) {
        (**self).bind(key, user, peer, now);
    }

    fn associate(&mut self, key: usize, user: &str, now: Instant) {
        (**self).associate(key, user, now);
    }

    fn resolve(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        (**self).resolve(key, user, target, now);
    }

    fn reverse(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        (**self).reverse(key, user, target, now);
    }

    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant) {
        (**self).send(key, target, payload, now);
    }

    fn cancel(&mut self, key: usize) {
        (**self).cancel(key);
    }

    fn ready(&mut self, token: Token) {
        (**self).ready(token);
    }

    fn reconfigure(&mut self, rules: Vec<Rule>) {
        (**self).reconfigure(rules);
    }

    fn work(&mut self, stack: &mut dyn Stack, now: Instant) {
        (**self).work(stack, now);
    }

    fn came(&mut self, flow: FlowId, at: SocketAddr, from: SocketAddr) {
        (**self).came(flow, at, from);
    }

    fn touched(&mut self, flow: FlowId) {
        (**self).touched(flow);
    }

    fn arrived(&mut self, datagram: Datagram) {
        (**self).arrived(datagram);
    }

    fn next(&mut self, now: Instant) -> Option<Event<Self::Stream>> {
        (**self).next(now)
    }

    fn poll_at(&self) -> Option<Instant> {
        (**self).poll_at()
    }
}

/// Returns the name of a target, escaped, if it is one.
fn named(target: Target<'_>) -> Option<String> {
    match target.host {
        Host::Ip(_) => None,
        Host::Name(_) => Some(target.host.to_string()),
    }
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
