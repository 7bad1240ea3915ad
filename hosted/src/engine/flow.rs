//! One connection: its socket, alone in a set of its own, and what is known of it from outside.

use super::holds::Told;
use super::notice::Unreachable;
use super::quiet::Order;
use super::survey::Tally;
use super::wait::Tuple;
use crate::os::Mapped;
use core::net::SocketAddr;
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{self, CongestionControl};
use sockhop::relay::Broken;
use sockhop::stack::{Socket, Wish};
use sockhop::tcp::{Guard, Seq, State};
use sockhop::time::{Instant, Reason};
use std::io;

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
    pub(super) mapped: Mapped,
    /// What its receive ring may hold beyond what it counts.
    pub(super) order: Order,
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
    /// When it was last served.
    pub(super) served: Instant,
    /// Whether it stands in the list of flows that may become quiet.
    pub(super) listed: bool,
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
    ///
    /// # Errors
    /// The kernel's, when it has no room for the rings.
    pub(super) fn new(
        now: Instant,
        serial: u32,
        (local, remote): Tuple,
        (ring, path): (usize, usize),
        guard: Guard,
    ) -> io::Result<Self> {
        let mut mapped = Mapped::new(ring)?;
        let socket = mapped.socket_mut();
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        socket.set_congestion_control(CongestionControl::Reno);
        Ok(Self {
            serial,
            local,
            remote,
            service: None,
            mapped,
            order: Order::default(),
            guard,
            state: State::Closed,
            wish: Wish::Keep,
            half_open: false,
            owned: false,
            woken: false,
            dirty: false,
            served: now,
            listed: false,
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
        })
    }

    pub(super) fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.mapped.socket_mut()
    }

    pub(super) fn stream(&mut self) -> Socket<'_, 'static> {
        let how = if self.expired { Broken::TimedOut } else { Broken::Reset };
        Socket::new(self.mapped.socket_mut(), &mut self.wish).broken_by(how)
    }

    pub(super) fn socket_ref(&self) -> &tcp::Socket<'static> {
        self.mapped.socket()
    }

    pub(super) fn sockets(&mut self) -> &mut SocketSet<'static> {
        self.mapped.sockets()
    }

    /// Returns whether the socket has octets or a FIN that the peer has not acknowledged.
    pub(super) fn queued(&self) -> bool {
        let ending = matches!(self.state, State::FinWait1 | State::Closing | State::LastAck);
        ending || self.socket_ref().send_queue() > 0
    }
}
