//! The server's side of a conversation.
//!
//! Each state waits for one message of the peer's or one verb of the owner's, and exactly one answer leaves it.
//!
//! ```text
//! Greeting  ─► Login     : it offers a password, and one is wanted
//! Greeting  ─► Request   : it offers no authentication, and none is wanted
//! Greeting  ─► Refusing  : it offers nothing that is wanted
//! Greeting  ─► Failed    : it is not SOCKS5, or ends early, or takes too long
//! Login     ─► Judging   : a name and a password
//! Login     ─► Refusing  : a name or a password is empty, or the version is wrong
//! Login     ─► Failed    : it ends early, or takes too long
//! Judging   ─► Request   : judge(true)
//! Judging   ─► Refusing  : judge(false), or it takes too long
//! Request   ─► Answering : a whole request
//! Request   ─► Refusing  : a command or an address type that nobody knows, or an empty name
//! Request   ─► Failed    : the version is wrong, or it ends early, or takes too long
//! Answering ─► Relaying  : answer(Ok), and the peer is told
//! Answering ─► Binding   : answer(Ok) to a BIND, and the peer is told where
//! Answering ─► Resolved  : answer(Ok) to a RESOLVE, or name(Ok) to a RESOLVE_PTR, and the peer is told
//! Answering ─► Refusing  : answer(Err), or it takes too long
//! Binding   ─► Relaying  : accept(Ok), and the peer is told who
//! Binding   ─► Refusing  : accept(Err), or it takes too long
//! Binding   ─► Failed    : the client leaves
//! Relaying  ─► Failed    : the peer does not take the reply in time
//! Resolved  ─► Failed    : the peer does not take the answer in time
//! Refusing  ─► Failed    : the refusal is drained, or not taken in time
//! ```

use super::message::{self, LOGIN_VERSION, LOOKUP, NO_METHOD, OPEN, PASSWORD, REPLY, VERSION};
use super::{Command, Error, Refusal, Request};
use crate::machine::Machine;
use crate::time::{Patience, Reason};
use crate::wire::{Inbox, Outbox};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

/// How long greeting, login and request may take together.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long the owner may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// How long the awaited peer of a BIND may take.
const BIND: Duration = Duration::from_secs(120);

/// What a server wants to know of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Login {
    /// Nothing.
    Open,
    /// A name and a password (RFC 1929).
    Password,
}

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// The methods the client offers are awaited.
    Greeting = 0,
    /// Its name and password are awaited.
    Login = 1,
    /// The owner's judgment of them is awaited.
    Judging = 2,
    /// Its request is awaited.
    Request = 3,
    /// The owner's answer to it is awaited.
    Answering = 4,
    /// What follows belongs to the relay.
    Relaying = 5,
    /// A refusal waits to be drained.
    Refusing = 6,
    /// It is over.
    Failed = 7,
    /// The peer that a BIND waits for is awaited.
    Binding = 8,
    /// What was looked up waits to be drained, and nothing follows it.
    Resolved = 9,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Greeting,
        Self::Login,
        Self::Judging,
        Self::Request,
        Self::Answering,
        Self::Relaying,
        Self::Refusing,
        Self::Failed,
        Self::Binding,
        Self::Resolved,
    ];
}

/// What stands to be done by the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Decide whether they may come in; retired by [`Server::judge`].
    Login {
        /// The name, 1 to 255 octets of any value.
        user: &'a [u8],
        /// The password, 1 to 255 octets of any value.
        password: &'a [u8],
    },
    /// Serve it or say why not; retired by [`Server::answer`], or by [`Server::name`] if it is a RESOLVE_PTR.
    Request(Request<'a>),
    /// Wait for the peer of a BIND; retired by [`Server::accept`].
    Accept,
    /// The reply is sent: carry octets from here on. It stands.
    Relay,
    /// The reply is sent and was all that was asked for: close. It stands.
    Close,
}

