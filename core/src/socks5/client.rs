//! The client's side of a CONNECT, as strict with its server as the server is with it.
//!
//! ```text
//! Greeting ─► Login    : the server wants a password, and there is one
//! Greeting ─► Reply    : the server wants nothing, and the request is sent
//! Greeting ─► Failed   : the server wants something else, is no SOCKS5 server, ends or is silent
//! Login    ─► Reply    : the password is right, and the request is sent
//! Login    ─► Failed   : the password is wrong, or the server ends or is silent
//! Reply    ─► Relaying : the request is granted
//! Reply    ─► Failed   : it is refused, or the server ends, lies or is silent
//! ```

use super::message::{self, LOGIN_VERSION, OPEN, PASSWORD, VERSION};
use super::{Command, Refusal};
use crate::machine::Machine;
use crate::time::{Patience, Reason};
use crate::wire::{Host, Inbox, Target};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum ClientState {
    /// The offer is sent and the method awaited.
    Greeting = 0,
    /// Name and password are sent and the verdict awaited.
    Login = 1,
    /// The request is sent and the reply awaited.
    Reply = 2,
    /// What follows belongs to the owner.
    Relaying = 3,
    /// It is over.
    Failed = 4,
}

impl ClientState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Greeting, Self::Login, Self::Reply, Self::Relaying, Self::Failed];
}

/// What stands to be done by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The connection stands: carry octets from here on. It stands.
    Relay {
        /// The server's end of the connection to the target; `None` when it named itself.
        bound: Option<SocketAddr>,
    },
}

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
    /// The server's reply has an address of this unknown type.
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
            Self::AddressType(kind) => write!(f, "the server replied with the unknown address type {kind}"),
            Self::Ended(state) => write!(f, "the server ended in {state:?}"),
            Self::Expired(state) => write!(f, "the server was silent for too long in {state:?}"),
            Self::TooLong => f.write_str("a name or password is empty or longer than 255 octets"),
        }
    }
}

impl core::error::Error for ClientError {}

/// The client's side of one CONNECT; it borrows what it says.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    target: Target<'a>,
    login: Option<(&'a [u8], &'a [u8])>,
    state: ClientState,
    error: Option<ClientError>,
    /// Octets of the present message that are drained.
    said: u16,
    inbox: Inbox<REPLY_INBOX>,
}

/// The longest reply is one with a name of 255 octets, of which nothing is kept but the head.
const REPLY_INBOX: usize = 7 + 255;
/// How long the whole conversation may take; it includes the server's own connection.
const SILENCE: Duration = Duration::from_secs(45);

impl<'a> Client<'a> {
    /// Returns a client that will ask for `target`, with a name and a password if the server wants one.
    ///
    /// # Errors
    /// [`ClientError::TooLong`] when a name or password does not fit its message: it is never cut.
    pub fn new(target: Target<'a>, login: Option<(&'a [u8], &'a [u8])>) -> Result<Self, ClientError> {
        let fits = |text: &[u8]| (1..=255).contains(&text.len());
        let named = match target.host {
            Host::Name(name) => fits(name),
            Host::Ip(_) => true,
        };
        if !named || login.is_some_and(|(user, password)| !fits(user) || !fits(password)) {
            return Err(ClientError::TooLong);
        }
        Ok(Self { target, login, state: ClientState::Greeting, error: None, said: 0, inbox: Inbox::new() })
    }

