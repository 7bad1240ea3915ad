//! Where a delivery stands, what it wants of its owner, and why it failed.

use crate::file::{Algorithm, Outcome, Refusal};
use core::fmt;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum SenderState {
    /// The file is offered and an answer awaited.
    Offering = 0,
    /// The owner is to compare what the receiver holds.
    Comparing = 1,
    /// The owner is to send content.
    Sending = 2,
    /// The owner is to give the digest.
    Digesting = 3,
    /// The digest waits to be drained, and our half of the connection to be ended.
    Closing = 4,
    /// The receiver's last word is awaited.
    Verdict = 5,
    /// The file is at the receiver's.
    Done = 6,
    /// Why the receiver says no is being heard.
    Hearing = 7,
    /// It is over, and the receiver has no file.
    Failed = 8,
}

impl SenderState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Offering,
        Self::Comparing,
        Self::Sending,
        Self::Digesting,
        Self::Closing,
        Self::Verdict,
        Self::Done,
        Self::Hearing,
        Self::Failed,
    ];
}

/// What stands to be done by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// Compute the digest of the first octets; retired by [`Sender::compare`](super::Sender::compare).
    Compare {
        /// By which algorithm.
        algorithm: Algorithm,
        /// How many octets, at least one.
        octets: u64,
    },
    /// Put content into the connection; moved on by [`Sender::advance`](super::Sender::advance).
    Send {
        /// The place of the next octet in the file.
        offset: u64,
        /// How many octets are left.
        left: u64,
    },
    /// Give the digest of the whole file; retired by [`Sender::digest`](super::Sender::digest).
    Digest,
    /// End our half of the connection; retired by [`Sender::finish`](super::Sender::finish).
    Finish,
    /// It is over and the file is there: close. It stands.
    Done(Outcome),
}

/// Why the receiver has no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SenderError {
    /// The name cannot be sent: it is no safe base name.
    Name,
    /// The receiver answered "ok" and nothing more: it speaks the classic protocol only.
    Classic,
    /// The receiver said something that means nothing here; this was its first octet.
    Protocol(u8),
    /// The receiver refused.
    Refused(Refusal),
    /// The receiver refused with a code that means nothing, or without one; [`Sender::text`](super::Sender::text) is what it said.
    Unknown(u8),
    /// The file changed while it was sent, or could not be read.
    Abandoned,
    /// The receiver ended in this state.
    Ended(SenderState),
    /// The connection broke in this state.
    Broken(SenderState),
    /// The receiver was silent for too long in this state.
    Expired(SenderState),
}

impl SenderError {
    /// Returns whether some of the content may have arrived and the rest did not.
    pub const fn is_truncation(self) -> bool {
        match self {
            Self::Ended(state) | Self::Broken(state) | Self::Expired(state) => {
                matches!(
                    state,
                    SenderState::Sending
                        | SenderState::Digesting
                        | SenderState::Closing
                        | SenderState::Verdict
                )
            }
            Self::Abandoned => true,
            Self::Name | Self::Classic | Self::Protocol(_) | Self::Refused(_) | Self::Unknown(_) => false,
        }
    }
}

impl fmt::Display for SenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name is no safe base name"),
            Self::Classic => f.write_str("the receiver knows the classic protocol only"),
            Self::Protocol(octet) => write!(f, "the receiver speaks neither protocol: octet {octet:#04x}"),
            Self::Refused(refusal) => write!(f, "the receiver refused: {refusal}"),
            Self::Unknown(_) => f.write_str("the receiver refused for a reason of its own"),
            Self::Abandoned => f.write_str("the file changed while it was sent, or could not be read"),
            Self::Ended(state) => write!(f, "the receiver ended in {state:?}"),
            Self::Broken(state) => write!(f, "the connection broke in {state:?}"),
            Self::Expired(state) => write!(f, "the receiver took too long in {state:?}"),
        }
    }
}

impl core::error::Error for SenderError {}
