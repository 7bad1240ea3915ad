//! The echo service: what comes is sent back, by TCP and by UDP.
//!
//! Nothing is held: octets are read only as far as there is room to send them, so the window of a peer that does not read
//! closes. UDP keeps nothing of a peer, so any number of them are served at once.
//!
//! ```no_run
//! use sockhop_hosted::echo::Echo;
//! use sockhop_hosted::front::{HostFront, listen};
//! use sockhop_hosted::serve::Loop;
//!
//! # fn main() -> std::io::Result<()> {
//! let turns = Loop::new()?;
//! let listeners = listen(&["127.0.0.1:7008".parse().expect("an address")])?;
//! let front = HostFront::new(turns.registry().try_clone()?, listeners, 1_024)?;
//! let mut echo = Echo::default();
//! turns.on_host(front, &mut echo, |_, _| {})?; // until a signal
//! println!("{} octets", echo.counted().octets);
//! # Ok(())
//! # }
//! ```

use crate::engine::FlowId;
use crate::front::Front;
use crate::serve::Service;
use core::net::SocketAddr;
use sockhop::relay::{Ring, Stream};
use sockhop::time::Instant;
use std::collections::HashSet;

/// Octets on their way from one ring of a connection to the other.
const SCRATCH: usize = 64 << 10;

/// Sends back what comes.
#[derive(Debug)]
pub struct Echo {
    flows: HashSet<FlowId>,
    scratch: Vec<u8>,
    counted: Counted,
}

/// What was sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Connections served.
    pub connections: u64,
    /// Octets of theirs.
    pub octets: u64,
    /// Datagrams.
    pub datagrams: u64,
    /// Datagrams for which there was no room; they are lost, as UDP may.
    pub dropped: u64,
}

impl Default for Echo {
    fn default() -> Self {
        Self { flows: HashSet::new(), scratch: vec![0; SCRATCH], counted: Counted::default() }
    }
}

impl Echo {
    /// Returns what was sent back so far.
    pub const fn counted(&self) -> Counted {
        self.counted
    }

    fn serve<F: Front>(&mut self, front: &mut F, flow: FlowId) {
        if !self.flows.contains(&flow) {
            return;
        }
        let over = front.watched(flow).is_none_or(|(mut ring, _)| self.carry(&mut ring));
        if over {
            self.flows.remove(&flow);
            front.release(flow);
        }
    }

    /// Carries what there is; returns whether the connection is over.
    fn carry(&mut self, ring: &mut impl Ring) -> bool {
        loop {
            let room = match ring.with_space(|space| (0, space.len())) {
                Ok(room) => room.min(self.scratch.len()),
                Err(nb::Error::WouldBlock) => return false,
                Err(nb::Error::Other(_)) => return true,
            };
            match ring.read(&mut self.scratch[..room]) {
                Ok(0) => {
                    ring.close();
                    return true;
                }
                Ok(count) => {
                    let mut rest = &self.scratch[..count];
                    while !rest.is_empty() {
                        match ring.write(rest) {
                            Ok(written) => rest = &rest[written..],
                            Err(_) => return true,
                        }
                    }
                    self.counted.octets += count as u64;
                }
                Err(nb::Error::WouldBlock) => return false,
                Err(nb::Error::Other(_)) => return true,
            }
        }
    }
}

impl<F: Front> Service<F> for Echo {
    fn opened(&mut self, _now: Instant, front: &mut F, flow: FlowId, _remote: SocketAddr) {
        self.counted.connections += 1;
        self.flows.insert(flow);
        self.serve(front, flow);
    }

    fn ready(&mut self, _now: Instant, front: &mut F, flow: FlowId) {
        self.serve(front, flow);
    }

    fn work(&mut self, _now: Instant, front: &mut F) -> bool {
        while let Some(datagram) = front.next_datagram() {
            if front.send_datagram(datagram.at, datagram.from, &datagram.payload) {
                self.counted.datagrams += 1;
            } else {
                self.counted.dropped += 1;
            }
        }
        false
    }

    fn poll_at(&self) -> Option<Instant> {
        None
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn stop(&mut self, _now: Instant, front: &mut F) {
        for flow in self.flows.drain() {
            if let Some((mut ring, _)) = front.watched(flow) {
                ring.close();
            }
            front.release(flow);
        }
    }
}
