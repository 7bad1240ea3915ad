//! Connections in TIME-WAIT, without their sockets (RFC 9293 §3.10.7.4, RFC 1337, RFC 6191).

use crate::tcp::Seq;
use crate::time::Instant;
use core::net::SocketAddrV4;
use core::time::Duration;

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

/// The records, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waits(heapless::Deque<Wait, MOST>);

impl Waits {
    pub(super) const fn new() -> Self {
        Self(heapless::Deque::new())
    }

    /// Keeps a record, and returns the oldest if that had to make room.
    pub(super) fn insert(&mut self, wait: Wait) -> Option<Wait> {
        let oldest = if self.0.is_full() { self.0.pop_front() } else { None };
        // There is room now.
        let _ = self.0.push_back(wait);
        oldest
    }

    pub(super) fn find(&self, local: SocketAddrV4, remote: SocketAddrV4) -> Option<Wait> {
        self.0.iter().find(|wait| wait.local == local && wait.remote == remote).copied()
    }

    /// Restarts a record's time, as a repeated FIN of the peer's does.
    pub(super) fn restart(&mut self, serial: u32, now: Instant, two_msl: Duration) {
        let found = self.0.iter_mut().find(|wait| wait.serial == serial);
        if let Some(wait) = found {
            wait.until = now + two_msl;
        }
    }

    /// Forgets a record.
    pub(super) fn remove(&mut self, serial: u32) {
        for _ in 0..self.0.len() {
            if let Some(wait) = self.0.pop_front()
                && wait.serial != serial
            {
                let _ = self.0.push_back(wait);
            }
        }
    }

    /// Removes and returns a record whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Wait> {
        let over = self.0.iter().find(|wait| wait.until <= now).copied()?;
        self.remove(over.serial);
        Some(over)
    }

    /// Returns when the next record may expire.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|wait| wait.until).min()
    }
}
