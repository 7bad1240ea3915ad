//! What both ends of each connection did, concluded from a capture of the segments between them.
//!
//! Each segment counts as sent by one end and received by the other at the moment when it was seen. So an end that the
//! capture was not made at may have heard less than is said here, and a close shows when its FIN passes.

use super::capture::Capture;
use super::{Trace, Unreadable};
use core::net::SocketAddr;
use sockhop::tcp::{Cause, EDGES, Flags, Note, Segment, State, Tracker};
use sockhop::time::Instant;
use sockhop::trace::{Header, Recorder, View};
use std::collections::HashMap;

/// One end of a connection.
struct End {
    tracker: Tracker,
    state: State,
}

/// A connection: its number, who opened it, and both ends.
struct Connection {
    flow: u32,
    opener: SocketAddr,
    syn: Option<sockhop::tcp::Seq>,
    ends: [End; 2],
}

/// Both ends' recorders: of those that opened connections, and of those that accepted them.
type Sides = [Recorder<crate::lab::Tape>; 2];

/// Returns what those that opened connections did, and what those that accepted them did.
pub(super) fn infer(capture: &Capture) -> Result<[Trace; 2], Unreadable> {
    let began = capture.packets.iter().map(|packet| packet.at).min().unwrap_or(0);
    let mut sides: Sides = core::array::from_fn(|_| Recorder::new(crate::lab::Tape::default()));
    let mut connections: HashMap<(SocketAddr, SocketAddr), Connection> = HashMap::new();
    let (mut flows, mut segments) = (0, 0);
    for packet in &capture.packets {
        let Ok(segment) = Segment::parse(&packet.octets) else { continue };
        segments += 1;
        let now = Instant::from_micros(packet.at.saturating_sub(began) / 1_000);
        let key =
            if segment.src < segment.dst { (segment.src, segment.dst) } else { (segment.dst, segment.src) };
        let again = connections.get(&key).is_none_or(|known| known.is_another(&segment));
        if again {
            flows += 1;
            connections.insert(key, Connection::begin(flows, &segment, now, &mut sides));
        }
        if let Some(connection) = connections.get_mut(&key) {
            connection.pass(&segment, now, &mut sides);
        }
    }
    if segments == 0 {
        return Err(Unreadable::NoSegments { packets: capture.packets.len() });
    }
    let remark = capture.cut.then(|| "the capture ends within a packet".to_owned());
    let [a, b] = sides;
    Ok([("opener", a), ("listener", b)].map(|(node, mut side)| Trace {
        header: Header::new(node, began, 0),
        events: core::mem::take(&mut side.sink_mut().0),
        inferred: true,
        remark: remark.clone(),
    }))
}

impl Connection {
    fn begin(flow: u32, segment: &Segment, now: Instant, sides: &mut Sides) -> Self {
        let syn = segment.flags.contains(Flags::SYN);
        let answer = syn && segment.flags.contains(Flags::ACK);
        // Without its first SYN the side with the higher port is taken for the opener.
        let forward = if syn { !answer } else { segment.src.port() >= segment.dst.port() };
        let (opener, listener) =
            if forward { (segment.src, segment.dst) } else { (segment.dst, segment.src) };
        sides[0].opened(now, flow, opener, listener, true);
        sides[1].opened(now, flow, listener, opener, false);
        let bare = syn && !answer;
        let ends = [true, false].map(|is_opener| {
            let sender = (segment.src == opener) == is_opener;
            let state = if bare { State::Closed } else { State::Established };
            let tracker = if bare { Tracker::new() } else { Tracker::midway(segment, sender) };
            if !bare {
                let side = &mut sides[usize::from(!is_opener)];
                side.record(now, flow, snapshot(state));
            }
            End { tracker, state }
        });
        Self { flow, opener, syn: bare.then_some(segment.seq), ends }
    }

    /// Returns whether a segment begins another connection between the same ends.
    fn is_another(&self, segment: &Segment) -> bool {
        let bare = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
        let over = self.ends.iter().all(|end| matches!(end.state, State::Closed | State::TimeWait));
        bare && over && self.syn != Some(segment.seq)
    }

    fn pass(&mut self, segment: &Segment, now: Instant, sides: &mut Sides) {
        let from_opener = segment.src == self.opener;
        let (sender, receiver) = if from_opener { (0, 1) } else { (1, 0) };
        let note = self.ends[sender].tracker.sent(segment);
        // What a sender does on its own it has done before its segment leaves.
        self.ends[sender].change(note, self.flow, now, &mut sides[sender]);
        let state = self.ends[sender].state;
        sides[sender].sent(now, self.flow, segment, state, state, note.marks);
        let before = self.ends[receiver].state;
        let passive = before == State::Closed && segment.flags.contains(Flags::SYN);
        if passive && !segment.flags.contains(Flags::ACK) {
            let listen = Note { change: Some((before, Cause::Listen, State::Listen)), ..Note::default() };
            self.ends[receiver].change(listen, self.flow, now, &mut sides[receiver]);
        }
        let before = self.ends[receiver].state;
        let note = self.ends[receiver].tracker.received(segment);
        let after = note.change.map_or(before, |(.., to)| to);
        sides[receiver].received(now, self.flow, segment, before, after, note.marks);
        self.ends[receiver].change(note, self.flow, now, &mut sides[receiver]);
    }
}

impl End {
    /// Records a change of state, as the edge that it is.
    fn change(&mut self, note: Note, flow: u32, now: Instant, side: &mut Recorder<crate::lab::Tape>) {
        let Some((_, cause, to)) = note.change.filter(|(.., to)| *to != self.state) else { return };
        let from = core::mem::replace(&mut self.state, to);
        let fits =
            |cause: &Cause| EDGES.iter().any(|edge| (edge.from, edge.cause, edge.to) == (from, *cause, to));
        let cause = [cause, Cause::FinAck, Cause::Fin].into_iter().find(fits).unwrap_or(cause);
        side.state(now, flow, from, cause, to, self.tracker.snd_una(), self.tracker.rcv_nxt());
    }
}

/// Returns the view of a connection that had begun before the capture.
const fn snapshot(state: State) -> View {
    View::Snapshot { state, origins: (None, None), scales: (None, None), fins: (false, false) }
}
