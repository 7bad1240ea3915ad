//! Why conversations fail, on the server's side and on the client's.

use super::{ClientState, Refusal, State};
use core::fmt;

/// Why a conversation failed; everything is the peer's doing, but for an expired answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// A message began with this octet in place of its version.
    Version(u8),
    /// No method was offered that is wanted.
    NoMethod,
    /// The name or the password was wrong, or empty.
    Login,
    /// The request was refused.
    Refused(Refusal),
    /// The peer ended within the message of this state.
    Ended(State),
    /// The time for the handshake was over in this state.
    Expired(State),
    /// A message does not fit the inbox of this server.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(octet @ b'A'..=b'Z') => {
                write!(f, "the client speaks no SOCKS5 but HTTP, it seems: version octet {octet:#04x}")
            }
            Self::Version(octet @ 0x16) => {
                write!(f, "the client speaks no SOCKS5 but TLS, it seems: version octet {octet:#04x}")
            }
            Self::Version(octet) => write!(f, "the client speaks no SOCKS5: version octet {octet:#04x}"),
            Self::NoMethod => f.write_str("the client offers no login method that is wanted"),
            Self::Login => f.write_str("wrong user name or password"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Ended(state) => write!(f, "the client ended while its {state:?} was awaited"),
            Self::Expired(state) => write!(f, "the client took too long in {state:?}"),
            Self::TooLong => f.write_str("a message is longer than this server holds"),
        }
    }
}

impl core::error::Error for Error {}

/// Why a conversation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClientError {
    /// A message of the server's began with this octet in place of its version.
    Version(u8),
    /// The server chose this method, which was not offered; 255 is none of those offered.
    Method(u8),
    /// The server did not take name and password.
    Login,
    /// The server refused the request.
    Refused(Refusal),
    /// The server refused the request with a code that means nothing.
    UnknownReply(u8),
    /// The server's reply has an address of this type, which is unknown or answers another question.
    AddressType(u8),
    /// The server ended within the message of this state.
    Ended(ClientState),
    /// The server was silent for too long in this state.
    Expired(ClientState),
    /// The target's name is empty or longer than 255 octets, or the name or password is.
    TooLong,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(octet) => write!(f, "the server speaks no SOCKS5: version octet {octet:#04x}"),
            Self::Method(0xff) => f.write_str("the server wants another login than the one offered"),
            Self::Method(method) => write!(f, "the server chose method {method}, which was not offered"),
            Self::Login => f.write_str("the server did not accept the user name and password"),
            Self::Refused(refusal) => write!(f, "the server refused: {refusal}"),
            Self::UnknownReply(code) => write!(f, "the server refused with the unknown code {code}"),
            Self::AddressType(kind) => {
                write!(f, "the server replied with an address of type {kind}, which is no answer")
            }
            Self::Ended(state) => write!(f, "the server ended in {state:?}"),
            Self::Expired(state) => write!(f, "the server was silent for too long in {state:?}"),
            Self::TooLong => f.write_str("a name or password is empty or longer than 255 octets"),
        }
    }
}

impl core::error::Error for ClientError {}
