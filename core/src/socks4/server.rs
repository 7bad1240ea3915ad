//! The server's side of a conversation.
//!
//! ```text
//! Request   ─► Answering : a whole request
//! Request   ─► Refusing  : an unknown command, or a user id or name that is too long or empty
//! Request   ─► Failed    : it is not SOCKS4, or ends early, or takes too long
//! Answering ─► Relaying  : answer(Ok) to a CONNECT, and the peer is told
//! Answering ─► Binding   : answer(Ok) to a BIND, and the peer is told where
//! Answering ─► Refusing  : answer(Err), or it takes too long
//! Binding   ─► Relaying  : accept(Ok), and the peer is told who
//! Binding   ─► Refusing  : accept(Err), or it takes too long
//! Binding   ─► Failed    : the client leaves
//! Relaying  ─► Failed    : the peer does not take the reply in time
//! Refusing  ─► Failed    : the refusal is drained, or not taken in time
//! ```

use crate::machine::Machine;
use crate::socks5::{Command, Refusal, Request};
use crate::time::{Patience, Reason};
use crate::wire::{Host, Inbox, Outbox, Target};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

/// The version octet of a request.
pub(super) const VERSION: u8 = 4;
/// Reply codes: granted, and refused or failed.
pub(super) const GRANTED: u8 = 90;
pub(super) const REFUSED: u8 = 91;
/// Version, command, port and address.
pub(super) const HEAD: usize = 8;
/// The longest user id, and the longest name.
pub(super) const LONGEST: usize = 255;
/// The longest request: head, user id, name, and a NUL behind each.
pub(crate) const REQUEST: usize = HEAD + 2 * (LONGEST + 1);
/// How long the request may take.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long the owner may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the awaited peer of a BIND may take.
const BIND: Duration = Duration::from_secs(120);

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// The request is awaited.
    Request = 0,
    /// The owner's answer to it is awaited.
    Answering = 1,
    /// The peer that a BIND waits for is awaited.
    Binding = 2,
    /// What follows belongs to the relay.
    Relaying = 3,
    /// A refusal waits to be drained.
    Refusing = 4,
    /// It is over.
    Failed = 5,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Request, Self::Answering, Self::Binding, Self::Relaying, Self::Refusing, Self::Failed];
}

/// What stands to be done by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Serve it or say why not; retired by [`Server::answer`].
    Request {
        /// What is asked for.
        request: Request<'a>,
        /// Who the client says it is, 0 to 255 octets without a NUL.
        user: &'a [u8],
    },
    /// Wait for the peer of a BIND; retired by [`Server::accept`].
    Accept,
    /// The reply is sent: carry octets from here on. It stands.
    Relay,
}

/// Why a conversation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The request began with this octet in place of its version.
    Version(u8),
    /// The request was refused.
    Refused(Refusal),
    /// The user id or the name is longer than 255 octets, or the request than the inbox.
    TooLong,
    /// The peer ended in this state.
    Ended(State),
    /// The time was over in this state.
    Expired(State),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(octet) => write!(f, "the client speaks no SOCKS4: version octet {octet:#04x}"),
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::TooLong => f.write_str("the user id or the name is longer than 255 octets"),
            Self::Ended(state) => write!(f, "the client ended in {state:?}"),
            Self::Expired(state) => write!(f, "the client took too long in {state:?}"),
        }
    }
}

impl core::error::Error for Error {}

/// The server's side of one conversation, with an inbox of `N` octets.
///
/// 520 octets hold every request; a server that serves addresses and short names only does with less, and refuses
/// what it cannot hold.
#[derive(Clone, Copy, Debug)]
pub struct Server<const N: usize = REQUEST> {
    state: State,
    error: Option<Error>,
    out: Outbox<{ 2 * HEAD }>,
    inbox: Inbox<N>,
}

impl<const N: usize> Default for Server<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Server<N> {
    /// Returns a server that awaits a request.
    pub const fn new() -> Self {
        Self { state: State::Request, error: None, out: Outbox::new(), inbox: Inbox::new() }
    }

    /// Serves the request, with our end of the connection or the address that is listened at, or refuses it.
    pub fn answer(&mut self, outcome: Result<SocketAddr, Refusal>) {
        debug_assert_eq!(self.state, State::Answering, "answer() retires Event::Request");
        if self.state != State::Answering {
            return;
        }
        let binds = self.request().is_some_and(|(request, _)| request.command == Command::Bind);
        self.inbox.clear();
        self.reply(outcome, if binds { State::Binding } else { State::Relaying });
    }

