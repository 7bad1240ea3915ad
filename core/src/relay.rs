//! Carries octets between two streams, passes half-closes and resets on, and holds no octet of its own.
//!
//! The windows on its two sides are its only buffers: what one side has received is lent to the other side's
//! `write`, and what the other side reads goes straight into the first side's send ring. So a reader that stalls
//! closes the writer's window all the way back to the origin.
//!
//! *Up* is from side A, whose octets stand in rings, to side B; *down* is from B to A.
//!
//! ```text
//! Both      ─► DownOnly : A's FIN was passed on to B
//! Both      ─► UpOnly   : B's FIN was passed on to A
//! DownOnly  ─► Done     : B's FIN was passed on to A
//! UpOnly    ─► Done     : A's FIN was passed on to B
//! Both      ─► Breaking : a side broke
//! DownOnly  ─► Breaking : a side broke
//! UpOnly    ─► Breaking : a side broke
//! Breaking  ─► Broken   : what came before the break was passed on, and the other side was reset
//! ```
//!
//! ```
//! use sockhop::relay::{Relay, State};
//! # use sockhop::relay::{Broken, Ring, Stream};
//! # use std::collections::VecDeque;
//! # #[derive(Default)]
//! # struct Pipe { heard: VecDeque<u8>, said: Vec<u8>, ended: bool, closed: bool }
//! # impl Stream for Pipe {
//! #     fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
//! #         if self.heard.is_empty() && !self.ended { return Err(nb::Error::WouldBlock) }
//! #         let count = into.len().min(self.heard.len());
//! #         for (place, octet) in into.iter_mut().zip(self.heard.drain(..count)) { *place = octet }
//! #         Ok(count)
//! #     }
//! #     fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> { self.said.extend(from); Ok(from.len()) }
//! #     fn close(&mut self) { self.closed = true }
//! #     fn abort(&mut self) {}
//! # }
//! # impl Ring for Pipe {
//! #     fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
//! #         let lent = self.heard.make_contiguous();
//! #         if lent.is_empty() { return if self.ended { Ok(None) } else { Err(nb::Error::WouldBlock) } }
//! #         let (taken, result) = take(lent);
//! #         self.heard.drain(..taken);
//! #         Ok(Some(result))
//! #     }
//! #     fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
//! #         let mut space = [0; 64];
//! #         let (count, result) = fill(&mut space);
//! #         self.said.extend(&space[..count]);
//! #         Ok(result)
//! #     }
//! #     fn unsent(&self) -> usize { 0 }
//! # }
//! // A `Pipe` is a stream in memory: what it has heard, whether its peer has ended, and what was said to it.
//! let mut client = Pipe { heard: b"GET /".to_vec().into(), ended: true, ..Pipe::default() };
//! let mut origin = Pipe::default();
//!
//! let mut relay = Relay::new();
//! relay.pump(&mut client, &mut origin);
//! assert_eq!(origin.said, b"GET /");
//! assert!(origin.closed, "a FIN is passed on behind the octets before it");
//! assert_eq!(relay.state(), State::DownOnly); // the answer may still come
//!
//! origin.heard.extend(b"200");
//! relay.pump(&mut client, &mut origin);
//! assert_eq!((client.said.as_slice(), relay.carried()), (&b"200"[..], (5, 3)));
//! ```

use core::fmt;

/// How a stream broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Broken {
    /// The peer reset the connection.
    Reset,
    /// The peer stopped answering.
    TimedOut,
    /// The host refused to go on; its error number where it has one.
    Host(i32),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("the peer reset the connection"),
            Self::TimedOut => f.write_str("the peer stopped answering"),
            Self::Host(number) => write!(f, "the host's socket failed with error number {number}"),
        }
    }
}

impl core::error::Error for Broken {}

/// A connection's two directions, none of which ever waits.
pub trait Stream {
    /// Reads what has arrived; `Ok(0)` is the peer's FIN, with every octet before it read.
    ///
    /// `into` is never empty: 0 octets read into no room could not be told from a FIN.
    ///
    /// # Errors
    /// `WouldBlock` while nothing has arrived, [`Broken`] once everything received before the break is read.
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken>;

    /// Takes as many octets for the peer as fit now, at least one.
    ///
    /// `from` is never empty: no octets are neither taken nor refused.
    ///
    /// # Errors
    /// `WouldBlock` while there is no room, [`Broken`] when there never will be.
    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken>;

    /// Sends a FIN behind the octets written; reading goes on.
    fn close(&mut self);

    /// Ends both directions at once, with a RST to the peer.
    fn abort(&mut self);
}

/// A stream whose octets stand in rings that can be lent.
pub trait Ring: Stream {
    /// Lends what has been received, up to the ring's wrap, and forgets as many octets as `take` returns.
    ///
    /// At least one octet is lent; `Ok(None)` is the peer's FIN.
    ///
    /// # Errors
    /// As for [`Stream::read`].
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken>;

    /// Lends free space of the send ring, up to its wrap, and sends as many octets as `fill` returns.
    ///
    /// There is room for at least one octet.
    ///
    /// # Errors
    /// As for [`Stream::write`].
    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken>;

    /// Returns the octets sent or queued that the peer has not acknowledged.
    fn unsent(&self) -> usize;
}

