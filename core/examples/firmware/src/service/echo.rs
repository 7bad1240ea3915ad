//! Gives back what it gets (RFC 862).

use core::time::Duration;
use sockhop::node::{FlowId, Nic, Node};
use sockhop::relay::{Ring, Stream};
use sockhop::time::Instant;
use sockhop::trace::Sink;

/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(60);
/// Octets that are given back at a time.
const CHUNK: usize = 64;

/// One client.
pub struct Echo {
    flow: FlowId,
    moved: Option<Instant>,
}

impl Echo {
    /// Begins to serve a connection.
    pub const fn new(flow: FlowId) -> Self {
        Self { flow, moved: None }
    }

    /// Gives back what has come; returns whether the connection is over.
    pub fn work<N: Nic, S: Sink>(&mut self, now: Instant, node: &mut Node<'_, N, S>) -> bool {
        let moved = *self.moved.get_or_insert(now);
        let flow = self.flow;
        let Some(mut stream) = node.stream(flow) else { return true };
        loop {
            // Only what is sure to be taken is read.
            let room = match stream.with_space(|space| (0, space.len())) {
                Ok(room) => room.min(CHUNK),
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(_)) => return self.end(node),
            };
            let mut chunk = [0; CHUNK];
            match stream.read(&mut chunk[..room]) {
                Ok(0) => return self.end(node),
                Ok(count) => {
                    let _ = stream.write(&chunk[..count]);
                    self.moved = Some(now);
                }
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(_)) => return self.end(node),
            }
        }
        if now.since(moved) >= IDLE {
            stream.abort();
            return self.end(node);
        }
        false
    }

    fn end<N: Nic, S: Sink>(&self, node: &mut Node<'_, N, S>) -> bool {
        node.release(self.flow);
        true
    }
}
