//! Gives the trace away: a header, the events, and the end.

use super::full::Trace;
use crate::app::Board;
use sockhop::node::FlowId;
use sockhop::relay::Ring;
use sockhop::trace::Header;

/// The octets of an event, and half of those of the header.
const FRAME: usize = 32;

/// One reader of the trace.
pub struct Dump {
    flow: FlowId,
    /// Frames that are sent, the two of the header among them.
    sent: usize,
}

impl Dump {
    /// Begins to serve a connection.
    pub const fn new(flow: FlowId) -> Self {
        Self { flow, sent: 0 }
    }

    /// Sends as much as there is room for; returns whether it is over.
    pub fn work(&mut self, node: &mut Board) -> bool {
        node.recorder().sink_mut().stand(true);
        while let Some(frame) = self.frame(node.told().sink()) {
            let Some(mut stream) = node.stream(self.flow) else { return self.end(node) };
            let put = stream.with_space(|space| match space.first_chunk_mut::<FRAME>() {
                Some(place) => {
                    *place = frame;
                    (FRAME, true)
                }
                None => (0, false),
            });
            match put {
                Ok(true) => self.sent += 1,
                Ok(false) | Err(nb::Error::WouldBlock) => return false,
                Err(nb::Error::Other(_)) => return self.end(node),
            }
        }
        self.end(node)
    }

    fn frame(&self, trace: &Trace) -> Option<[u8; FRAME]> {
        match self.sent.checked_sub(2) {
            Some(at) => trace.nth(at).map(|event| event.encode()),
            None => Header::new("device", 0, 0).encode().chunks_exact(FRAME).nth(self.sent)?.try_into().ok(),
        }
    }

    fn end(&self, node: &mut Board) -> bool {
        node.recorder().sink_mut().stand(false);
        node.release(self.flow);
        true
    }
}