/// The server's side of one conversation, with an inbox of `N` octets.
///
/// 513 octets hold every login; a server that asks for none and serves addresses only does with 64.
#[derive(Clone, Copy, Debug)]
pub struct Server<const N: usize = 513> {
    state: State,
    login: Login,
    error: Option<Error>,
    out: Outbox<{ 2 * REPLY }>,
    inbox: Inbox<N>,
}

/// What became of the octets gathered so far.
enum Step {
    /// The message goes on to this many octets.
    Need(usize),
    /// The message is whole, or wrong, and has been acted on.
    Done,
}

impl<const N: usize> Server<N> {
    /// Returns a server that awaits a greeting.
    pub const fn new(login: Login) -> Self {
        Self { state: State::Greeting, login, error: None, out: Outbox::new(), inbox: Inbox::new() }
    }

    /// Says whether the name and the password are right.
    pub fn judge(&mut self, right: bool) {
        debug_assert_eq!(self.state, State::Judging, "judge() retires Event::Login");
        if self.state != State::Judging {
            return;
        }
        self.inbox.clear();
        if right {
            self.out.put(&[LOGIN_VERSION, 0]);
            self.state = State::Request;
        } else {
            self.refuse_login(Error::Login);
        }
    }

    /// Serves the request, with our end of the connection to the target as BND.ADDR and BND.PORT, or refuses it.
    ///
    /// The answer to a [`Command::Resolve`] is the address that was found, with port 0.
    pub fn answer(&mut self, outcome: Result<SocketAddr, Refusal>) {
        debug_assert_eq!(self.state, State::Answering, "answer() retires Event::Request");
        if self.state != State::Answering {
            return;
        }
        let command = self.command();
        self.inbox.clear();
        match command {
            Some(Command::Bind) => self.grant(outcome, State::Binding),
            Some(Command::Resolve) => self.grant(outcome, State::Resolved),
            Some(Command::ResolvePtr) => self.refuse(outcome.err().unwrap_or(Refusal::General)),
            Some(Command::Connect | Command::Associate) | None => self.grant(outcome, State::Relaying),
        }
    }

    /// Answers a [`Command::ResolvePtr`] with the name that was found, or refuses it.
    ///
    /// A name that is empty, longer than 255 octets or than the inbox has room for is told as a general failure.
    pub fn name(&mut self, outcome: Result<&[u8], Refusal>) {
        let command = self.command();
        debug_assert_eq!(
            command,
            Some(Command::ResolvePtr),
            "name() retires the Event::Request of a RESOLVE_PTR"
        );
        if self.state != State::Answering || command != Some(Command::ResolvePtr) {
            return;
        }
        let told = outcome.and_then(|name| match u8::try_from(name.len()) {
            Ok(length @ 1..) if self.inbox.hold([name, &[0, 0]]) => Ok(length),
            Ok(_) | Err(_) => Err(Refusal::General),
        });
        match told {
            Ok(length) => {
                self.out.put(&[VERSION, 0, 0, message::NAME, length]);
                self.state = State::Resolved;
            }
            Err(refusal) => {
                self.inbox.clear();
                self.refuse(refusal);
            }
        }
    }

    /// Names the peer that has connected to the listener of a BIND, or says why there is none.
    pub fn accept(&mut self, outcome: Result<SocketAddr, Refusal>) {
        debug_assert_eq!(self.state, State::Binding, "accept() retires Event::Accept");
        if self.state == State::Binding {
            self.grant(outcome, State::Relaying);
        }
    }

    /// Returns what the server wants to know of its clients.
    pub const fn login(&self) -> Login {
        self.login
    }

