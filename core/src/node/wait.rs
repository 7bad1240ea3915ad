//! Connections in TIME-WAIT, without their sockets (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191).

use crate::tcp::Seq;
use crate::time::Instant;
use core::net::SocketAddrV4;

/// How many are remembered; the oldest makes room.
const MOST: usize = 8;

/// What is kept of a connection in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) local: SocketAddrV4,
    pub(super) remote: SocketAddrV4,
    /// The flow's number in traces.
    pub(super) serial: u32,
    /// SND.NXT, one past our FIN.
    pub(super) snd_nxt: Seq,
    /// RCV.NXT, one past the peer's FIN.
    pub(super) rcv_nxt: Seq,
    /// The window last advertised.
    pub(super) window: u16,
    /// When it may go.
    pub(super) until: Instant,
}

/// The records, in no order.
#[derive(Debug, Default)]
pub(super) struct Waits([Option<Wait>; MOST]);

impl Waits {
    pub(super) const fn new() -> Self {
        Self([None; MOST])
    }

    /// Keeps a record, and returns the one that had to make room: that which would have gone first.
    pub(super) fn insert(&mut self, wait: Wait) -> Option<Wait> {
        let first = self.0.iter_mut().min_by_key(|place| place.map_or(Instant::ZERO, |old| old.until))?;
        first.replace(wait)
    }

    pub(super) fn find(&mut self, local: SocketAddrV4, remote: SocketAddrV4) -> Option<&mut Option<Wait>> {
        self.0.iter_mut().find(|place| place.is_some_and(|wait| wait.local == local && wait.remote == remote))
    }

    /// Removes and returns a record whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Wait> {
        self.0.iter_mut().find(|place| place.is_some_and(|wait| wait.until <= now))?.take()
    }

    /// Returns when the next record may expire.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|wait| wait.until).min()
    }
}
