//! The client's side of a conversation in SOCKS4, or SOCKS4a where the target is a name.
//!
//! ```text
//! Reply     ─► Relaying  : a CONNECT is granted
//! Reply     ─► Listening : a BIND is granted, and the server listens
//! Reply     ─► Failed    : the request is refused, or the server ends, lies or is silent
//! Listening ─► Binding   : noted()
//! Listening ─► Failed    : the server ends
//! Binding   ─► Relaying  : the awaited peer has connected to the server
//! Binding   ─► Failed    : it has not, or the server ends, lies or is silent
//! ```

use super::server::{GRANTED, HEAD, LONGEST, REFUSED, VERSION};
use crate::machine::Machine;
use crate::socks5::{ClientEvent, Command};
use crate::time::{Patience, Reason};
use crate::wire::{Host, HostOf, Inbox, Pen, TargetOf};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

/// The server asked the client's host who the user is, and got no answer, or another one.
const NO_IDENT: u8 = 92;
const OTHER_IDENT: u8 = 93;
/// How long the server may take; it includes the server's own connection.
const SILENCE: Duration = Duration::from_secs(45);
/// How long the awaited peer of a BIND may take; the server's own patience ends before.
const BIND: Duration = Duration::from_secs(150);

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum ClientState {
    /// The request is sent and the reply awaited.
    Reply = 0,
    /// The owner is to tell the peer of a BIND where to connect.
    Listening = 1,
    /// The second reply to a BIND is awaited.
    Binding = 2,
    /// What follows belongs to the owner.
    Relaying = 3,
    /// It is over.
    Failed = 4,
}

impl ClientState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Reply, Self::Listening, Self::Binding, Self::Relaying, Self::Failed];
}

/// Why a conversation failed, or cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ClientError {
    /// A reply began with this octet in place of 0.
    Version(u8),
    /// The server refused the request with this code, 91 to 93.
    Refused(u8),
    /// The server replied with a code that means nothing.
    UnknownReply(u8),
    /// The server ended in this state.
    Ended(ClientState),
    /// The server was silent for too long in this state.
    Expired(ClientState),
    /// The user id is longer than 255 octets or the target's name is, or the name is empty.
    TooLong,
    /// The user id or the name holds a NUL, which would end it there.
    Nul,
    /// SOCKS4 connects and binds, and nothing else.
    Command,
    /// SOCKS4 has no word for this address: it is IPv6, or 0.0.0.x, which stands for a name.
    Address,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(octet) => write!(f, "the server speaks no SOCKS4: version octet {octet:#04x}"),
            Self::Refused(NO_IDENT) => f.write_str("the server refused: nobody told it who the user is"),
            Self::Refused(OTHER_IDENT) => f.write_str("the server refused: it was told of another user"),
            Self::Refused(_) => f.write_str("the server refused"),
            Self::UnknownReply(code) => write!(f, "the server replied with the unknown code {code}"),
            Self::Ended(state) => write!(f, "the server ended in {state:?}"),
            Self::Expired(state) => write!(f, "the server was silent for too long in {state:?}"),
            Self::TooLong => f.write_str("a name is empty, or a name or user id is longer than 255 octets"),
            Self::Nul => f.write_str("a name or user id holds a NUL"),
            Self::Command => f.write_str("SOCKS4 connects and binds, and nothing else"),
            Self::Address => f.write_str("SOCKS4 has no word for this address"),
        }
    }
}

impl core::error::Error for ClientError {}

/// The client's side of one conversation.
///
/// `B` holds what it says, lent (`&[u8]`) or owned; the machine itself takes at most 64 octets.
#[derive(Clone, Copy, Debug)]
pub struct Client<B> {
    target: TargetOf<B>,
    user: B,
    command: Command,
    state: ClientState,
    error: Option<ClientError>,
    /// Octets of the request that are drained.
    said: u16,
    inbox: Inbox<HEAD>,
}

