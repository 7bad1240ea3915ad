//! A client's connection at a socket of this host's, and the ring that it is lent as.

use crate::egress::retried;
use crate::engine::FlowId;
use core::net::SocketAddr;
use core::time::Duration;
use mio::net::TcpStream;
use sockhop::relay::{Broken, Ring, Stream};
use sockhop::time::Instant;
use std::collections::VecDeque;
use std::io::{Read, Write};

/// The room that octets pass through.
pub(super) const ROOM: usize = 65_536;
/// Octets of one connection before the others have their turn.
const TURN: usize = 4 * ROOM;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: FlowId,
    pub(super) stream: TcpStream,
    pub(super) ends: (SocketAddr, SocketAddr),
    pub(super) began: Instant,
    /// What was received and not taken.
    pub(super) received: Vec<u8>,
    /// What is to be sent and was not taken by the host.
    pub(super) unsent: Vec<u8>,
    /// How the connection broke.
    pub(super) broken: Option<Broken>,
    pub(super) closing: bool,
    pub(super) aborted: bool,
    pub(super) released: bool,
    /// Octets left in this turn.
    pub(super) turn: usize,
    pub(super) timer: Option<Instant>,
}

impl Connection {
    /// Returns a connection that has said nothing.
    pub(super) const fn new(
        id: FlowId,
        stream: TcpStream,
        ends: (SocketAddr, SocketAddr),
        began: Instant,
    ) -> Self {
        Self {
            id,
            stream,
            ends,
            began,
            received: Vec::new(),
            unsent: Vec::new(),
            broken: None,
            closing: false,
            aborted: false,
            released: false,
            turn: TURN,
            timer: None,
        }
    }

    /// Begins another turn.
    pub(super) const fn rest(&mut self) {
        self.turn = TURN;
    }

    /// Sends what waits, and the FIN behind it; returns whether nothing waits any more.
    pub(super) fn flush(&mut self) -> bool {
        while !self.unsent.is_empty() && self.broken.is_none() {
            match retried(|| self.stream.write(&self.unsent)) {
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(nb::Error::WouldBlock) => return false,
                Err(nb::Error::Other(how)) => self.broken = Some(how),
            }
        }
        // A FIN before the RST would make a cut stream look whole.
        if self.closing && !self.aborted && self.broken.is_none() {
            // A socket that is gone already has nothing left to shut down.
            let _ = self.stream.shutdown(std::net::Shutdown::Write);
        }
        true
    }
}

/// A client's connection, lent.
#[derive(Debug)]
pub struct Lent<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) room: &'a mut [u8],
    pub(super) again: &'a mut VecDeque<FlowId>,
}

impl Lent<'_> {
    /// Returns whether the connection has moved enough in this turn; it then comes up again by itself.
    fn is_tired(&mut self) -> bool {
        if self.connection.turn == 0 && self.again.back() != Some(&self.connection.id) {
            self.again.push_back(self.connection.id);
        }
        self.connection.turn == 0
    }

    const fn moved(&mut self, count: usize) {
        self.connection.turn = self.connection.turn.saturating_sub(count);
    }
}

impl Stream for Lent<'_> {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        let read = self.with_received(|octets| {
            let count = octets.len().min(into.len());
            into[..count].copy_from_slice(&octets[..count]);
            (count, count)
        })?;
        Ok(read.unwrap_or(0))
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        self.with_space(|space| {
            let count = space.len().min(from.len());
            space[..count].copy_from_slice(&from[..count]);
            (count, count)
        })
    }

    fn close(&mut self) {
        self.connection.closing = true;
        self.connection.flush();
    }

    fn abort(&mut self) {
        self.connection.aborted = true;
        // Without the option the client sees a FIN in place of a RST; there is nothing better to do.
        let _ = rustix::net::sockopt::set_socket_linger(&self.connection.stream, Some(Duration::ZERO));
    }
}

impl Ring for Lent<'_> {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        if self.is_tired() {
            return Err(nb::Error::WouldBlock);
        }
        if !self.connection.received.is_empty() {
            let (taken, result) = take(&self.connection.received);
            self.connection.received.drain(..taken);
            self.moved(taken);
            return Ok(Some(result));
        }
        if let Some(how) = self.connection.broken {
            return Err(nb::Error::Other(how));
        }
        match retried(|| self.connection.stream.read(self.room)) {
            Ok(0) => Ok(None),
            Ok(count) => {
                let (taken, result) = take(&self.room[..count]);
                self.connection.received.extend_from_slice(&self.room[taken..count]);
                self.moved(taken);
                Ok(Some(result))
            }
            Err(nb::Error::Other(how)) => {
                self.connection.broken = Some(how);
                Err(nb::Error::Other(how))
            }
            Err(nb::Error::WouldBlock) => Err(nb::Error::WouldBlock),
        }
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        if self.connection.closing || self.connection.aborted {
            return Err(nb::Error::Other(Broken::Reset));
        }
        let free = self.connection.flush();
        if let Some(how) = self.connection.broken {
            return Err(nb::Error::Other(how));
        }
        if !free || self.is_tired() {
            return Err(nb::Error::WouldBlock);
        }
        let (count, result) = fill(self.room);
        let sent = if count == 0 {
            0
        } else {
            match retried(|| self.connection.stream.write(&self.room[..count])) {
                Ok(sent) => sent,
                Err(nb::Error::WouldBlock) => 0,
                Err(nb::Error::Other(how)) => {
                    self.connection.broken = Some(how);
                    0
                }
            }
        };
        self.connection.unsent.extend_from_slice(&self.room[sent..count]);
        self.moved(count);
        Ok(result)
    }

    fn unsent(&self) -> usize {
        self.connection.unsent.len()
    }
}
