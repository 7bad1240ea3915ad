//! Points in time, and deadlines with their reasons.
//!
//! A machine says how long it may take, and its owner keeps the clock:
//!
//! ```
//! use core::time::Duration;
//! use sockhop::machine::Machine;
//! use sockhop::socks5::{Login, Server};
//! use sockhop::time::Instant;
//!
//! let mut server: Server = Server::new(Login::Open);
//! let begun = Instant::from_micros(5_000_000);
//! let patience = server.patience().expect("a greeting is awaited");
//! let now = begun + Duration::from_secs(15);
//! if now.since(begun) >= patience.limit {
//!     assert_eq!(patience.reason.to_string(), "the handshake was not finished in time");
//!     server.expire();
//! }
//! assert!(matches!(server.poll(), Err(nb::Error::Other(_))));
//! ```

use core::{fmt, ops, time::Duration};

/// A point on the owner's monotonic clock, in microseconds from an origin of the owner's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// Returns the point `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since the origin.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Returns the point `micros` microseconds later; the clock wraps after 584,000 years.
    ///
    /// It costs a small processor much less than adding a [`Duration`] that it does not know.
    #[must_use]
    pub const fn after(self, micros: u64) -> Self {
        Self(self.0.wrapping_add(micros))
    }

    /// Returns the time from `earlier` to here; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(micros(time)))
    }
}

/// Returns a time in microseconds; one of 136 years or more becomes one of 292,000, which ends for nobody and can still
/// be added.
pub(crate) const fn micros(time: Duration) -> u64 {
    // `as_micros` counts in 128 bits, and a product of 64 bits that saturates in three: a small processor pays for both.
    let secs = time.as_secs();
    if secs > u32::MAX as u64 { u64::MAX / 2 } else { secs * 1_000_000 + time.subsec_micros() as u64 }
}

impl fmt::Display for Instant {
    /// Writes seconds with three decimals, at the right of the width that is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(0).saturating_sub(4);
        write!(f, "{:>width$}.{:03}", self.0 / 1_000_000, self.0 / 1_000 % 1_000)
    }
}

/// Why a deadline exists; printed when it has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reason {
    /// The client's negotiation and request, as a whole.
    Handshake,
    /// The owner's decision about a login or a request.
    Answer,
    /// A name being resolved.
    Resolve,
    /// A connection being opened.
    Connect,
    /// The peer that a BIND waits for.
    Bind,
    /// One direction has ended and the other carries no octet.
    HalfClose,
    /// Neither direction carries an octet.
    Idle,
    /// A datagram of an association's, in either direction.
    Datagrams,
    /// The last octets before a close being taken by the peer.
    Linger,
    /// Any word of the peer's.
    Silence,
    /// The pause that ends a name without a terminator.
    Pause,
    /// The peer comparing what is held of a file.
    Compare,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake was not finished in time",
            Self::Answer => "no decision was reached in time",
            Self::Resolve => "the name was not resolved in time",
            Self::Connect => "the target did not answer in time",
            Self::Bind => "the awaited peer did not connect in time",
            Self::HalfClose => "one side had ended and the other stayed silent",
            Self::Idle => "nothing was carried for too long",
            Self::Pause => "the peer paused",
            Self::Compare => "the peer did not say in time what it needs of the file",
            Self::Silence => "the peer was not heard for too long",
            Self::Datagrams => "no datagram passed for too long",
            Self::Linger => "the peer did not take the last octets in time",
        })
    }
}

/// How long a state may last, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Patience {
    /// The time from the moment the reason began.
    pub limit: Duration,
    /// What is said when it runs out.
    pub reason: Reason,
}