    /// Returns whether the client has not said a word yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.state == State::Greeting && self.inbox.octets().is_empty()
    }

    /// Returns whether the last reply has been drained.
    fn is_told(&self) -> bool {
        self.out.is_empty() && self.inbox.octets().is_empty()
    }

    fn grant(&mut self, outcome: Result<SocketAddr, Refusal>, next: State) {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let (code, bound) = outcome.map_or_else(|refusal| (refusal.code(), nowhere), |bound| (0, bound));
        message::put_reply(&mut self.out, code, bound);
        match outcome {
            Ok(_) => self.state = next,
            Err(refusal) => self.refusing(Error::Refused(refusal)),
        }
    }

    /// Returns what the request was refused with, if it was.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self.error {
            Some(Error::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.grant(Err(refusal), State::Refusing);
    }

    fn refuse_login(&mut self, error: Error) {
        self.out.put(&[LOGIN_VERSION, 1]);
        self.refusing(error);
    }

    const fn refusing(&mut self, error: Error) {
        self.error = Some(error);
        self.state = State::Refusing;
    }

    const fn fail(&mut self, error: Error) -> Step {
        self.error = Some(error);
        self.state = State::Failed;
        Step::Done
    }

    /// Looks at what is gathered, and acts once the message is whole or known to be wrong.
    fn step(&mut self) -> Step {
        match self.state {
            State::Greeting => self.greeting(),
            State::Login => self.password(),
            State::Request => self.request(),
            State::Judging
            | State::Answering
            | State::Binding
            | State::Relaying
            | State::Resolved
            | State::Refusing
            | State::Failed => Step::Done,
        }
    }

    #[expect(
        clippy::manual_contains,
        reason = "a search in words would take 150 octets of flash, for 255 at most"
    )]
    fn greeting(&mut self) -> Step {
        let (count, wanted) = match *self.inbox.octets() {
            [] => return Step::Need(1),
            [version, ..] if version != VERSION => return self.fail(Error::Version(version)),
            [_] => return Step::Need(2),
            [_, count, ref methods @ ..] => {
                if methods.len() < usize::from(count) {
                    return Step::Need(2 + usize::from(count));
                }
                let method = if self.login == Login::Open { OPEN } else { PASSWORD };
                (count, methods.iter().any(|offered| *offered == method).then_some(method))
            }
        };
        debug_assert!(count > 0 || wanted.is_none(), "an empty offer offers nothing");
        self.inbox.clear();
        if let Some(method) = wanted {
            self.out.put(&[VERSION, method]);
            self.state = if method == OPEN { State::Request } else { State::Login };
        } else {
            self.out.put(&[VERSION, NO_METHOD]);
            self.refusing(Error::NoMethod);
        }
        Step::Done
    }

    fn password(&mut self) -> Step {
        let error = match *self.inbox.octets() {
            [] => return Step::Need(1),
            [version, ..] if version != LOGIN_VERSION => Error::Version(version),
            [_] => return Step::Need(2),
            [_, 0, ..] => Error::Login,
            [_, user, ref rest @ ..] => match rest.get(usize::from(user)) {
                None => return Step::Need(3 + usize::from(user)),
                Some(0) => Error::Login,
                Some(password) => {
                    let whole = usize::from(user) + 1 + usize::from(*password);
                    if rest.len() < whole {
                        return Step::Need(2 + whole);
                    }
                    self.state = State::Judging;
                    return Step::Done;
                }
            },
        };
        self.refuse_login(error);
        Step::Done
    }

    fn request(&mut self) -> Step {
        let octets = self.inbox.octets();
        match *octets {
            [] => return Step::Need(1),
            [version, ..] if version != VERSION => return self.fail(Error::Version(version)),
            _ => {}
        }
        let Some(length) = message::target_length(octets.get(3..).unwrap_or(&[])) else {
            self.refuse(Refusal::AddressTypeNotSupported);
            return Step::Done;
        };
        if octets.len() < 3 + length {
            return Step::Need(3 + length);
        }
        match self.command() {
            Some(_) if length == message::NO_NAME => self.refuse(Refusal::General),
            Some(_) => self.state = State::Answering,
            None => self.refuse(Refusal::CommandNotSupported),
        }
        Step::Done
    }

    /// Returns what the request asks for, if that is anything.
    fn command(&self) -> Option<Command> {
        Command::from_code(*self.inbox.octets().get(1)?)
    }

    fn whole_request(&self) -> Option<Request<'_>> {
        let target = message::target(self.inbox.octets().get(3..)?)?;
        Some(Request { command: self.command()?, target })
    }

    fn whole_login(&self) -> Option<(&[u8], &[u8])> {
        let [_, user, rest @ ..] = self.inbox.octets() else { return None };
        let (user, rest) = rest.split_at_checked(usize::from(*user))?;
        Some((user, rest.get(1..)?))
    }
}

