//! One connection: its socket, alone in a set of its own, its guard, and its deadlines.

use super::ethernet::{AGE, Mac};
use super::seam::Seam;
use super::{Nic, serve};
use crate::relay::Broken;
use crate::stack::{Socket, Wish};
use crate::tcp::{Cause, EDGES, Empty, Flags, Guard, Marks, Segment, Seq, State, Verdict};
use crate::time::{Instant, Reason};
use crate::trace::{Sink, View};
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{self, CongestionControl, SocketBuffer};

/// What is to become of a connection that has been served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays.
    Stays,
    /// It is over and nobody's.
    Over,
    /// It is in TIME-WAIT and nobody's: a record is enough.
    Waits,
}

/// A place for one connection at a time.
pub(super) struct Flow<'a> {
    /// The number in traces, never reused; 0 while the place is free.
    pub(super) serial: u32,
    pub(super) local: SocketAddrV4,
    pub(super) remote: SocketAddrV4,
    sockets: SocketSet<'a>,
    handle: SocketHandle,
    pub(super) guard: Guard,
    /// The Ethernet address that the peer's last frame came from, or that its packets are to go to, if one is known.
    pub(super) mac: Option<Mac>,
    /// The socket's state when last looked at.
    pub(super) state: State,
    pub(super) wish: Wish,
    /// Whether its handshake, which the peer began, is unfinished.
    pub(super) half_open: bool,
    /// Whether it stands and its owner has not accepted it yet.
    pub(super) fresh: bool,
    /// Whether the owner knows of it and has not released it.
    pub(super) owned: bool,
    /// Whether it is closed, and its addresses are free for others.
    pub(super) over: bool,
    /// Whether a deadline ended it, so that its owner hears of no reset.
    pub(super) expired: bool,
    /// When it is given up, and why.
    pub(super) deadline: Option<(Instant, Reason)>,
    /// SND.UNA when the deadline of a released connection was set.
    pub(super) lingering: Seq,
    /// Octets of payload that came in and went out, repetitions included.
    octets: (u64, u64),
    /// The task that waits for something to happen here.
    #[cfg(feature = "embedded-io-async")]
    pub(super) waker: Option<core::task::Waker>,
}

impl core::fmt::Debug for Flow<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Flow {} {} {}", self.serial, self.remote, self.state)
    }
}

const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