    /// Returns what the server refused the request with, if it did.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self.error {
            Some(ClientError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    fn go(&mut self, state: ClientState) {
        self.state = state;
        self.said = 0;
        if state != ClientState::Relaying {
            self.inbox.clear();
        }
    }

    fn fail(&mut self, error: ClientError) {
        self.error = Some(error);
        self.state = ClientState::Failed;
    }

    /// Writes the present message, without what was drained of it, and returns how much was written.
    fn say(&self, output: &mut [u8]) -> usize {
        let mut pen = Pen { skip: usize::from(self.said), output, written: 0 };
        match self.state {
            ClientState::Greeting => pen.put(if self.login.is_some() {
                &[VERSION, 2, OPEN, PASSWORD]
            } else {
                &[VERSION, 1, OPEN]
            }),
            ClientState::Login => {
                let (user, password) = self.login.unwrap_or((&[], &[]));
                pen.put(&[LOGIN_VERSION]);
                pen.counted(user);
                pen.counted(password);
            }
            ClientState::Reply => {
                pen.put(&[VERSION, Command::Connect.code(), 0]);
                match self.target.host {
                    Host::Ip(IpAddr::V4(ip)) => {
                        pen.put(&[message::IPV4]);
                        pen.put(&ip.octets());
                    }
                    Host::Ip(IpAddr::V6(ip)) => {
                        pen.put(&[message::IPV6]);
                        pen.put(&ip.octets());
                    }
                    Host::Name(name) => {
                        pen.put(&[message::NAME]);
                        pen.counted(name);
                    }
                }
                pen.put(&self.target.port.to_be_bytes());
            }
            ClientState::Relaying | ClientState::Failed => {}
        }
        pen.written
    }

    /// Looks at what is gathered; returns how many octets the message goes on to, if it is not whole.
    fn step(&mut self) -> Option<usize> {
        match (self.state, self.inbox.octets()) {
            (ClientState::Relaying | ClientState::Failed, _) => None,
            (_, []) => Some(1),
            (ClientState::Login, &[version, ..]) if version != LOGIN_VERSION => {
                self.fail(ClientError::Version(version));
                None
            }
            (ClientState::Greeting | ClientState::Reply, &[version, ..]) if version != VERSION => {
                self.fail(ClientError::Version(version));
                None
            }
            (_, [_]) => Some(2),
            (ClientState::Greeting, &[_, method, ..]) => {
                match method {
                    OPEN => self.go(ClientState::Reply),
                    PASSWORD if self.login.is_some() => self.go(ClientState::Login),
                    other => self.fail(ClientError::Method(other)),
                }
                None
            }
            (ClientState::Login, &[_, verdict, ..]) => {
                if verdict == 0 {
                    self.go(ClientState::Reply)
                } else {
                    self.fail(ClientError::Login)
                }
                None
            }
            (ClientState::Reply, octets) => match octets.get(3..) {
                None => Some(4),
                Some(address) => match message::target_length(address) {
                    Some(length) if address.len() < length => Some(3 + length),
                    Some(_) => {
                        self.take_reply();
                        None
                    }
                    None => {
                        let kind = address.first().copied().unwrap_or_default();
                        self.fail(ClientError::AddressType(kind));
                        None
                    }
                },
            },
        }
    }

    fn take_reply(&mut self) {
        let code = self.inbox.octets().get(1).copied().unwrap_or(1);
        match (code, Refusal::from_code(code)) {
            (0, _) => self.go(ClientState::Relaying),
            (_, Some(refusal)) => self.fail(ClientError::Refused(refusal)),
            (code, None) => self.fail(ClientError::UnknownReply(code)),
        }
    }
}

/// Writes a message from somewhere in its middle into whatever room there is.
struct Pen<'a> {
    skip: usize,
    output: &'a mut [u8],
    written: usize,
}

impl Pen<'_> {
    fn put(&mut self, octets: &[u8]) {
        let skipped = self.skip.min(octets.len());
        self.skip -= skipped;
        for (place, octet) in self.output.iter_mut().skip(self.written).zip(&octets[skipped..]) {
            *place = *octet;
            self.written += 1;
        }
    }

    fn counted(&mut self, text: &[u8]) {
        self.put(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.put(text);
    }
}

impl Machine for Client<'_> {
    type Event<'e>
        = ClientEvent
    where
        Self: 'e;
    type Error = ClientError;
    type State = ClientState;

    fn feed(&mut self, input: &[u8]) -> usize {
        let (mut taken, began) = (0, self.state);
        // A server that speaks before it was spoken to is heard when its turn comes.
        if self.say(&mut [0]) > 0 {
            return 0;
        }
        while self.state == began
            && let Some(need) = self.step()
        {
            let rest = input.get(taken..).unwrap_or(&[]);
            match self.inbox.fill(need, rest) {
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
            ClientState::Relaying => {
                let bound = self.inbox.octets().get(3..).and_then(message::target);
                let bound = bound.and_then(|target| match target.host {
                    Host::Ip(ip) => Some(SocketAddr::new(ip, target.port)),
                    Host::Name(_) => None,
                });
                Ok(ClientEvent::Relay { bound })
            }
            ClientState::Failed => Err(nb::Error::Other(self.error.unwrap_or(ClientError::TooLong))),
            ClientState::Greeting | ClientState::Login | ClientState::Reply => Err(nb::Error::WouldBlock),
        }
    }

    fn state(&self) -> ClientState {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        match self.state {
            ClientState::Greeting | ClientState::Login | ClientState::Reply => {
                Some(Patience { limit: SILENCE, reason: Reason::Handshake })
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
