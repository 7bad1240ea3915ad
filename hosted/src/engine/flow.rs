//! One connection: its socket, alone in a set of its own, and what is known of it from outside.

use super::holds::Told;
use super::notice::Unreachable;
use super::survey::Tally;
use super::wait::Tuple;
use core::net::SocketAddr;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{self, CongestionControl, SocketBuffer};
use sockhop::relay::Broken;
use sockhop::stack::{Socket, Wish};
use sockhop::tcp::{Guard, Seq, State};
use sockhop::time::{Instant, Reason};

/// What a listener is for; the owner gives numbers their meaning.
pub type Service = u32;

/// A connection of the engine.
pub(super) struct Flow {
    /// The number in traces and events, never reused.
    pub(super) serial: u32,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// The listener's service; `None` for a connection we opened.
    pub(super) service: Option<Service>,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) guard: Guard,
    /// The socket's state when last looked at.
    pub(super) state: State,
    pub(super) wish: Wish,
    /// Whether the handshake is unfinished and counted as such.
    pub(super) half_open: bool,
    /// Whether the owner knows of the flow and has not released it.
    pub(super) owned: bool,
    /// Whether a `Ready` for it waits to be taken.
    pub(super) woken: bool,
    /// Whether it stands in the list of flows to be served.
    pub(super) dirty: bool,
    /// When it comes up in the timers next.
    pub(super) timer: Option<Instant>,
    /// When the engine gives it up, and why.
    pub(super) deadline: Option<(Instant, Reason)>,
    /// Whether its owner was told that it is closed.
    pub(super) over: bool,
    /// SND.UNA when the deadline of a released flow was set.
    pub(super) lingering: Seq,
    /// Whether a deadline ended it, so that its owner hears of no reset.
    pub(super) expired: bool,
    /// What was said of its peer while it was being opened.
    pub(super) unreachable: Option<Unreachable>,
    /// The largest packet that is sent on it, in octets.
    pub(super) path: usize,
    /// The size of each of its rings, in octets.
    pub(super) ring: usize,
    /// Octets of payload that came in and went out, repetitions included.
    pub(super) octets: (u64, u64),
    pub(super) told: Told,
    /// What is counted for those who watch.
    pub(super) tally: Tally,
}

impl Flow {
    /// Returns a connection that has not begun, with rings of `ring` octets each, on a path that takes packets of
    /// `path` octets.
    pub(super) fn new(
        now: Instant,
        serial: u32,
        (local, remote): Tuple,
        (ring, path): (usize, usize),
        guard: Guard,
    ) -> Self {
        let mut socket = tcp::Socket::new(SocketBuffer::new(vec![0; ring]), SocketBuffer::new(vec![0; ring]));
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        socket.set_congestion_control(CongestionControl::Reno);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self {
            serial,
            local,
            remote,
            service: None,
            sockets,
            handle,
            guard,
            state: State::Closed,
            wish: Wish::Keep,
            half_open: false,
            owned: false,
            woken: false,
            dirty: false,
            timer: None,
            deadline: None,
            over: false,
            lingering: Seq(0),
            expired: false,
            unreachable: None,
            path,
            ring,
            octets: (0, 0),
            told: Told::default(),
            tally: Tally::new(now),
        }
    }

    pub(super) fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    pub(super) fn stream(&mut self) -> Socket<'_, 'static> {
        let how = if self.expired { Broken::TimedOut } else { Broken::Reset };
        Socket::new(self.sockets.get_mut(self.handle), &mut self.wish).broken_by(how)
    }

    pub(super) fn socket_ref(&self) -> &tcp::Socket<'static> {
        self.sockets.get(self.handle)
    }

    pub(super) fn sockets(&mut self) -> &mut SocketSet<'static> {
        &mut self.sockets
    }

    /// Returns whether the socket has octets or a FIN that the peer has not acknowledged.
    pub(super) fn queued(&self) -> bool {
        let ending = matches!(self.state, State::FinWait1 | State::Closing | State::LastAck);
        ending || self.socket_ref().send_queue() > 0
    }
}