impl<const N: usize> Machine for Server<N> {
    type Event<'a> = Event<'a>;
    type Error = Error;
    type State = State;

    fn feed(&mut self, input: &[u8]) -> usize {
        if !self.out.is_empty() {
            return 0;
        }
        let mut taken = 0;
        let began = self.state;
        loop {
            let Step::Need(need) = self.step() else { return taken };
            let rest = input.get(taken..).unwrap_or(&[]);
            if rest.is_empty() || self.state != began {
                return taken;
            }
            match self.inbox.fill(need, rest) {
                Some(count) => taken += count,
                None => {
                    self.fail(Error::TooLong);
                    return taken;
                }
            }
        }
    }

    fn end(&mut self) {
        if matches!(self.state, State::Greeting | State::Login | State::Request | State::Binding) {
            self.fail(Error::Ended(self.state));
        }
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        let mut count = self.out.drain(output);
        if LOOKUP && self.state == State::Resolved {
            // A name waits where the request was, behind the head of its reply.
            count += self.inbox.drain(output.get_mut(count..).unwrap_or(&mut []));
        }
        if self.state == State::Refusing && self.out.is_empty() {
            self.state = State::Failed;
        }
        count
    }

    fn poll(&self) -> nb::Result<Event<'_>, Error> {
        match self.state {
            State::Judging => {
                let (user, password) = self.whole_login().ok_or(nb::Error::WouldBlock)?;
                Ok(Event::Login { user, password })
            }
            State::Answering => self.whole_request().map(Event::Request).ok_or(nb::Error::WouldBlock),
            State::Binding if self.out.is_empty() => Ok(Event::Accept),
            State::Relaying if self.out.is_empty() => Ok(Event::Relay),
            State::Resolved if self.is_told() => Ok(Event::Close),
            State::Failed => Err(nb::Error::Other(self.error.unwrap_or(Error::TooLong))),
            State::Greeting
            | State::Login
            | State::Request
            | State::Binding
            | State::Relaying
            | State::Resolved
            | State::Refusing => Err(nb::Error::WouldBlock),
        }
    }

    fn state(&self) -> State {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        match self.state {
            State::Greeting | State::Login | State::Judging | State::Request | State::Refusing => {
                Some(Patience { limit: HANDSHAKE, reason: Reason::Handshake })
            }
            State::Answering => Some(Patience { limit: ANSWER, reason: Reason::Connect }),
            State::Binding => Some(Patience { limit: BIND, reason: Reason::Bind }),
            State::Relaying | State::Resolved if !self.is_told() => {
                Some(Patience { limit: HANDSHAKE, reason: Reason::Linger })
            }
            State::Relaying | State::Resolved | State::Failed => None,
        }
    }

    fn expire(&mut self) {
        match self.state {
            State::Judging => {
                self.inbox.clear();
                self.refuse_login(Error::Expired(State::Judging));
            }
            State::Answering => self.answer(Err(Refusal::TtlExpired)),
            State::Binding => self.accept(Err(Refusal::TtlExpired)),
            State::Greeting | State::Login | State::Request | State::Refusing => {
                self.fail(Error::Expired(self.state));
            }
            State::Relaying | State::Resolved if !self.is_told() => {
                self.fail(Error::Expired(self.state));
            }
            State::Relaying | State::Resolved | State::Failed => {}
        }
    }
}
