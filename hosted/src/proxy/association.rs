//! The client's side of a UDP association (RFC 1928 §7).

use crate::engine::Datagram;
use crate::front::Front;
use core::net::SocketAddr;
use sockhop::socks5::udp::{self, HEADER};

/// An association's port on the stack, and who may use it.
#[derive(Debug)]
pub(super) struct Association {
    /// The port, which the client was told.
    pub(super) at: SocketAddr,
    /// The client; its port is learnt from its first datagram unless the request named it.
    client: SocketAddr,
    /// Octets carried from the client and to it.
    pub(super) octets: (u64, u64),
}

impl Association {
    /// Returns an association for the client of a connection that asked for this port, 0 being any.
    pub(super) const fn new(at: SocketAddr, mut client: SocketAddr, port: u16) -> Self {
        client.set_port(port);
        Self { at, client, octets: (0, 0) }
    }

    /// Takes a datagram that has come to the port; `None` if it is a stranger's or unusable.
    pub(super) fn take<'a>(&mut self, datagram: &'a Datagram) -> Option<udp::Datagram<'a>> {
        if datagram.from.ip() != self.client.ip() {
            return None;
        }
        if self.client.port() != 0 && self.client.port() != datagram.from.port() {
            return None;
        }
        let taken = udp::Datagram::parse(&datagram.payload).ok()?;
        self.client = datagram.from;
        self.octets.0 += taken.payload.len() as u64;
        Some(taken)
    }

    /// Gives a datagram from `source` to the client, with the header that names it.
    pub(super) fn give<F: Front>(&mut self, front: &mut F, source: SocketAddr, payload: &[u8]) -> bool {
        let mut whole = vec![0; HEADER + payload.len()];
        whole[HEADER..].copy_from_slice(payload);
        let Some(begin) = udp::prepend(&mut whole, HEADER, source) else { return false };
        let sent = self.client.port() != 0 && front.send_datagram(self.at, self.client, &whole[begin..]);
        if sent {
            self.octets.1 += payload.len() as u64;
        }
        sent
    }
}