impl<B: AsRef<[u8]>> Client<B> {
    /// Returns a client that will ask for `target` and say that it is `user`, which may be empty.
    ///
    /// # Errors
    /// [`ClientError`], when SOCKS4 has no way to say this: nothing is cut, and no name is resolved elsewhere.
    pub fn new(command: Command, target: TargetOf<B>, user: B) -> Result<Self, ClientError> {
        if !matches!(command, Command::Connect | Command::Bind) {
            return Err(ClientError::Command);
        }
        match target.host.lend() {
            Host::Ip(IpAddr::V4(ip)) if names(ip) => return Err(ClientError::Address),
            Host::Ip(IpAddr::V6(_)) => return Err(ClientError::Address),
            Host::Name(name) if name.is_empty() || name.len() > LONGEST => return Err(ClientError::TooLong),
            Host::Name(name) if name.contains(&0) => return Err(ClientError::Nul),
            Host::Ip(IpAddr::V4(_)) | Host::Name(_) => {}
        }
        if user.as_ref().len() > LONGEST {
            return Err(ClientError::TooLong);
        }
        if user.as_ref().contains(&0) {
            return Err(ClientError::Nul);
        }
        let state = ClientState::Reply;
        Ok(Self { target, user, command, state, error: None, said: 0, inbox: Inbox::new() })
    }

    /// Notes that the peer of a BIND knows where the server listens.
    pub fn noted(&mut self) {
        debug_assert_eq!(self.state, ClientState::Listening, "noted() retires ClientEvent::Listening");
        if self.state == ClientState::Listening {
            self.inbox.clear();
            self.state = ClientState::Binding;
        }
    }

    const fn fail(&mut self, error: ClientError) {
        self.error = Some(error);
        self.state = ClientState::Failed;
    }

    /// Writes the request, without what was drained of it, and returns how much was written.
    fn say(&self, output: &mut [u8]) -> usize {
        if self.state != ClientState::Reply {
            return 0;
        }
        let mut pen = Pen::new(usize::from(self.said), output);
        pen.put(&[VERSION, self.command.code()]);
        pen.put(&self.target.port.to_be_bytes());
        match &self.target.host {
            HostOf::Ip(IpAddr::V4(ip)) => pen.put(&ip.octets()),
            HostOf::Ip(IpAddr::V6(_)) | HostOf::Name(_) => pen.put(&[0, 0, 0, 1]),
        }
        pen.put(self.user.as_ref());
        pen.put(&[0]);
        if let HostOf::Name(name) = &self.target.host {
            pen.put(name.as_ref());
            pen.put(&[0]);
        }
        pen.written()
    }

    /// Looks at what is gathered; returns how many octets the reply goes on to, if it is not whole.
    fn step(&mut self) -> Option<usize> {
        match *self.inbox.octets() {
            [] => return Some(1),
            [0] => return Some(HEAD),
            [0, _, ref rest @ ..] if rest.len() < HEAD - 2 => return Some(HEAD),
            [0, GRANTED, ..] if self.state == ClientState::Reply && self.command == Command::Bind => {
                self.state = ClientState::Listening;
            }
            [0, GRANTED, ..] => self.state = ClientState::Relaying,
            [0, code @ REFUSED..=OTHER_IDENT, ..] => self.fail(ClientError::Refused(code)),
            [0, code, ..] => self.fail(ClientError::UnknownReply(code)),
            [other, ..] => self.fail(ClientError::Version(other)),
        }
        None
    }

    /// Returns the address in the reply.
    fn bound(&self) -> Option<SocketAddr> {
        let &[_, _, high, low, a, b, c, d] = self.inbox.octets() else { return None };
        Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
    }
}

/// Returns whether an address stands for a name: it is 0.0.0.x, x not being 0.
fn names(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [0, 0, 0, 1..=255])
}

impl<B: AsRef<[u8]>> Machine for Client<B> {
    type Event<'e>
        = ClientEvent
    where
        Self: 'e;
    type Error = ClientError;
    type State = ClientState;

    fn feed(&mut self, input: &[u8]) -> usize {
        let (mut taken, began) = (0, self.state);
        let awaits = matches!(began, ClientState::Reply | ClientState::Binding);
        // A server that speaks before it was spoken to is heard when its turn comes.
        if !awaits || self.say(&mut [0]) > 0 {
            return 0;
        }
        while self.state == began {
            let Some(need) = self.step() else { continue };
            match self.inbox.fill(need, input.get(taken..).unwrap_or(&[])) {
                Some(0) | None => break,
                Some(count) => taken += count,
            }
        }
        taken
    }

