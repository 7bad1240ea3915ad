//! The client's side of a conversation, as strict with its server as the server is with it.
//!
//! ```text
//! Greeting ─► Login     : the server wants a password, and there is one
//! Greeting ─► Reply     : the server wants nothing, and the request is sent
//! Greeting ─► Failed    : the server wants something else, is no SOCKS5 server, ends or is silent
//! Login    ─► Reply     : the password is right, and the request is sent
//! Login    ─► Failed    : the password is wrong, or the server ends or is silent
//! Reply    ─► Relaying  : a CONNECT or an ASSOCIATE is granted
//! Reply    ─► Listening : a BIND is granted, and the server listens
//! Reply    ─► Resolved  : a RESOLVE is granted, and the address stands in the reply
//! Reply    ─► Naming    : a RESOLVE_PTR is granted, and the name is what comes next
//! Reply    ─► Failed    : the request is refused, or the server ends, lies or is silent
//! Listening ─► Binding  : noted()
//! Listening ─► Failed   : the server ends
//! Binding  ─► Relaying  : the awaited peer has connected to the server
//! Binding  ─► Failed    : it has not, or the server ends, lies or is silent
//! Naming   ─► Resolved  : advance() to the name's end
//! Naming   ─► Failed    : the server ends or is silent
//! ```

use super::message::{self, LOGIN_VERSION, OPEN, PASSWORD, VERSION};
use super::{ClientError, Command, Refusal};
use crate::machine::Machine;
use crate::time::{Patience, Reason};
use crate::wire::{Host, HostOf, Inbox, Pen, TargetOf};
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
    /// The owner is to tell the peer of a BIND where to connect.
    Listening = 5,
    /// The second reply to a BIND is awaited.
    Binding = 6,
    /// The owner is to take the name that a RESOLVE_PTR asked for.
    Naming = 7,
    /// What was asked for has been answered, and nothing follows.
    Resolved = 8,
}

impl ClientState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Greeting,
        Self::Login,
        Self::Reply,
        Self::Relaying,
        Self::Failed,
        Self::Listening,
        Self::Binding,
        Self::Naming,
        Self::Resolved,
    ];
}

/// What stands to be done by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server listens for the peer of a BIND: tell the peer where. Retired by [`Client::noted`].
    Listening {
        /// Where the server listens; `None` when it named itself. An unspecified address is the server's own.
        at: Option<SocketAddr>,
    },
    /// What was asked for is there, and octets may be carried from here on. It stands.
    Relay {
        /// CONNECT: the server's end of the connection to the target. BIND: the peer that has connected.
        /// ASSOCIATE: where datagrams are to be sent while this connection, which carries nothing, stands; an
        /// unspecified address is the server's own. `None` when the server gave a name.
        bound: Option<SocketAddr>,
    },
    /// The next octets of the wire are the name that a RESOLVE_PTR asked for: take them. Retired by
    /// [`Client::advance`].
    Name {
        /// How many of them are still to be taken, 1 to 255.
        left: u8,
    },
    /// A RESOLVE has been answered with this address, or a RESOLVE_PTR with the name that was taken: close. It stands.
    Resolved {
        /// The address; `None` when a name was asked for.
        ip: Option<IpAddr>,
    },
}

/// The client's side of one conversation.
///
/// `B` holds what it says, lent (`&[u8]`) or owned (`Vec<u8>`, `heapless::Vec<u8, N>`); the machine itself takes at
/// most 64 octets.
///
/// ```
/// use core::net::{Ipv4Addr, SocketAddr};
/// use sockhop::machine::Machine;
/// use sockhop::socks5::{Client, ClientEvent, Command};
/// use sockhop::wire::{HostOf, TargetOf};
///
/// let target = TargetOf { host: HostOf::Name("example.org"), port: 443 };
/// let mut client = Client::new(Command::Connect, target, Some(("ann", "secret"))).expect("nothing is too long");
/// let mut said = [0; 64];
/// client.drain(&mut said);
/// client.feed(&[5, 2]); // the server wants the password
/// let length = client.drain(&mut said);
/// assert_eq!(&said[..length], b"\x01\x03ann\x06secret");
/// client.feed(&[1, 0]); // and finds it right
/// client.drain(&mut said);
/// client.feed(&[5, 0, 0, 1, 192, 0, 2, 1, 0x9c, 0x40]);
/// let bound = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 40_000));
/// assert_eq!(client.poll(), Ok(ClientEvent::Relay { bound: Some(bound) }));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Client<B> {
    target: TargetOf<B>,
    login: Option<(B, B)>,
    command: Command,
    state: ClientState,
    error: Option<ClientError>,
    /// Octets of the present message that are drained.
    said: u16,
    /// Octets of a reply from its name on that are still to be passed over, or to be taken by the owner.
    skip: u16,
    inbox: Inbox<{ message::REPLY }>,
}