    /// Names the peer that has connected to the listener of a BIND, or says why there is none.
    pub fn accept(&mut self, outcome: Result<SocketAddr, Refusal>) {
        debug_assert_eq!(self.state, State::Binding, "accept() retires Event::Accept");
        if self.state == State::Binding {
            self.reply(outcome, State::Relaying);
        }
    }

    /// Returns what the request was refused with, if it was.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self.error {
            Some(Error::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    fn reply(&mut self, outcome: Result<SocketAddr, Refusal>, next: State) {
        let (code, at) = match outcome {
            Ok(at) => (GRANTED, at),
            Err(_) => (REFUSED, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        };
        // The reply has no room for an IPv6 address.
        let ip = match at.ip().to_canonical() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        self.out.put(&[0, code]);
        self.out.put(&at.port().to_be_bytes());
        self.out.put(&ip.octets());
        self.state = next;
        if let Err(refusal) = outcome {
            self.error = Some(Error::Refused(refusal));
            self.state = State::Refusing;
        }
    }

    fn fail(&mut self, error: Error) {
        self.error = Some(error);
        self.state = State::Failed;
    }

    fn refuse_length(&mut self) {
        self.reply(Err(Refusal::General), State::Refusing);
        self.error = Some(Error::TooLong);
    }

    /// Looks at what is gathered; returns how many octets the request goes on to, if it is not whole.
    fn step(&mut self) -> Option<usize> {
        let octets = self.inbox.octets();
        match octets {
            [] => return Some(1),
            [VERSION, ..] => {}
            &[other, ..] => {
                self.fail(Error::Version(other));
                return None;
            }
        }
        if octets.len() < HEAD {
            return Some(HEAD);
        }
        let mut rest = octets.get(HEAD..).unwrap_or(&[]).split(|octet| *octet == 0);
        let user = rest.next().unwrap_or(&[]);
        let name = rest.next();
        let next = octets.len() + 1;
        let too_long = user.len() > LONGEST || name.is_some_and(|name| name.len() > LONGEST);
        // Every NUL ends a part; what stands behind the last one is not gathered.
        let parts = octets.iter().skip(HEAD).filter(|octet| **octet == 0).count();
        let wanted = 1 + usize::from(names(octets));
        if too_long {
            self.refuse_length();
        } else if parts < wanted {
            return Some(next);
        } else if names(octets) && name == Some(&[]) {
            self.reply(Err(Refusal::General), State::Refusing);
        } else if octets
            .get(1)
            .copied()
            .and_then(Command::from_code)
            .is_none_or(|command| !matches!(command, Command::Connect | Command::Bind))
        {
            self.reply(Err(Refusal::CommandNotSupported), State::Refusing);
        } else {
            self.state = State::Answering;
        }
        None
    }

    fn request(&self) -> Option<(Request<'_>, &[u8])> {
        let octets = self.inbox.octets();
        let (head, rest) = octets.split_first_chunk::<HEAD>()?;
        let mut parts = rest.split(|octet| *octet == 0);
        let user = parts.next()?;
        let host = if names(octets) {
            Host::Name(parts.next()?)
        } else {
            Host::Ip(IpAddr::from([head[4], head[5], head[6], head[7]]))
        };
        let target = Target { host, port: u16::from_be_bytes([head[2], head[3]]) };
        Some((Request { command: Command::from_code(head[1])?, target }, user))
    }
}

/// Returns whether a request carries a name: its address is 0.0.0.x, x not being 0.
fn names(octets: &[u8]) -> bool {
    matches!(octets.get(4..HEAD), Some([0, 0, 0, last]) if *last != 0)
}

impl<const N: usize> Machine for Server<N> {
    type Event<'a> = Event<'a>;
    type Error = Error;
    type State = State;

    fn feed(&mut self, input: &[u8]) -> usize {
        let mut taken = 0;
        while self.state == State::Request {
            let Some(need) = self.step() else { break };
            match self.inbox.fill(need, input.get(taken..).unwrap_or(&[])) {
                Some(0) => break,
                Some(count) => taken += count,
                None => self.refuse_length(),
            }
        }
        taken
    }

    fn end(&mut self) {
        if matches!(self.state, State::Request | State::Binding) {
            self.fail(Error::Ended(self.state));
        }
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        let count = self.out.drain(output);
        if self.state == State::Refusing && self.out.is_empty() {
            self.state = State::Failed;
        }
        count
    }

    fn poll(&self) -> nb::Result<Event<'_>, Error> {
        match self.state {
            State::Answering => {
                let (request, user) = self.request().ok_or(nb::Error::WouldBlock)?;
                Ok(Event::Request { request, user })
            }
            State::Binding if self.out.is_empty() => Ok(Event::Accept),
            State::Relaying if self.out.is_empty() => Ok(Event::Relay),
            State::Failed => Err(nb::Error::Other(self.error.unwrap_or(Error::TooLong))),
            State::Request | State::Binding | State::Relaying | State::Refusing => Err(nb::Error::WouldBlock),
        }
    }

    fn state(&self) -> State {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        let (limit, reason) = match self.state {
            State::Request | State::Refusing => (HANDSHAKE, Reason::Handshake),
            State::Answering => (ANSWER, Reason::Connect),
            State::Binding => (BIND, Reason::Bind),
            State::Relaying if !self.out.is_empty() => (HANDSHAKE, Reason::Linger),
            State::Relaying | State::Failed => return None,
        };
        Some(Patience { limit, reason })
    }

    fn expire(&mut self) {
        match self.state {
            State::Answering => self.answer(Err(Refusal::TtlExpired)),
            State::Binding => self.accept(Err(Refusal::TtlExpired)),
            State::Request | State::Refusing => self.fail(Error::Expired(self.state)),
            State::Relaying if !self.out.is_empty() => self.fail(Error::Expired(self.state)),
            State::Relaying | State::Failed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(octets: &[u8]) -> (Server, usize) {
        let mut server: Server = Server::new();
        let taken = server.feed(octets);
        (server, taken)
    }

    #[test]
    fn an_address_and_a_user_are_read_and_what_follows_is_left() {
        let (server, taken) = asked(b"\x04\x01\x00\x50\xc0\x00\x02\x01ann\0more");
        assert_eq!(taken, 12);
        let Ok(Event::Request { request, user }) = server.poll() else { panic!("it is whole") };
        assert_eq!((request.command, user), (Command::Connect, &b"ann"[..]));
        assert_eq!(request.target, Target { host: Host::Ip(IpAddr::from([192, 0, 2, 1])), port: 80 });
    }

    #[test]
    fn a_name_stands_behind_an_address_that_cannot_be() {
        let (mut server, taken) = asked(b"\x04\x01\x00\x50\x00\x00\x00\x01\0example.org\0");
        assert_eq!(taken, 21);
        let Ok(Event::Request { request, user }) = server.poll() else { panic!("it is whole") };
        assert_eq!((request.target.host, user), (Host::Name(b"example.org"), &b""[..]));
        server.answer(Ok(SocketAddr::from(([192, 0, 2, 9], 258))));
        let mut reply = [0; 16];
        assert_eq!(server.drain(&mut reply), 8);
        assert_eq!(reply[..8], [0, 90, 1, 2, 192, 0, 2, 9]);
        assert_eq!(server.poll(), Ok(Event::Relay));
    }

    #[test]
    fn a_bind_is_answered_twice() {
        let (mut server, _) = asked(b"\x04\x02\x00\x50\xc0\x00\x02\x01\0");
        server.answer(Ok(SocketAddr::from(([192, 0, 2, 9], 258))));
        assert_eq!(server.poll(), Err(nb::Error::WouldBlock));
        assert_eq!(server.drain(&mut [0; 8]), 8);
        assert_eq!(server.poll(), Ok(Event::Accept));
        server.accept(Ok(SocketAddr::from(([192, 0, 2, 1], 80))));
        assert_eq!(server.drain(&mut [0; 8]), 8);
        assert_eq!(server.poll(), Ok(Event::Relay));
    }

    #[test]
    fn an_endless_user_id_is_refused_and_not_gathered() {
        let mut request = [b'a'; 5_008];
        request[..8].copy_from_slice(b"\x04\x01\x00\x50\xc0\x00\x02\x01");
        let (mut server, taken) = asked(&request);
        assert_eq!(taken, HEAD + 256);
        let mut reply = [0; 8];
        assert_eq!((server.drain(&mut reply), reply[1]), (8, 91));
        assert_eq!(server.poll(), Err(nb::Error::Other(Error::TooLong)));
    }

    #[test]
    fn what_a_small_inbox_cannot_hold_is_refused() {
        let mut server = Server::<16>::new();
        assert_eq!(server.feed(b"\x04\x01\x00\x50\xc0\x00\x02\x01anna-maria\0"), 16);
        let mut reply = [0; 8];
        assert_eq!((server.drain(&mut reply), reply[1]), (8, 91));
        assert_eq!(server.poll(), Err(nb::Error::Other(Error::TooLong)));
    }
}
