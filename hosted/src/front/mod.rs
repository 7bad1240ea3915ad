//! The side that clients come from: connections in rings, and ports for datagrams.
//!
//! A session does not see where its client is. On the engine it is a flow of the stack behind the TUN; on
//! [`HostFront`] it is a socket of this host's.
//!
//! ```
//! use mio::Poll;
//! use sockhop_hosted::front::{Front, HostFront, listen};
//!
//! # fn main() -> std::io::Result<()> {
//! let poll = Poll::new()?;
//! let listeners = listen(&["127.0.0.1:0".parse().expect("an address")])?;
//! let mut front = HostFront::new(poll.registry().try_clone()?, listeners, 64)?;
//! assert_ne!(front.listens_at()?[0].port(), 0);
//! assert!(front.is_empty() && front.stack().is_none()); // no client yet, and no stack behind it
//! # Ok(())
//! # }
//! ```

mod connection;
mod host;
mod survey;

pub use connection::Lent;
pub use host::{HostFront, listen};

use crate::egress::Stack;
use crate::engine::{Datagram, Engine, FlowId};
use core::net::{IpAddr, SocketAddr};
use sockhop::relay::Ring;
use sockhop::stack::Socket;
use sockhop::tcp::State;
use sockhop::trace::{Recorder, Sink};

/// Two connections, lent with the recorder to tell of them.
pub type Both<'a, F> = (<F as Front>::Ring<'a>, <F as Front>::Ring<'a>, &'a mut Recorder<<F as Front>::Sink>);

/// Where clients come from.
pub trait Front {
    /// What is told of changes of state.
    type Sink: Sink;
    /// A client's connection.
    type Ring<'a>: Ring
    where
        Self: 'a;

    /// Lends a connection, with the recorder to tell of it; `None` when it is gone.
    fn watched(&mut self, flow: FlowId) -> Option<(Self::Ring<'_>, &mut Recorder<Self::Sink>)>;

    /// Lends a client's connection and its target's, if that is the front's too; `None` when one of them is gone.
    fn both(&mut self, _client: FlowId, _target: FlowId) -> Option<Both<'_, Self>>
    where
        Self: Sized,
    {
        None
    }

    /// Returns the stack, for an egress that goes out through it; `None` for a front without one.
    fn stack(&mut self) -> Option<&mut dyn Stack> {
        None
    }

    /// Returns the recorder.
    fn recorder(&mut self) -> &mut Recorder<Self::Sink>;

    /// Returns whether a connection was reset or is gone; one whose peer has sent a FIN is not.
    fn is_closed(&mut self, flow: FlowId) -> bool;

    /// Returns our end of a connection and the client's.
    fn ends(&self, flow: FlowId) -> Option<(SocketAddr, SocketAddr)>;

    /// Gives a connection back; what was written to it is still sent.
    fn release(&mut self, flow: FlowId);

    /// Opens a UDP port of one of our addresses; `None` when none is left.
    fn open_port(&mut self, ip: IpAddr) -> Option<SocketAddr>;

    /// Closes a UDP port.
    fn close_port(&mut self, at: SocketAddr);

    /// Returns a datagram that has come to an open port.
    fn next_datagram(&mut self) -> Option<Datagram>;

    /// Sends a datagram from an open port; returns whether there was room.
    fn send_datagram(&mut self, at: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool;
}

impl<S: Sink> Front for Engine<S> {
    type Sink = S;
    type Ring<'a>
        = Socket<'a, 'static>
    where
        Self: 'a;

    fn watched(&mut self, flow: FlowId) -> Option<(Socket<'_, 'static>, &mut Recorder<S>)> {
        self.watched(flow)
    }

    fn both(&mut self, client: FlowId, target: FlowId) -> Option<Both<'_, Self>> {
        self.pair(client, target)
    }

    fn stack(&mut self) -> Option<&mut dyn Stack> {
        Some(self)
    }

    fn recorder(&mut self) -> &mut Recorder<S> {
        self.recorder()
    }

    fn is_closed(&mut self, flow: FlowId) -> bool {
        self.state(flow) == State::Closed
    }

    fn ends(&self, flow: FlowId) -> Option<(SocketAddr, SocketAddr)> {
        self.ends(flow)
    }

    fn release(&mut self, flow: FlowId) {
        self.release(flow);
    }

    fn open_port(&mut self, ip: IpAddr) -> Option<SocketAddr> {
        self.open_port(ip)
    }

    fn close_port(&mut self, at: SocketAddr) {
        self.close_port(at);
    }

    fn next_datagram(&mut self) -> Option<Datagram> {
        self.next_datagram()
    }

    fn send_datagram(&mut self, at: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        self.send_datagram(at, to, payload)
    }
}
