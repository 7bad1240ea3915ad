//! What stands for the server of a SOCKS4 client where SOCKS4 is not served: there is no value of it, so nothing that
//! would be done with one is in the program.

use crate::machine::Machine;
use crate::socks4::{Error, State};
use crate::socks5::{Event, Login, Refusal};
use crate::time::Patience;
use core::net::SocketAddr;

/// The server's side of a conversation in SOCKS4 or 4a, which nobody can have without the feature `socks4`.
#[derive(Clone, Copy, Debug)]
pub enum Four<const N: usize> {}

impl<const N: usize> Four<N> {
    pub(super) const fn begin(_: Login) -> Option<Self> {
        None
    }

    pub(super) const fn answer(&mut self, _: Result<SocketAddr, Refusal>) {
        match *self {}
    }

    pub(super) const fn accept(&mut self, _: Result<SocketAddr, Refusal>) {
        match *self {}
    }

    pub(super) const fn refusal(&self) -> Option<Refusal> {
        match *self {}
    }

    pub(super) const fn user_id(&self) -> Option<&[u8]> {
        match *self {}
    }
}

impl<const N: usize> Machine for Four<N> {
    type Event<'a> = Event<'a>;
    type Error = Error;
    type State = State;

    fn feed(&mut self, _: &[u8]) -> usize {
        match *self {}
    }

    fn end(&mut self) {
        match *self {}
    }

    fn drain(&mut self, _: &mut [u8]) -> usize {
        match *self {}
    }

    fn poll(&self) -> nb::Result<Event<'_>, Error> {
        match *self {}
    }

    fn state(&self) -> State {
        match *self {}
    }

    fn patience(&self) -> Option<Patience> {
        match *self {}
    }

    fn expire(&mut self) {
        match *self {}
    }
}