    fn end(&mut self) {
        if !matches!(self.state, ClientState::Relaying | ClientState::Failed) {
            self.fail(ClientError::Ended(self.state));
        }
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        let count = self.say(output);
        self.said += u16::try_from(count).unwrap_or(0);
        count
    }

    fn poll(&self) -> nb::Result<ClientEvent, ClientError> {
        match self.state {
            ClientState::Listening => Ok(ClientEvent::Listening { at: self.bound() }),
            ClientState::Relaying => Ok(ClientEvent::Relay { bound: self.bound() }),
            ClientState::Failed => Err(nb::Error::Other(self.error.unwrap_or(ClientError::TooLong))),
            ClientState::Reply | ClientState::Binding => Err(nb::Error::WouldBlock),
        }
    }

    fn state(&self) -> ClientState {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        match self.state {
            ClientState::Reply => Some(Patience { limit: SILENCE, reason: Reason::Handshake }),
            ClientState::Listening | ClientState::Binding => {
                Some(Patience { limit: BIND, reason: Reason::Bind })
            }
            ClientState::Relaying | ClientState::Failed => None,
        }
    }

    fn expire(&mut self) {
        if !matches!(self.state, ClientState::Relaying | ClientState::Failed) {
            self.fail(ClientError::Expired(self.state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(command: Command, host: Host<'_>) -> Result<Client<&[u8]>, ClientError> {
        Client::new(command, TargetOf { host, port: 80 }, b"ann")
    }

    #[test]
    fn what_socks4_cannot_say_is_refused_before_anything_is_sent() {
        let refused = |command, host| client(command, host).map(|_| ()).expect_err("it cannot be said");
        let ip = |text: &str| Host::Ip(text.parse().expect("an address"));
        for command in [Command::Associate, Command::Resolve, Command::ResolvePtr] {
            assert_eq!(refused(command, ip("192.0.2.1")), ClientError::Command);
        }
        assert_eq!(refused(Command::Connect, ip("2001:db8::1")), ClientError::Address);
        assert_eq!(refused(Command::Connect, ip("0.0.0.7")), ClientError::Address);
        assert_eq!(refused(Command::Connect, Host::Name(&[b'a'; 256])), ClientError::TooLong);
        assert_eq!(refused(Command::Connect, Host::Name(b"")), ClientError::TooLong);
        assert_eq!(refused(Command::Connect, Host::Name(b"localhost\0.invalid")), ClientError::Nul);
        let target = TargetOf { host: Host::Name(b"a"), port: 80 };
        let with = |user: &'static [u8]| Client::new(Command::Connect, target, user).map(|_| ());
        assert_eq!(with(b"ann\0root"), Err(ClientError::Nul));
        assert_eq!(with(&[b'a'; 256]), Err(ClientError::TooLong));
        assert_eq!(with(b""), Ok(()));
    }

    #[test]
    fn a_reply_that_lies_is_an_error() {
        for (reply, error) in [
            (*b"\x04\x5a\0\0\0\0\0\0", ClientError::Version(4)),
            (*b"\x00\x5b\0\0\0\0\0\0", ClientError::Refused(91)),
            (*b"\x00\x5e\0\0\0\0\0\0", ClientError::UnknownReply(94)),
        ] {
            let mut client = client(Command::Connect, Host::Name(b"a")).expect("it can be said");
            assert_eq!(client.feed(&reply), 0, "it has not asked yet");
            let mut asked = [0; 16];
            assert_eq!(client.drain(&mut asked), 14);
            assert_eq!(asked[..14], *b"\x04\x01\x00\x50\0\0\0\x01ann\0a\0");
            client.feed(&reply);
            assert_eq!(client.poll(), Err(nb::Error::Other(error)));
        }
    }

    #[test]
    fn it_takes_at_most_64_octets_beyond_what_it_borrows() {
        let borrowed = size_of::<TargetOf<&[u8]>>() + size_of::<&[u8]>();
        assert!(size_of::<Client<&[u8]>>() <= borrowed + 64);
    }
}