impl<'a> Flow<'a> {
    /// Returns a free place with these rings, which are never empty.
    pub(super) fn new(place: &'a mut [SocketStorage<'a>; 1], rings: (&'a mut [u8], &'a mut [u8])) -> Self {
        let mut socket = tcp::Socket::new(SocketBuffer::new(rings.0), SocketBuffer::new(rings.1));
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        let mut sockets = SocketSet::new(&mut place[..]);
        let handle = sockets.add(socket);
        Self {
            serial: 0,
            local: NOWHERE,
            remote: NOWHERE,
            sockets,
            handle,
            guard: Guard::new(Seq(0)),
            mac: None,
            state: State::Closed,
            wish: Wish::Keep,
            half_open: false,
            fresh: false,
            owned: false,
            over: false,
            expired: false,
            deadline: None,
            lingering: Seq(0),
            octets: (0, 0),
            #[cfg(feature = "embedded-io-async")]
            waker: None,
        }
    }

    /// Returns whether no connection is here.
    pub(super) const fn is_free(&self) -> bool {
        self.serial == 0
    }

    /// Returns whether this is the connection between these ends.
    pub(super) fn joins(&self, local: SocketAddrV4, remote: SocketAddrV4) -> bool {
        !self.is_free() && !self.over && self.local == local && self.remote == remote
    }

    /// Becomes the place of a connection; its first number on the wire is `isn`.
    ///
    /// smoltcp's `reset`, which `listen` and `connect` begin with, keeps the congestion window of the connection
    /// before, so that is made anew.
    pub(super) fn begin(&mut self, serial: u32, local: SocketAddrV4, remote: SocketAddrV4, isn: Seq) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.handle);
        socket.abort();
        socket.set_congestion_control(CongestionControl::Reno);
        (self.serial, self.local, self.remote) = (serial, local, remote);
        self.guard = Guard::new(isn);
        (self.state, self.wish, self.deadline) = (State::Closed, Wish::Keep, None);
        (self.half_open, self.fresh, self.owned, self.over, self.expired) =
            (false, false, false, false, false);
        (self.octets, self.mac) = ((0, 0), None);
    }

    pub(super) fn socket(&mut self) -> &mut tcp::Socket<'a> {
        self.sockets.get_mut(self.handle)
    }

    /// Returns the connection to be read and written.
    pub(super) fn stream(&mut self) -> Socket<'_, 'a> {
        let how = if self.expired { Broken::TimedOut } else { Broken::Reset };
        Socket::new(self.sockets.get_mut(self.handle), &mut self.wish).broken_by(how)
    }

    pub(super) fn socket_ref(&self) -> &tcp::Socket<'a> {
        self.sockets.get(self.handle)
    }

    pub(super) const fn sockets(&mut self) -> &mut SocketSet<'a> {
        &mut self.sockets
    }

    /// Returns whether the socket has octets or a FIN that the peer has not acknowledged.
    pub(super) fn queued(&self) -> bool {
        let ending = matches!(self.state, State::FinWait1 | State::Closing | State::LastAck);
        ending || self.socket_ref().send_queue() > 0
    }

    /// Takes the segment of the frame that came last.
    pub(super) fn meet<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>, segment: &Segment) {
        let before = self.state;
        if before == State::SynSent && self.guard.tracker().state() == State::Closed {
            // Our SYN still waits for the peer's Ethernet address; whoever answers it is lying.
            return;
        }
        self.mac = Some(seam.sender());
        self.octets.0 += u64::from(segment.len);
        let marks = if seam.recorder.enabled() { self.would_mark(segment) } else { Marks::default() };
        let now = seam.now;
        let Some(packet) = seam.packet() else { return };
        let verdict = self.guard.ingress(now, packet, segment);
        if verdict != Verdict::Pass {
            seam.recorder.received(now, self.serial, segment, before, before, marks);
            self.confess(seam, false);
            if let Verdict::Answer(answer) = verdict {
                self.send_empty(seam, answer);
            }
            return;
        }
        let sent = seam.show(&mut self.sockets);
        let after = State::from(self.socket_ref().state());
        seam.recorder.received(now, self.serial, segment, before, after, marks);
        self.confess(seam, false);
        self.note_received(seam, segment);
        self.sent(seam, sent);
        self.stands();
    }

    /// Returns what is remarkable about a segment, before the guard has done anything about it.
    fn would_mark(&self, segment: &Segment) -> Marks {
        let mut tracker = *self.guard.tracker();
        let mut inner = *segment;
        if segment.flags.contains(Flags::ACK) {
            inner.ack = segment.ack - self.guard.offset();
        }
        tracker.received(&inner).marks
    }

    /// Notices that the connection has opened.
    pub(super) fn stands(&mut self) {
        let open = !matches!(self.state, State::Closed | State::Listen | State::SynSent | State::SynReceived);
        if open && self.deadline.is_some_and(|(_, reason)| reason == Reason::Connect) {
            self.deadline = None;
        }
        if self.half_open && open {
            (self.half_open, self.fresh, self.owned, self.deadline) = (false, true, true, None);
        }
    }

    /// Records what the guard has done.
    pub(super) fn confess<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>, outward: bool) {
        let acted = self.guard.acted();
        if acted.0 == 0 {
            return;
        }
        let (una, edge) = (self.guard.tracker().snd_una() + self.guard.offset(), self.guard.edge());
        for rule in acted.iter() {
            seam.counters.guarded = seam.counters.guarded.wrapping_add(1);
            seam.recorder.record(seam.now, self.serial, View::Guarded { rule, outward, una, edge });
        }
    }

    /// Compares the socket's state with the one last seen, and records the difference with its cause.
    pub(super) fn note<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>, cause: Cause) {
        let (before, after) = (self.state, State::from(self.socket_ref().state()));
        if before != after {
            self.state = after;
            let tracker = self.guard.tracker();
            let (una, nxt) = (tracker.snd_una() + self.guard.offset(), tracker.rcv_nxt());
            seam.recorder.state(seam.now, self.serial, before, cause, after, una, nxt);
        }
    }

    /// Notes a difference that a segment made, whose cause is looked for only where somebody is told.
    pub(super) fn note_received<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>, segment: &Segment) {
        let (before, after) = (self.state, State::from(self.socket_ref().state()));
        let told = before != after && seam.recorder.enabled();
        self.note(seam, if told { cause(before, after, segment) } else { Cause::Ack });
    }

    /// Returns whether the peer's Ethernet address is known; if not, it is asked for.
    ///
    /// The one its last frame came from is good as long as it is heard; that of a peer which takes what is sent to it in
    /// silence for a minute is asked for again, since it may have moved.
    pub(super) fn reaches<N: Nic, S>(&mut self, seam: &mut Seam<'_, N, S>) -> bool {
        let silent = self.state != State::SynSent && seam.now >= self.guard.heard().after(AGE);
        if self.mac.is_none() || silent && self.queued() {
            self.mac = seam.way(*self.remote.ip());
        }
        self.mac.is_some()
    }

    /// Sends a segment that the guard has made.
    pub(super) fn send_empty<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>, empty: Empty) {
        let length = empty.write(SocketAddr::V4(self.local), SocketAddr::V4(self.remote), seam.out());
        if let Some(segment) = seam.leaving(length) {
            seam.recorder.sent(seam.now, self.serial, &segment, self.state, self.state, Marks::default());
        }
        self.transmit(seam, length);
    }

    /// Transmits the packet that is about to leave; one whose way is not known is lost, as it may be on the wire.
    fn transmit<N: Nic, S: Sink>(&self, seam: &mut Seam<'_, N, S>, length: usize) {
        if let Some(mac) = self.mac {
            seam.transmit(mac, length);
        }
    }

    /// Guards and transmits what the socket has put into the packet that is about to leave.
    pub(super) fn sent<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>, sent: usize) {
        let Some(segment) = seam.leaving(sent) else { return };
        let marks = if seam.recorder.enabled() {
            let mut tracker = *self.guard.tracker();
            tracker.sent(&segment).marks
        } else {
            Marks::default()
        };
        self.octets.1 += u64::from(segment.len);
        let now = seam.now;
        let packet = seam.out().get_mut(..sent).unwrap_or(&mut []);
        let left = self.guard.egress(now, packet, &segment);
        self.confess(seam, true);
        if left > 0 {
            if seam.recorder.enabled()
                && let Some(wired) = seam.leaving(left)
            {
                seam.recorder.sent(now, self.serial, &wired, self.state, self.state, marks);
            }
            self.transmit(seam, left);
        }
    }

    /// Becomes free; what smoltcp would still say is never asked for.
    pub(super) fn end<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>) {
        seam.recorder.ended(seam.now, self.serial, self.octets.0, self.octets.1);
        self.serial = 0;
        self.socket().abort();
        self.state = State::Closed;
    }

    /// Does what is due: the owner's wishes, deadlines, the guard's timers, smoltcp's egress.
    pub(super) fn serve<N: Nic, S: Sink>(&mut self, seam: &mut Seam<'_, N, S>) -> Fate {
        serve::serve(self, seam)
    }
}

/// Returns the cause that leads from one state to the other when this segment is received.
fn cause(from: State, to: State, segment: &Segment) -> Cause {
    if segment.flags.contains(Flags::RST) {
        return Cause::Rst;
    }
    let received =
        |cause| matches!(cause, Cause::Syn | Cause::SynAck | Cause::Ack | Cause::Fin | Cause::FinAck);
    EDGES
        .iter()
        .find(|edge| edge.from == from && edge.to == to && received(edge.cause))
        .map_or(Cause::Ack, |edge| edge.cause)
}
