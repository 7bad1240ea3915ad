//! The server of a SOCKS4 client, in the words of SOCKS5.

use crate::machine::Machine;
use crate::socks4::{Error, Event as Event4, Server, State};
use crate::socks5::{Event, Login, Refusal};
use crate::time::Patience;
use core::net::SocketAddr;

/// The server's side of a conversation in SOCKS4 or 4a, which refuses its client if a password is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Four<const N: usize> {
    server: Server<N>,
    login: Login,
}

impl<const N: usize> Four<N> {
    /// Returns a server that awaits a request; `None` when SOCKS4 is not served at all.
    pub(super) const fn begin(login: Login) -> Option<Self> {
        Some(Self { server: Server::new(), login })
    }

    /// Serves the request, or refuses it.
    pub(super) fn answer(&mut self, outcome: Result<SocketAddr, Refusal>) {
        self.server.answer(outcome);
    }

    /// Names the peer of a BIND, or says why there is none.
    pub(super) fn accept(&mut self, outcome: Result<SocketAddr, Refusal>) {
        self.server.accept(outcome);
    }

    /// Returns what the request was refused with, if it was.
    pub(super) const fn refusal(&self) -> Option<Refusal> {
        self.server.refusal()
    }

    /// Returns who the client says it is, while its request stands.
    pub(super) fn user_id(&self) -> Option<&[u8]> {
        match self.server.poll() {
            Ok(Event4::Request { user, .. }) => Some(user),
            Ok(Event4::Accept | Event4::Relay) | Err(_) => None,
        }
    }
}

impl<const N: usize> Machine for Four<N> {
    type Event<'a> = Event<'a>;
    type Error = Error;
    type State = State;

    fn feed(&mut self, input: &[u8]) -> usize {
        let taken = self.server.feed(input);
        if self.login == Login::Password && self.server.state() == State::Answering {
            self.server.answer(Err(Refusal::NotAllowed));
        }
        taken
    }

    fn end(&mut self) {
        self.server.end();
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        self.server.drain(output)
    }

    fn poll(&self) -> nb::Result<Event<'_>, Error> {
        self.server.poll().map(|event| match event {
            Event4::Request { request, .. } => Event::Request(request),
            Event4::Accept => Event::Accept,
            Event4::Relay => Event::Relay,
        })
    }

    fn state(&self) -> State {
        self.server.state()
    }

    fn patience(&self) -> Option<Patience> {
        self.server.patience()
    }

    fn expire(&mut self) {
        self.server.expire();
    }
}
