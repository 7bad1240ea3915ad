//! How messages stand on the wire (RFC 1928 §3 to §6, RFC 1929 §2).

use crate::wire::{Host, Outbox, Target};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The version in greetings, requests and replies.
pub(super) const VERSION: u8 = 5;
/// The version of the user name and password sub-negotiation.
pub(super) const LOGIN_VERSION: u8 = 1;
/// No authentication.
pub(super) const OPEN: u8 = 0x00;
/// User name and password.
pub(super) const PASSWORD: u8 = 0x02;
/// None of the methods offered will do.
pub(super) const NO_METHOD: u8 = 0xff;
/// Address types.
pub(super) const IPV4: u8 = 1;
pub(super) const NAME: u8 = 3;
pub(super) const IPV6: u8 = 4;
/// Whether RESOLVE and RESOLVE_PTR are commands.
pub(super) const LOOKUP: bool = cfg!(feature = "lookup");
/// The longest reply: four octets, an IPv6 address, a port.
pub(super) const REPLY: usize = 22;

/// What a client asks for (RFC 1928 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Command {
    /// A connection to the target.
    Connect,
    /// A listener for one connection from the target.
    Bind,
    /// A relay of datagrams.
    Associate,
    /// The address of a name (RESOLVE of Tor's socks-extensions §2).
    Resolve,
    /// The name of an address (RESOLVE_PTR of Tor's socks-extensions §2).
    ResolvePtr,
}

impl Command {
    /// Every command, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Connect, Self::Bind, Self::Associate, Self::Resolve, Self::ResolvePtr];

    /// Returns whether it asks for an answer only: the connection ends behind the reply.
    pub const fn looks_up(self) -> bool {
        matches!(self, Self::Resolve | Self::ResolvePtr)
    }

    /// Returns the command with this code; none that [looks up](Self::looks_up) without the feature `lookup`.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Connect),
            2 => Some(Self::Bind),
            3 => Some(Self::Associate),
            0xf0 if LOOKUP => Some(Self::Resolve),
            0xf1 if LOOKUP => Some(Self::ResolvePtr),
            _ => None,
        }
    }

    /// Returns the code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::Bind => 2,
            Self::Associate => 3,
            Self::Resolve => 0xf0,
            Self::ResolvePtr => 0xf1,
        }
    }
}

/// A whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked for.
    pub command: Command,
    /// Where to, or from.
    pub target: Target<'a>,
}

/// Reads the address at the start of `octets` (ATYP, address, port) once it is whole.
pub(super) fn target(octets: &[u8]) -> Option<Target<'_>> {
    let (&kind, rest) = octets.split_first()?;
    let (host, port) = match kind {
        IPV4 => {
            let (address, port) = rest.split_first_chunk::<4>()?;
            (Host::Ip(IpAddr::V4(Ipv4Addr::from(*address))), port)
        }
        IPV6 => {
            let (address, port) = rest.split_first_chunk::<16>()?;
            (Host::Ip(IpAddr::V6(Ipv6Addr::from(*address))), port)
        }
        _ => {
            let (&length, rest) = rest.split_first()?;
            let (name, port) = rest.split_at_checked(usize::from(length))?;
            (Host::Name(name), port)
        }
    };
    let port = port.first_chunk::<2>()?;
    Some(Target { host, port: u16::from_be_bytes(*port) })
}

/// The octets of an address that is a name without an octet: ATYP, length and port.
pub(super) const NO_NAME: usize = 4;

/// Returns the octets an address takes from ATYP to port, given as many as there are; `None` for an unknown type.
pub(super) fn target_length(octets: &[u8]) -> Option<usize> {
    match octets.first() {
        None => Some(1),
        Some(&IPV4) => Some(7),
        Some(&IPV6) => Some(19),
        Some(&NAME) => Some(match octets.get(1) {
            None => 2,
            Some(length) => NO_NAME + usize::from(*length),
        }),
        Some(_) => None,
    }
}

/// Writes a reply (RFC 1928 §6); a refusal carries 0.0.0.0:0.
pub(super) fn put_reply<const N: usize>(out: &mut Outbox<N>, code: u8, bound: SocketAddr) {
    let (four, six);
    let (kind, address): (u8, &[u8]) = match bound.ip() {
        IpAddr::V4(ip) => {
            four = ip.octets();
            (IPV4, &four)
        }
        IpAddr::V6(ip) => {
            six = ip.octets();
            (IPV6, &six)
        }
    };
    out.put(&[VERSION, code, 0, kind]);
    out.put(address);
    out.put(&bound.port().to_be_bytes());
}
