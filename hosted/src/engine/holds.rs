//! What the octets of a connection wait for, and what its owner has called, as a trace tells it.

use super::Engine;
use super::flow::Flow;
use sockhop::stack::Wish;
use sockhop::tcp::State;
use sockhop::time::Instant;
use sockhop::trace::{Call, Hold, Sink, View};

/// What of a connection was last told to the trace.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What the owner asked for.
    wish: Wish,
    /// What octets to be sent wait for, and what octets received wait for, with their beginnings.
    holds: [Option<(Hold, Instant)>; 2],
}

impl<S: Sink> Engine<S> {
    /// Records the owner's close or abort when it is first seen, which may be long before it can be carried out.
    pub(super) fn tell_wish(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        if flow.wish == flow.told.wish || !self.recorder.enabled() {
            return;
        }
        flow.told.wish = flow.wish;
        let call = match flow.wish {
            Wish::Keep => return,
            Wish::Close => Call::Close,
            Wish::Abort => Call::Abort,
        };
        self.recorder.call(self.now, flow.serial, call, 0, 0);
    }

    /// Records what octets wait for from now on, and what they wait for no longer.
    pub(super) fn tell_holds(&mut self, slot: usize) {
        if !self.recorder.enabled() {
            return;
        }
        let flow = &mut self.flows[slot];
        let now = [outgoing(flow), incoming(flow)];
        for (place, hold) in flow.told.holds.iter_mut().zip(now) {
            let (before, after) = (place.map(|(why, _)| why), hold.map(|(why, _)| why));
            if before == after {
                continue;
            }
            if let Some((why, since)) = *place {
                let micros = u32::try_from(self.now.since(since).as_micros()).unwrap_or(u32::MAX);
                let view = View::Blocked { on: false, why, waiting: 0, micros };
                self.recorder.record(self.now, flow.serial, view);
            }
            if let Some((why, waiting)) = hold {
                let view = View::Blocked { on: true, why, waiting, micros: 0 };
                self.recorder.record(self.now, flow.serial, view);
            }
            *place = hold.map(|(why, _)| (why, self.now));
        }
    }
}

/// Returns what keeps octets from being sent, after the stack has sent what it could.
fn outgoing(flow: &Flow) -> Option<(Hold, u32)> {
    let open = matches!(
        flow.state,
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
    );
    let (socket, tracker) = (flow.socket_ref(), flow.guard.tracker());
    let queued = u32::try_from(socket.send_queue()).unwrap_or(u32::MAX);
    if !open || queued == 0 {
        return None;
    }
    let flight = u32::try_from(tracker.snd_nxt().since(tracker.snd_una())).unwrap_or(0);
    let unsent = queued.saturating_sub(flight);
    if unsent > 0 {
        let full = flight >= tracker.snd_wnd();
        return Some((if full { Hold::PeerWindow } else { Hold::Congestion }, unsent));
    }
    (socket.send_queue() == socket.send_capacity()).then_some((Hold::SendBuffer, queued))
}

/// Returns how much waits to be read, when it is so much that the window is half closed by it.
fn incoming(flow: &Flow) -> Option<(Hold, u32)> {
    let socket = flow.socket_ref();
    let unread = socket.recv_queue();
    let stalls = unread > 0 && unread * 2 >= socket.recv_capacity();
    stalls.then(|| (Hold::Reader, u32::try_from(unread).unwrap_or(u32::MAX)))
}
