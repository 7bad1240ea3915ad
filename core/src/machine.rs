//! The verbs every protocol machine has.
//!
//! A machine is one side of a conversation with the wire taken out. Three contracts hold for each of them, and are
//! properties of the tests and fuzz targets:
//!
//! - **Level-triggered**: `poll` takes `&self`; an event stands until the verb its doc line names retires it.
//! - **Cut-invariant**: events, octets out and octets consumed do not depend on how the input is sliced nor on how
//!   small the buffers of `drain` are.
//! - **A refusal is sent first**: `poll` stays `WouldBlock` until the refusal is drained, and only then returns the
//!   error. On an error the owner's only duty is to close.
//!
//! Two machines whose wires are joined need nothing else:
//!
//! ```
//! use sockhop::machine::Machine;
//!
//! /// Carries what one says to the other, a few octets at a time; returns how many.
//! fn carry(from: &mut impl Machine, to: &mut impl Machine) -> usize {
//!     let mut wire = [0; 7];
//!     let count = from.drain(&mut wire);
//!     let mut said = &wire[..count];
//!     while !said.is_empty() {
//!         said = &said[to.feed(said)..];
//!     }
//!     count
//! }
//! # use sockhop::socks5::{Client, Command, Event, Login, Server};
//! # use sockhop::wire::{HostOf, TargetOf};
//! let target = TargetOf { host: HostOf::Name("example.org"), port: 80 };
//! let mut client = Client::new(Command::Connect, target, None).expect("the name is short enough");
//! let mut server: Server = Server::new(Login::Open);
//! while carry(&mut client, &mut server) + carry(&mut server, &mut client) > 0 {}
//! assert!(matches!(server.poll(), Ok(Event::Request(_))));
//! ```

use crate::relay::{Broken, Ring};
use crate::time::Patience;

/// One side of a conversation, with the wire taken out.
pub trait Machine {
    /// What stands to be done; may borrow from the machine's inbox.
    type Event<'a>
    where
        Self: 'a;
    /// Why the conversation failed.
    type Error;
    /// Where the conversation stands.
    type State: Copy + PartialEq + core::fmt::Debug;

    /// Takes octets from the peer, at most to the end of one message, and returns how many.
    ///
    /// Returns 0 while octets wait to be drained, while the owner owes an answer, and once what follows belongs
    /// to somebody else (the relay).
    fn feed(&mut self, input: &[u8]) -> usize;

    /// Notes that the peer will send no more.
    fn end(&mut self);

    /// Writes octets for the peer and returns how many; 0 when nothing waits to be sent.
    fn drain(&mut self, output: &mut [u8]) -> usize;

    /// Returns what stands to be done, or `WouldBlock` until more is fed, drained or answered.
    ///
    /// # Errors
    /// The conversation is over and failed; everything the peer had to be told has been drained.
    fn poll(&self) -> nb::Result<Self::Event<'_>, Self::Error>;

    /// Returns where the conversation stands.
    fn state(&self) -> Self::State;

    /// Returns how long this state may last, and why.
    ///
    /// The owner keeps the clock: it starts one when the [`Reason`](crate::time::Reason) changes and calls
    /// [`expire`](Self::expire) when it has run out.
    fn patience(&self) -> Option<Patience>;

    /// Notes that the patience has run out.
    fn expire(&mut self);
}

/// Moves what the machine wants to say and to hear; returns whether anything moved.
///
/// # Errors
/// [`Broken`] when the peer is gone; what it had said before is not heard any more.
pub fn exchange(machine: &mut impl Machine, stream: &mut impl Ring) -> Result<bool, Broken> {
    let said = match stream.with_space(|space| {
        let count = machine.drain(space);
        (count, count)
    }) {
        Ok(count) => count,
        Err(nb::Error::WouldBlock) => 0,
        Err(nb::Error::Other(how)) => return Err(how),
    };
    let heard = match stream.with_received(|octets| {
        let count = machine.feed(octets);
        (count, count)
    }) {
        Ok(Some(count)) => count,
        Ok(None) => {
            machine.end();
            0
        }
        Err(nb::Error::WouldBlock) => 0,
        Err(nb::Error::Other(how)) => return Err(how),
    };
    Ok(said + heard > 0)
}
