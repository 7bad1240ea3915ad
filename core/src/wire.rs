//! What stands in messages: targets, and octets that are not what the protocol says.

use core::{fmt, net::IpAddr};

/// The host part of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// An address.
    Ip(IpAddr),
    /// A name as it came, 1 to 255 octets of any value; whoever resolves it decides what a name may hold.
    Name(&'a [u8]),
}

impl fmt::Display for Host<'_> {
    /// Writes a name escaped, so that it can stand in a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => name.escape_ascii().fmt(f),
        }
    }
}

/// Where a client wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The address or name.
    pub host: Host<'a>,
    /// The port, 0 included; whether that makes sense is the owner's decision.
    pub port: u16,
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
