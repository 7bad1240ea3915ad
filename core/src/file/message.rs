//! What stands on the wire, in the framed protocol.

use super::{Algorithm, Algorithms, Name, Sum};
use core::fmt;

/// How a framed transfer begins; its first octet can begin no name.
pub(super) const MAGIC: [u8; 4] = [0, b'H', b'O', b'P'];
/// The version that is spoken here.
pub(super) const VERSION: u8 = 1;
/// Octets of an offer before the name.
pub(super) const HEAD: usize = 7;
/// Octets of an offer behind the name.
pub(super) const TAIL: usize = 18;
/// The longest name.
pub(super) const NAME: usize = 255;
/// The longest offer.
pub(super) const OFFER: usize = HEAD + NAME + TAIL;
/// Yes.
pub(super) const OK: &[u8; 2] = b"ok";
/// No, and why.
pub(super) const NO: &[u8; 2] = b"no";
/// Not yet.
pub(super) const WAIT: &[u8; 2] = b"wt";
/// Octets of a yes to an offer before the digest of the prefix.
pub(super) const ANSWER: usize = 11;
/// Octets of a digest.
pub(super) const SUM: usize = 32;

/// What a folder says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stat {
    /// Its octets.
    pub size: u64,
    /// When it was changed last, in seconds since 1970.
    pub mtime: i64,
    /// Its permissions, at most 0o777.
    pub mode: u16,
}

impl Stat {
    /// Reads the octets behind the name of an offer.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let (size, rest) = octets.split_first_chunk()?;
        let (mtime, rest) = rest.split_first_chunk()?;
        let mode = u16::from_be_bytes(*rest.first_chunk()?) & 0o777;
        Some(Self { size: u64::from_be_bytes(*size), mtime: i64::from_be_bytes(*mtime), mode })
    }
}

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// What the sender knows of it; a classic sender tells nothing.
    pub stat: Option<Stat>,
    /// The digest that both sides compute; with a classic sender the receiver alone does.
    pub algorithm: Algorithm,
}

/// What a receiver has of a file already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Held {
    /// How many octets, from the beginning.
    pub octets: u64,
    /// Their digest.
    pub sum: Sum,
}

/// How a transfer ended that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outcome {
    /// Both sides have computed the same digest of the whole file.
    Verified,
    /// The stream ended in order; the classic protocol cannot tell whether that was the end of the file.
    Unverified,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
        })
    }
}

/// Reads a digest.
pub(super) fn sum(octets: &[u8]) -> Option<Sum> {
    octets.first_chunk().map(|octets| Sum(*octets))
}

/// Reads a number.
pub(super) fn number(octets: &[u8]) -> Option<u64> {
    octets.first_chunk().map(|octets| u64::from_be_bytes(*octets))
}

/// Returns the set that stands in an offer of which at least the head is there.
pub(super) fn algorithms(offer: &[u8]) -> Algorithms {
    Algorithms(offer.get(5).copied().unwrap_or(0))
}

/// Returns the octets of the name and what stands behind them in a whole offer.
pub(super) fn name_and_stat(offer: &[u8]) -> Option<(&[u8], Stat)> {
    let length = usize::from(*offer.get(6)?);
    let (name, rest) = offer.get(HEAD..)?.split_at_checked(length)?;
    Some((name, Stat::read(rest)?))
}
