//! A server that serves whatever version its client speaks: the first octet tells.
//!
//! ```
//! use sockhop::machine::Machine;
//! use sockhop::socks::{AnyServer, State};
//! use sockhop::socks5::{Event, Login};
//!
//! let mut server: AnyServer = AnyServer::new(Login::Open);
//! server.feed(b"\x04\x01\x00\x50\xc0\x00\x02\x07ann\0"); // SOCKS4, CONNECT
//! assert!(matches!(server.state(), State::V4(_)));
//! assert_eq!(server.user_id(), Some(&b"ann"[..]));
//! let Ok(Event::Request(request)) = server.poll() else { panic!("it is whole") };
//! assert_eq!(request.target.to_string(), "192.0.2.7:80");
//! ```

#[cfg(feature = "socks4")]
mod four;
#[cfg(not(feature = "socks4"))]
#[path = "no_four.rs"]
mod four;

pub use four::Four;

use crate::machine::Machine;
use crate::socks5::{Event, Login, Refusal};
use crate::time::Patience;
use crate::{socks4, socks5};
use core::fmt;
use core::net::SocketAddr;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum State {
    /// It speaks SOCKS4, and stands here.
    V4(socks4::State),
    /// It speaks SOCKS5, or has not spoken yet, and stands here.
    V5(socks5::State),
}

/// Why a conversation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// In SOCKS4.
    V4(socks4::Error),
    /// In SOCKS5, or in the first octet of something else.
    V5(socks5::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(error) => error.fmt(f),
            Self::V5(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

/// The server's side of one conversation in SOCKS4, 4a or 5; in SOCKS5 alone without the feature `socks4`.
///
/// Its inbox has `N` octets; 520 hold every login and request of either version. SOCKS4 has no passwords: a server
/// that wants one refuses it in good order.
#[derive(Clone, Copy, Debug)]
pub enum AnyServer<const N: usize = 520> {
    /// A SOCKS4 client, which is refused if a password is wanted.
    V4(Four<N>),
    /// A SOCKS5 client, or one that has not spoken yet.
    V5(socks5::Server<N>),
}

impl<const N: usize> AnyServer<N> {
    /// Returns a server that awaits the first octet.
    pub const fn new(login: Login) -> Self {
        Self::V5(socks5::Server::new(login))
    }

    /// Says whether the name and the password are right.
    pub fn judge(&mut self, right: bool) {
        match self {
            Self::V4(_) => debug_assert!(false, "SOCKS4 asks for no password"),
            Self::V5(server) => server.judge(right),
        }
    }

    /// Serves the request, with our end of the connection or the address that is listened at, or refuses it.
    pub fn answer(&mut self, outcome: Result<SocketAddr, Refusal>) {
        match self {
            Self::V4(server) => server.answer(outcome),
            Self::V5(server) => server.answer(outcome),
        }
    }

    /// Answers a RESOLVE_PTR, which is SOCKS5's alone, with the name that was found, or refuses it.
    pub fn name(&mut self, outcome: Result<&[u8], Refusal>) {
        match self {
            Self::V4(_) => debug_assert!(false, "SOCKS4 looks nothing up"),
            Self::V5(server) => server.name(outcome),
        }
    }

    /// Names the peer that has connected to the listener of a BIND, or says why there is none.
    pub fn accept(&mut self, outcome: Result<SocketAddr, Refusal>) {
        match self {
            Self::V4(server) => server.accept(outcome),
            Self::V5(server) => server.accept(outcome),
        }
    }

    /// Returns what the request was refused with, if it was.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::V4(server) => server.refusal(),
            Self::V5(server) => server.refusal(),
        }
    }

    /// Returns who a SOCKS4 client says it is, while its request stands.
    pub fn user_id(&self) -> Option<&[u8]> {
        match self {
            Self::V4(server) => server.user_id(),
            Self::V5(_) => None,
        }
    }

    /// Becomes a SOCKS4 server when that is what the first octet says.
    fn choose(&mut self, input: &[u8]) {
        if let (Self::V5(server), Some(4)) = (&*self, input.first())
            && server.is_untouched()
            && let Some(four) = Four::begin(server.login())
        {
            *self = Self::V4(four);
        }
    }
}

impl<const N: usize> Machine for AnyServer<N> {
    type Event<'a> = Event<'a>;
    type Error = Error;
    type State = State;

    fn feed(&mut self, input: &[u8]) -> usize {
        self.choose(input);
        match self {
            Self::V4(server) => server.feed(input),
            Self::V5(server) => server.feed(input),
        }
    }

    fn end(&mut self) {
        match self {
            Self::V4(server) => server.end(),
            Self::V5(server) => server.end(),
        }
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        match self {
            Self::V4(server) => server.drain(output),
            Self::V5(server) => server.drain(output),
        }
    }

    fn poll(&self) -> nb::Result<Event<'_>, Error> {
        match self {
            Self::V4(server) => server.poll().map_err(|error| error.map(Error::V4)),
            Self::V5(server) => server.poll().map_err(|error| error.map(Error::V5)),
        }
    }

    fn state(&self) -> State {
        match self {
            Self::V4(server) => State::V4(server.state()),
            Self::V5(server) => State::V5(server.state()),
        }
    }

    fn patience(&self) -> Option<Patience> {
        match self {
            Self::V4(server) => server.patience(),
            Self::V5(server) => server.patience(),
        }
    }

    fn expire(&mut self) {
        match self {
            Self::V4(server) => server.expire(),
            Self::V5(server) => server.expire(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "socks4"))]
    fn a_socks4_client_is_refused_where_it_is_not_served() {
        let mut server: AnyServer = AnyServer::new(Login::Open);
        assert_eq!(server.feed(b"\x04\x01\x00\x50\xc0\x00\x02\x01ann\0"), 1);
        assert_eq!(server.poll(), Err(nb::Error::Other(Error::V5(socks5::Error::Version(4)))));
    }

    #[test]
    #[cfg(feature = "socks4")]
    fn the_first_octet_tells_the_version_and_a_password_is_not_given_away() {
        let four = b"\x04\x01\x00\x50\xc0\x00\x02\x01ann\0";
        let mut server: AnyServer = AnyServer::new(Login::Open);
        assert_eq!(server.feed(&four[..1]), 1);
        assert_eq!(server.feed(&four[1..]), four.len() - 1);
        assert!(matches!(server.poll(), Ok(Event::Request(_))));
        assert_eq!(server.user_id(), Some(&b"ann"[..]));
        let mut guarded: AnyServer = AnyServer::new(Login::Password);
        guarded.feed(four);
        assert_eq!(guarded.drain(&mut [0; 8]), 8);
        let refused = socks4::Error::Refused(Refusal::NotAllowed);
        assert_eq!(guarded.poll(), Err(nb::Error::Other(Error::V4(refused))));
        let mut five: AnyServer = AnyServer::new(Login::Open);
        assert_eq!(five.feed(&[5, 1, 0]), 3);
        assert_eq!(five.state(), State::V5(socks5::State::Request));
    }

    #[test]
    fn it_takes_at_most_700_octets() {
        assert!(size_of::<AnyServer>() <= 700, "{}", size_of::<AnyServer>());
    }
}