/// The octets of the port behind a name.
const PORT: u16 = 2;
/// How long the whole conversation may take; it includes the server's own connection.
const SILENCE: Duration = Duration::from_secs(45);
/// How long the awaited peer of a BIND may take; the server's own patience ends before.
const BIND: Duration = Duration::from_secs(150);

impl<B: AsRef<[u8]>> Client<B> {
    /// Returns a client that will ask for `target`, with a name and a password if the server wants one.
    ///
    /// The target of [`Command::Bind`] is the peer that may connect; that of [`Command::Associate`] is where the
    /// datagrams will come from, unspecified if that is not known yet. That of [`Command::Resolve`] is a name and that
    /// of [`Command::ResolvePtr`] an address, and their ports mean nothing.
    ///
    /// # Errors
    /// [`ClientError::TooLong`] when a name or password does not fit its message: it is never cut.
    pub fn new(command: Command, target: TargetOf<B>, login: Option<(B, B)>) -> Result<Self, ClientError> {
        let fits = |text: &B| (1..=255).contains(&text.as_ref().len());
        let named = match &target.host {
            HostOf::Name(name) => fits(name),
            HostOf::Ip(_) => true,
        };
        if !named || login.as_ref().is_some_and(|(user, password)| !fits(user) || !fits(password)) {
            return Err(ClientError::TooLong);
        }
        let state = ClientState::Greeting;
        Ok(Self { target, login, command, state, error: None, said: 0, skip: 0, inbox: Inbox::new() })
    }

    /// Notes that the peer of a BIND knows where the server listens.
    pub fn noted(&mut self) {
        debug_assert_eq!(self.state, ClientState::Listening, "noted() retires ClientEvent::Listening");
        if self.state == ClientState::Listening {
            self.inbox.clear();
            self.state = ClientState::Binding;
        }
    }

    /// Notes that the owner has taken so many octets of the name that [`ClientEvent::Name`] told of.
    pub fn advance(&mut self, count: u8) {
        debug_assert!(self.left().is_some_and(|left| count <= left), "advance() retires ClientEvent::Name");
        if let Some(left) = self.left() {
            self.skip -= u16::from(count.min(left));
            if self.skip == PORT {
                self.skip = 0;
                self.state = ClientState::Resolved;
            }
        }
    }

    /// Returns how many octets of the name are left for the owner to take.
    fn left(&self) -> Option<u8> {
        match self.state {
            ClientState::Naming => u8::try_from(self.skip.saturating_sub(PORT)).ok(),
            ClientState::Greeting
            | ClientState::Login
            | ClientState::Reply
            | ClientState::Relaying
            | ClientState::Failed
            | ClientState::Listening
            | ClientState::Binding
            | ClientState::Resolved => None,
        }
    }

