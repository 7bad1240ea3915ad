//! Why a request is not served: the REP field of a reply (RFC 1928 §6).

use core::fmt;

/// A reason for not serving a request, as the client is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Refusal {
    /// The server failed, or no other code fits.
    General = 1,
    /// The rules do not allow it.
    NotAllowed = 2,
    /// No route to the network.
    NetworkUnreachable = 3,
    /// No way to the host, or its name does not resolve.
    HostUnreachable = 4,
    /// The target refused the connection.
    ConnectionRefused = 5,
    /// The target did not answer in time.
    TtlExpired = 6,
    /// The command is not one this server has.
    CommandNotSupported = 7,
    /// The address type is not one this server has.
    AddressTypeNotSupported = 8,
}

impl Refusal {
    /// Every refusal, in the order of their codes.
    pub const ALL: [Self; 8] = [
        Self::General,
        Self::NotAllowed,
        Self::NetworkUnreachable,
        Self::HostUnreachable,
        Self::ConnectionRefused,
        Self::TtlExpired,
        Self::CommandNotSupported,
        Self::AddressTypeNotSupported,
    ];

    /// Returns the code on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the refusal with this code; `None` for 0, which grants, and for codes without a meaning.
    pub const fn from_code(code: u8) -> Option<Self> {
        if code == 0 || code as usize > Self::ALL.len() { None } else { Some(Self::ALL[code as usize - 1]) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::General => "general failure",
            Self::NotAllowed => "not allowed by the rules",
            Self::NetworkUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable",
            Self::ConnectionRefused => "connection refused",
            Self::TtlExpired => "no answer in time",
            Self::CommandNotSupported => "command not supported",
            Self::AddressTypeNotSupported => "address type not supported",
        })
    }
}
