//! Drives machines over smoltcp sockets, and watches smoltcp devices.
//!
//! smoltcp tells three things apart that look alike: `RecvError::Finished` is the peer's FIN, `Ok(0)` is nothing
//! yet, and `InvalidState` is a reset or a connection that is not open yet. [`Socket`] is where that is known, and
//! where a close waits until smoltcp can carry it out safely.
//!
//! ```
//! use smoltcp::socket::tcp::{self, SocketBuffer};
//! use sockhop::relay::Stream;
//! use sockhop::stack::{Socket, Wish};
//!
//! let (mut receive, mut send) = ([0; 4_096], [0; 4_096]);
//! let mut socket = tcp::Socket::new(SocketBuffer::new(&mut receive[..]), SocketBuffer::new(&mut send[..]));
//! socket.listen(1_080).expect("it is closed");
//!
//! let mut wish = Wish::default();
//! let mut stream = Socket::new(&mut socket, &mut wish);
//! assert_eq!(stream.read(&mut [0; 16]), Err(nb::Error::WouldBlock)); // not open yet, and not broken
//! stream.close();
//! assert_eq!(wish, Wish::Close); // carried out by the owner, when it is safe
//! assert!(wish.settle(&mut socket));
//! ```

mod tap;

pub use tap::{Tap, Token, Way};

use crate::relay::{Broken, Ring, Stream};
use smoltcp::socket::tcp;

impl From<tcp::State> for crate::tcp::State {
    fn from(state: tcp::State) -> Self {
        match state {
            tcp::State::Closed => Self::Closed,
            tcp::State::Listen => Self::Listen,
            tcp::State::SynSent => Self::SynSent,
            tcp::State::SynReceived => Self::SynReceived,
            tcp::State::Established => Self::Established,
            tcp::State::FinWait1 => Self::FinWait1,
            tcp::State::FinWait2 => Self::FinWait2,
            tcp::State::CloseWait => Self::CloseWait,
            tcp::State::Closing => Self::Closing,
            tcp::State::LastAck => Self::LastAck,
            tcp::State::TimeWait => Self::TimeWait,
        }
    }
}

/// What the owner of a socket wants to become of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// It stays as it is.
    #[default]
    Keep,
    /// Its sending half ends behind the octets written.
    Close,
    /// It ends at once, with a RST.
    Abort,
}

impl Wish {
    /// Carries the wish out as soon as that is safe, and returns whether the socket was told just now.
    ///
    /// A close waits in SYN-SENT and SYN-RECEIVED until the connection is open: in the one there is an answer to be
    /// heard yet, in the other smoltcp 0.14 never sends the FIN; in CLOSE-WAIT it waits for an empty send queue, since smoltcp ignores window updates in
    /// LAST-ACK.
    pub fn settle(&mut self, socket: &mut tcp::Socket<'_>) -> bool {
        let ready = match self {
            Self::Keep => false,
            Self::Abort => true,
            Self::Close => match socket.state() {
                tcp::State::SynSent | tcp::State::SynReceived => false,
                tcp::State::CloseWait => socket.send_queue() == 0,
                tcp::State::Listen
                | tcp::State::Established
                | tcp::State::FinWait1
                | tcp::State::FinWait2
                | tcp::State::Closing
                | tcp::State::LastAck
                | tcp::State::TimeWait
                | tcp::State::Closed => true,
            },
        };
        if ready {
            if *self == Self::Abort {
                socket.abort()
            } else {
                socket.close()
            }
            *self = Self::Keep;
        }
        ready
    }
}

/// A smoltcp socket as a [`Ring`].
#[derive(Debug)]
pub struct Socket<'a, 'rings> {
    socket: &'a mut tcp::Socket<'rings>,
    wish: &'a mut Wish,
    how: Broken,
}

impl<'a, 'rings> Socket<'a, 'rings> {
    /// Returns a view of `socket`; closes and aborts are left in `wish`, for the owner to settle.
    pub const fn new(socket: &'a mut tcp::Socket<'rings>, wish: &'a mut Wish) -> Self {
        Self { socket, wish, how: Broken::Reset }
    }

    /// Says how the connection broke, if it is broken, where the owner knows better than smoltcp.
    #[must_use]
    pub const fn broken_by(mut self, how: Broken) -> Self {
        self.how = how;
        self
    }

    /// Returns the octets received that wait to be read.
    pub fn unread(&self) -> usize {
        self.socket.recv_queue()
    }

    /// Returns why nothing can be lent, knowing that smoltcp refused.
    fn refusal(&self) -> nb::Error<Broken> {
        match self.socket.state() {
            tcp::State::Listen | tcp::State::SynSent | tcp::State::SynReceived => nb::Error::WouldBlock,
            tcp::State::Closed
            | tcp::State::Established
            | tcp::State::FinWait1
            | tcp::State::FinWait2
            | tcp::State::CloseWait
            | tcp::State::Closing
            | tcp::State::LastAck
            | tcp::State::TimeWait => nb::Error::Other(self.how),
        }
    }
}

// What is lent goes through a reference, so that a program holds these two once and not for each use.
impl Socket<'_, '_> {
    /// Lends what has been received, unless that is the peer's FIN.
    fn lend_received(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> nb::Result<(), Broken> {
        let lent = match self.socket.recv_queue() {
            0 => self.socket.recv_slice(&mut []).map(|_| true),
            _ => self.socket.recv(|octets| (take(octets), false)),
        };
        match lent {
            Ok(true) => Err(nb::Error::WouldBlock),
            Ok(false) | Err(tcp::RecvError::Finished) => Ok(()),
            Err(tcp::RecvError::InvalidState) => Err(self.refusal()),
        }
    }

    /// Lends free space.
    fn lend_space(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> nb::Result<(), Broken> {
        if *self.wish != Wish::Keep {
            return Err(nb::Error::Other(Broken::Reset));
        }
        if self.socket.may_send() && !self.socket.can_send() {
            return Err(nb::Error::WouldBlock);
        }
        match self.socket.send(|space| (fill(space), ())) {
            Ok(()) => Ok(()),
            Err(tcp::SendError::InvalidState) => Err(self.refusal()),
        }
    }
}

impl Stream for Socket<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!into.is_empty(), "0 octets read would look like a FIN");
        let read = self.with_received(|octets| {
            let count = octets.len().min(into.len());
            into[..count].copy_from_slice(&octets[..count]);
            (count, count)
        })?;
        Ok(read.unwrap_or(0))
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!from.is_empty(), "no octets are neither taken nor refused");
        self.with_space(|space| {
            let count = space.len().min(from.len());
            space[..count].copy_from_slice(&from[..count]);
            (count, count)
        })
    }

    fn close(&mut self) {
        if *self.wish == Wish::Keep {
            *self.wish = Wish::Close;
        }
    }

    fn abort(&mut self) {
        *self.wish = Wish::Abort;
    }
}

impl Ring for Socket<'_, '_> {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        let (mut take, mut result) = (Some(take), None);
        self.lend_received(&mut |octets| {
            let Some((taken, made)) = take.take().map(|take| take(octets)) else { return 0 };
            result = Some(made);
            taken
        })?;
        Ok(result)
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        let (mut fill, mut result) = (Some(fill), None);
        self.lend_space(&mut |space| {
            let Some((filled, made)) = fill.take().map(|fill| fill(space)) else { return 0 };
            result = Some(made);
            filled
        })?;
        result.ok_or(nb::Error::WouldBlock)
    }

    fn unsent(&self) -> usize {
        self.socket.send_queue()
    }
}