    /// Returns what the server refused the request with, if it did.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self.error {
            Some(ClientError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// Returns whether the server has nothing more to say that this machine would hear.
    const fn is_over(&self) -> bool {
        matches!(self.state, ClientState::Relaying | ClientState::Resolved | ClientState::Failed)
    }

    fn go(&mut self, state: ClientState) {
        self.state = state;
        self.said = 0;
        self.inbox.clear();
    }

    const fn fail(&mut self, error: ClientError) {
        self.error = Some(error);
        self.state = ClientState::Failed;
    }

    /// Writes the present message, without what was drained of it, and returns how much was written.
    fn say(&self, output: &mut [u8]) -> usize {
        let mut pen = Pen::new(usize::from(self.said), output);
        match (self.state, &self.login) {
            (ClientState::Greeting, Some(_)) => pen.put(&[VERSION, 2, OPEN, PASSWORD]),
            (ClientState::Greeting, None) => pen.put(&[VERSION, 1, OPEN]),
            (ClientState::Login, Some((user, password))) => {
                pen.put(&[LOGIN_VERSION]);
                pen.counted(user.as_ref());
                pen.counted(password.as_ref());
            }
            (ClientState::Reply, _) => {
                pen.put(&[VERSION, self.command.code(), 0]);
                match self.target.host.lend() {
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
            (ClientState::Login, None)
            | (
                ClientState::Listening
                | ClientState::Binding
                | ClientState::Relaying
                | ClientState::Naming
                | ClientState::Resolved
                | ClientState::Failed,
                _,
            ) => {}
        }
        pen.written()
    }

    /// Looks at what is gathered; returns how many octets the message goes on to, if it is not whole.
    fn step(&mut self) -> Option<usize> {
        let version = if self.state == ClientState::Login { LOGIN_VERSION } else { VERSION };
        match (self.state, self.inbox.octets()) {
            (
                ClientState::Listening
                | ClientState::Relaying
                | ClientState::Naming
                | ClientState::Resolved
                | ClientState::Failed,
                _,
            ) => return None,
            (_, []) => return Some(1),
            (_, &[other, ..]) if other != version => self.fail(ClientError::Version(other)),
            (_, [_]) => return Some(2),
            (ClientState::Greeting, &[_, method, ..]) => match method {
                OPEN => self.go(ClientState::Reply),
                PASSWORD if self.login.is_some() => self.go(ClientState::Login),
                other => self.fail(ClientError::Method(other)),
            },
            (ClientState::Login, &[_, 0, ..]) => self.go(ClientState::Reply),
            (ClientState::Login, _) => self.fail(ClientError::Login),
            (ClientState::Reply | ClientState::Binding, octets) => return self.reply_step(octets.len()),
        }
        None
    }

    /// As [`step`](Self::step), for a reply of which this many octets are gathered.
    fn reply_step(&mut self, gathered: usize) -> Option<usize> {
        let address = self.inbox.octets().get(3..).unwrap_or(&[]);
        match (address, message::target_length(address)) {
            ([], _) => return Some(4),
            ([kind, ..], None) => self.fail(ClientError::AddressType(*kind)),
            // The name would take more room than all the rest; who has asked for it takes it from the wire.
            (&[message::NAME, length], _) => {
                self.skip = u16::from(length) + PORT;
                if self.command == Command::ResolvePtr && length > 0 && self.code() == Some(0) {
                    self.state = ClientState::Naming;
                }
            }
            ([message::NAME, ..], _) => return Some(5),
            (_, Some(length)) if gathered < 3 + length => return Some(3 + length),
            (_, Some(_)) => {}
        }
        if self.state != ClientState::Failed && self.skip == 0 {
            self.take_reply();
        }
        None
    }

    fn take_reply(&mut self) {
        let code = self.code().unwrap_or(1);
        let kind = self.inbox.octets().get(3).copied().unwrap_or(message::NAME);
        match (code, Refusal::from_code(code)) {
            // Neither is a name an answer to RESOLVE, nor an address or no name at all one to RESOLVE_PTR.
            (0, _) if self.command == Command::Resolve && kind != message::NAME => {
                self.state = ClientState::Resolved;
            }
            (0, _) if self.command.looks_up() => self.fail(ClientError::AddressType(kind)),
            (0, _) if self.state == ClientState::Reply && self.command == Command::Bind => {
                self.state = ClientState::Listening;
            }
            (0, _) => self.state = ClientState::Relaying,
            (_, Some(refusal)) => self.fail(ClientError::Refused(refusal)),
            (code, None) => self.fail(ClientError::UnknownReply(code)),
        }
    }

    /// Returns the code of the reply, once that is there.
    fn code(&self) -> Option<u8> {
        self.inbox.octets().get(1).copied()
    }

    /// Returns the address in the reply; `None` if it is a name.
    fn bound(&self) -> Option<SocketAddr> {
        let target = self.inbox.octets().get(3..).and_then(message::target)?;
        match target.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, target.port)),
            Host::Name(_) => None,
        }
    }
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
        let awaits = matches!(
            began,
            ClientState::Greeting | ClientState::Login | ClientState::Reply | ClientState::Binding
        );
        // A server that speaks before it was spoken to is heard when its turn comes.
        if !awaits || self.say(&mut [0]) > 0 {
            return 0;
        }
        while self.state == began {
            let rest = input.get(taken..).unwrap_or(&[]);
            if self.skip > 0 {
                let skipped = self.skip.min(u16::try_from(rest.len()).unwrap_or(u16::MAX));
                self.skip -= skipped;
                taken += usize::from(skipped);
                if self.skip > 0 {
                    break;
                }
                self.take_reply();
                continue;
            }
            let Some(need) = self.step() else { continue };
            match self.inbox.fill(need, rest) {
                Some(0) | None => break,
                Some(count) => taken += count,
            }
        }
        taken
    }

    fn end(&mut self) {
        if !self.is_over() {
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
            ClientState::Naming => {
                self.left().map(|left| ClientEvent::Name { left }).ok_or(nb::Error::WouldBlock)
            }
            ClientState::Resolved => Ok(ClientEvent::Resolved { ip: self.bound().map(|bound| bound.ip()) }),
            ClientState::Failed => Err(nb::Error::Other(self.error.unwrap_or(ClientError::TooLong))),
            ClientState::Greeting | ClientState::Login | ClientState::Reply | ClientState::Binding => {
                Err(nb::Error::WouldBlock)
            }
        }
    }

    fn state(&self) -> ClientState {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        match self.state {
            ClientState::Greeting | ClientState::Login | ClientState::Reply | ClientState::Naming => {
                Some(Patience { limit: SILENCE, reason: Reason::Handshake })
            }
            ClientState::Listening | ClientState::Binding => {
                Some(Patience { limit: BIND, reason: Reason::Bind })
            }
            ClientState::Relaying | ClientState::Resolved | ClientState::Failed => None,
        }
    }

    fn expire(&mut self) {
        if !self.is_over() {
            self.fail(ClientError::Expired(self.state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_takes_at_most_64_octets_beyond_what_it_borrows() {
        let borrowed = size_of::<TargetOf<&[u8]>>() + size_of::<Option<(&[u8], &[u8])>>();
        assert!(size_of::<Client<&[u8]>>() <= borrowed + 64, "{}", size_of::<Client<&[u8]>>() - borrowed);
    }

    #[test]
    fn a_name_in_a_reply_is_passed_over_and_nothing_behind_it() {
        let target = TargetOf { host: Host::Name(b"a"), port: 80 };
        let mut client = Client::new(Command::Connect, target, None).expect("it fits");
        assert_eq!(client.drain(&mut [0; 9]), 3);
        assert_eq!(client.feed(&[5, 0]), 2);
        assert_eq!(client.drain(&mut [0; 9]), 8);
        let reply = b"\x05\x00\x00\x03\x05proxy\x01\x02more";
        for octet in &reply[..11] {
            assert_eq!(client.feed(core::slice::from_ref(octet)), 1);
            assert_eq!(client.poll(), Err(nb::Error::WouldBlock));
        }
        assert_eq!(client.feed(&reply[11..]), 1);
        assert_eq!(client.poll(), Ok(ClientEvent::Relay { bound: None }));
        assert_eq!(client.feed(b"more"), 0);
    }

    #[test]
    fn a_bind_is_told_where_and_then_who() {
        let target = TargetOf { host: Host::Ip([192, 0, 2, 9].into()), port: 80 };
        let mut client = Client::new(Command::Bind, target, None).expect("it fits");
        client.drain(&mut [0; 9]);
        client.feed(&[5, 0]);
        let mut asked = [0; 10];
        client.drain(&mut asked);
        assert_eq!(asked, *b"\x05\x02\x00\x01\xc0\x00\x02\x09\x00\x50");
        let both = *b"\x05\x00\x00\x01\xc0\x00\x02\x01\x12\x34\x05\x00\x00\x01\xc0\x00\x02\x09\x56\x78";
        assert_eq!(client.feed(&both), 10);
        let at = Some(SocketAddr::from(([192, 0, 2, 1], 0x1234)));
        assert_eq!(client.poll(), Ok(ClientEvent::Listening { at }));
        assert_eq!(client.feed(&both[10..]), 0, "the owner is to pass the address on first");
        client.noted();
        assert_eq!(client.feed(&both[10..]), 10);
        let bound = Some(SocketAddr::from(([192, 0, 2, 9], 0x5678)));
        assert_eq!(client.poll(), Ok(ClientEvent::Relay { bound }));
    }
}
