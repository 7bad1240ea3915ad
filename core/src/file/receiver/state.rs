//! Where a reception stands, what it wants of its owner, and why it failed.

use crate::file::{Offer, Outcome, Refusal};
use core::fmt;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// The first octet is awaited.
    Greeting = 0,
    /// The rest of a framed offer is awaited.
    Header = 1,
    /// The end of a classic name is awaited.
    Naming = 2,
    /// The owner's answer is awaited.
    Offered = 3,
    /// The place where the sender starts is awaited.
    Answered = 4,
    /// The owner is to make ready for content.
    Starting = 5,
    /// The octets that arrive are the owner's.
    Content = 6,
    /// The sender's digest is awaited.
    Digest = 7,
    /// The owner's digest is awaited.
    Verifying = 8,
    /// The owner is to put the file in its place.
    Committing = 9,
    /// The last word waits to be drained.
    Confirming = 10,
    /// The file is in its place.
    Done = 11,
    /// A refusal waits to be drained.
    Refusing = 12,
    /// The owner is to end its half of the connection.
    Finishing = 13,
    /// What the refused sender still sends is thrown away.
    Discarding = 14,
    /// It is over, and there is no file.
    Failed = 15,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Greeting,
        Self::Header,
        Self::Naming,
        Self::Offered,
        Self::Answered,
        Self::Starting,
        Self::Content,
        Self::Digest,
        Self::Verifying,
        Self::Committing,
        Self::Confirming,
        Self::Done,
        Self::Refusing,
        Self::Finishing,
        Self::Discarding,
        Self::Failed,
    ];
}

/// What stands to be done by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Decide about a file; retired by [`Receiver::accept`](super::Receiver::accept) or [`Receiver::refuse`](super::Receiver::refuse).
    Offer(Offer<'a>),
    /// Forget all that is held behind this octet, the digest included; retired by [`Receiver::begin`](super::Receiver::begin).
    Start {
        /// What was held, or 0.
        at: u64,
    },
    /// Store the octets that arrive; moved on by [`Receiver::advance`](super::Receiver::advance).
    Content {
        /// The place of the next octet in the file.
        at: u64,
        /// How many may follow; a classic file ends with the stream, and this is far beyond its end.
        left: u64,
    },
    /// Give the digest of all octets; retired by [`Receiver::verify`](super::Receiver::verify).
    Verify,
    /// Put the file in its place, so that it survives a loss of power; retired by [`Receiver::commit`](super::Receiver::commit).
    Commit,
    /// End our half of the connection; retired by [`Receiver::finish`](super::Receiver::finish).
    Finish,
    /// It is over and the file in its place: close. It stands.
    Done(Outcome),
}

/// Why there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The sender began as no sender of any protocol does.
    Protocol,
    /// The sender starts at this octet, which it was not asked to.
    Start(u64),
    /// The file was refused.
    Refused(Refusal),
    /// The sender ended in this state.
    Ended(State),
    /// The connection broke in this state.
    Broken(State),
    /// The sender took too long in this state.
    Expired(State),
}

impl Error {
    /// Returns whether some of the content arrived and the rest did not.
    pub const fn is_truncation(self) -> bool {
        match self {
            Self::Ended(state) | Self::Broken(state) | Self::Expired(state) => {
                matches!(state, State::Content | State::Digest)
            }
            Self::Protocol | Self::Start(_) | Self::Refused(_) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol => f.write_str("the sender speaks neither protocol"),
            Self::Start(at) => write!(f, "the sender starts at octet {at}, where it was not asked to"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Ended(state) => write!(f, "the sender ended in {state:?}"),
            Self::Broken(state) => write!(f, "the connection broke in {state:?}"),
            Self::Expired(state) => write!(f, "the sender took too long in {state:?}"),
        }
    }
}

impl core::error::Error for Error {}