/// One of the two streams of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Side {
    /// The one whose octets stand in rings.
    A,
    /// The other one.
    B,
}

/// Where a relay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum State {
    /// Both directions carry octets.
    Both = 0,
    /// B's FIN has been passed on; A may still send.
    UpOnly = 1,
    /// A's FIN has been passed on; B may still send.
    DownOnly = 2,
    /// Both FINs have been passed on, each after the octets before it.
    Done = 3,
    /// A side broke; what it had sent before is still being passed on.
    Breaking = 4,
    /// A side broke, and the other one has been reset.
    Broken = 5,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Both, Self::UpOnly, Self::DownOnly, Self::Done, Self::Breaking, Self::Broken];
}

/// The two directions between streams A and B.
#[derive(Clone, Copy, Debug)]
pub struct Relay {
    state: State,
    broken: Option<(Side, Broken)>,
    up: u64,
    down: u64,
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

/// Why carrying in one direction stopped.
enum Stop {
    Waiting,
    Fin,
    Broke(Side, Broken),
}

impl Relay {
    /// Returns a relay that has carried nothing.
    pub const fn new() -> Self {
        Self { state: State::Both, broken: None, up: 0, down: 0 }
    }

    /// Returns where the relay stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns the octets carried from A to B and from B to A.
    pub const fn carried(&self) -> (u64, u64) {
        (self.up, self.down)
    }

    /// Returns the side that broke, and how.
    pub const fn broken(&self) -> Option<(Side, Broken)> {
        self.broken
    }

    /// Carries what can be carried now, until both directions wait, and returns how many octets that was.
    ///
    /// The owner calls it whenever one of the streams may have become readable or writable. Once the state is
    /// `Done` or `Broken` the owner drops both streams; nothing of theirs is left to be closed.
    pub fn pump(&mut self, a: &mut impl Ring, b: &mut impl Stream) -> usize {
        let before = self.up + self.down;
        if matches!(self.state, State::Both | State::UpOnly) {
            match self.carry_up(a, b) {
                Stop::Waiting => {}
                Stop::Fin => {
                    b.close();
                    self.state = if self.state == State::Both { State::DownOnly } else { State::Done };
                }
                Stop::Broke(side, how) => self.breaks(side, how),
            }
        }
        if matches!(self.state, State::Both | State::DownOnly) {
            match self.carry_down(a, b) {
                Stop::Waiting => {}
                Stop::Fin => {
                    a.close();
                    self.state = if self.state == State::Both { State::UpOnly } else { State::Done };
                }
                Stop::Broke(side, how) => self.breaks(side, how),
            }
        }
        if self.state == State::Breaking {
            self.finish(a, b);
        }
        usize::try_from(self.up + self.down - before).unwrap_or(usize::MAX)
    }

    fn breaks(&mut self, side: Side, how: Broken) {
        self.broken = Some((side, how));
        self.state = State::Breaking;
    }

    /// Passes on what the broken side had sent before, then resets the other one.
    ///
    /// A host's socket tells of a reset once, to whoever asks first, and then looks like an end: so once a side
    /// is known to be broken its end is a break as well.
    fn finish(&mut self, a: &mut impl Ring, b: &mut impl Stream) {
        let over = match self.broken {
            Some((Side::A, _)) => match self.carry_up(a, b) {
                Stop::Waiting => false,
                Stop::Fin | Stop::Broke(..) => {
                    b.abort();
                    true
                }
            },
            Some((Side::B, _)) | None => match self.carry_down(a, b) {
                Stop::Waiting => false,
                Stop::Broke(Side::A, _) => true,
                Stop::Fin | Stop::Broke(Side::B, _) if a.unsent() > 0 => false,
                Stop::Fin | Stop::Broke(Side::B, _) => {
                    a.abort();
                    true
                }
            },
        };
        if over {
            self.state = State::Broken;
        }
    }

    fn carry_up(&mut self, a: &mut impl Ring, b: &mut impl Stream) -> Stop {
        loop {
            let lent = a.with_received(|octets| match b.write(octets) {
                Ok(taken) => (taken, Ok(taken)),
                Err(why) => (0, Err(why)),
            });
            match lent {
                Ok(Some(Ok(taken))) => self.up += taken as u64,
                Ok(None) => return Stop::Fin,
                Ok(Some(Err(nb::Error::WouldBlock))) | Err(nb::Error::WouldBlock) => return Stop::Waiting,
                Ok(Some(Err(nb::Error::Other(how)))) => return Stop::Broke(Side::B, how),
                Err(nb::Error::Other(how)) => return Stop::Broke(Side::A, how),
            }
        }
    }

    fn carry_down(&mut self, a: &mut impl Ring, b: &mut impl Stream) -> Stop {
        loop {
            let lent = a.with_space(|space| match b.read(space) {
                Ok(given) => (given, Ok(given)),
                Err(why) => (0, Err(why)),
            });
            match lent {
                Ok(Ok(0)) => return Stop::Fin,
                Ok(Ok(given)) => self.down += given as u64,
                Ok(Err(nb::Error::WouldBlock)) | Err(nb::Error::WouldBlock) => return Stop::Waiting,
                Ok(Err(nb::Error::Other(how))) => return Stop::Broke(Side::B, how),
                Err(nb::Error::Other(how)) => return Stop::Broke(Side::A, how),
            }
        }
    }
}
