//! The header of datagrams that pass through an association (RFC 1928 §7).
//!
//! ```
//! use core::net::{Ipv4Addr, SocketAddr};
//! use sockhop::socks5::udp::{Datagram, HEADER, prepend};
//!
//! let from_client = b"\0\0\0\x03\x0bexample.org\0\x35question";
//! let datagram = Datagram::parse(from_client).expect("it is no fragment");
//! assert_eq!(datagram.target.to_string(), "example.org:53");
//! assert_eq!(datagram.payload, b"question");
//!
//! // An answer is received behind room for a header, and not moved.
//! let mut room = [0; HEADER + 6];
//! room[HEADER..].copy_from_slice(b"answer");
//! let source = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 53), 53));
//! let begin = prepend(&mut room, HEADER, source).expect("there is room");
//! assert_eq!(Datagram::parse(&room[begin..]).expect("ours").payload, b"answer");
//! ```

use super::message::{self, IPV4, IPV6};
use crate::wire::{Host, Target};
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// The longest header in front of an address: RSV, FRAG, ATYP, IPv6 address and port.
pub const HEADER: usize = 4 + 16 + 2;

/// A datagram of a client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it is to go.
    pub target: Target<'a>,
    /// What it carries; may be empty.
    pub payload: &'a [u8],
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Unusable {
    /// It is shorter than its header says.
    Short,
    /// It is a fragment with this number; nothing is put together here.
    Fragment(u8),
    /// Its address type is unknown.
    AddressType(u8),
    /// Its name is empty.
    NoName,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the datagram is shorter than its header says"),
            Self::Fragment(number) => write!(f, "fragment {number:#04x} is not put together"),
            Self::AddressType(kind) => write!(f, "the address type {kind} is unknown"),
            Self::NoName => f.write_str("the name is empty"),
        }
    }
}

impl core::error::Error for Unusable {}

impl<'a> Datagram<'a> {
    /// Reads a datagram that came from the client; RSV is not looked at.
    ///
    /// # Errors
    /// [`Unusable`], and nothing is to be answered.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Unusable> {
        let (head, rest) = octets.split_first_chunk::<3>().ok_or(Unusable::Short)?;
        if head[2] != 0 {
            return Err(Unusable::Fragment(head[2]));
        }
        let kind = *rest.first().ok_or(Unusable::Short)?;
        let length = message::target_length(rest).ok_or(Unusable::AddressType(kind))?;
        let (address, payload) = rest.split_at_checked(length).ok_or(Unusable::Short)?;
        if length == message::NO_NAME {
            return Err(Unusable::NoName);
        }
        let target = message::target(address).ok_or(Unusable::Short)?;
        Ok(Self { target, payload })
    }
}

/// Gives the header for a datagram to `target`, a few octets at a time; a name has at most 255 of them.
pub fn header(target: Target<'_>, mut put: impl FnMut(&[u8])) {
    put(&[0, 0, 0]);
    match target.host {
        Host::Ip(IpAddr::V4(ip)) => {
            put(&[IPV4]);
            put(&ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            put(&[IPV6]);
            put(&ip.octets());
        }
        Host::Name(name) => {
            let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
            put(&[message::NAME, length]);
            put(name.get(..usize::from(length)).unwrap_or(&[]));
        }
    }
    put(&target.port.to_be_bytes());
}

/// Writes the header for a datagram from `source` in front of a payload that begins at `payload`, without moving it,
/// and returns where the whole begins; `None` if there is no room.
pub fn prepend(buffer: &mut [u8], payload: usize, source: SocketAddr) -> Option<usize> {
    let mut header = [0; HEADER];
    let length = match source.ip() {
        IpAddr::V4(ip) => {
            header[3] = IPV4;
            header[4..8].copy_from_slice(&ip.octets());
            header[8..10].copy_from_slice(&source.port().to_be_bytes());
            10
        }
        IpAddr::V6(ip) => {
            header[3] = IPV6;
            header[4..20].copy_from_slice(&ip.octets());
            header[20..22].copy_from_slice(&source.port().to_be_bytes());
            22
        }
    };
    let begin = payload.checked_sub(length)?;
    buffer.get_mut(begin..payload)?.copy_from_slice(&header[..length]);
    Some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_prepended_is_read_back() {
        for source in ["192.0.2.1:53", "[2001:db8::1]:53"] {
            let source: SocketAddr = source.parse().expect("an address");
            let mut buffer = [7; HEADER + 5];
            let begin = prepend(&mut buffer, HEADER, source).expect("there is room");
            let read = Datagram::parse(&buffer[begin..]).expect("it is whole");
            assert_eq!(read.payload, [7; 5]);
            assert_eq!(read.target, Target { host: Host::Ip(source.ip()), port: 53 });
            assert_eq!(prepend(&mut buffer, 9, source), None);
        }
    }

    #[test]
    fn what_is_not_whole_is_told_apart() {
        let whole = b"\0\0\0\x03\x01a\0\x35";
        for length in 0..whole.len() {
            assert_eq!(Datagram::parse(&whole[..length]), Err(Unusable::Short), "{length}");
        }
        assert!(Datagram::parse(whole).is_ok_and(|datagram| datagram.payload.is_empty()));
        assert_eq!(Datagram::parse(b"\0\0\x01\x01\0\0\0\0\0\0"), Err(Unusable::Fragment(1)));
        assert_eq!(Datagram::parse(b"\0\0\0\x02\0\0"), Err(Unusable::AddressType(2)));
        assert_eq!(Datagram::parse(b"\0\0\0\x03\0\0\x35"), Err(Unusable::NoName));
        assert!(Datagram::parse(b"\xff\xff\0\x01\x01\x02\x03\x04\0\x35x").is_ok(), "RSV is not looked at");
    }
}
