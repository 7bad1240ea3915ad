//! Listeners on this host, each for one connection from one peer (RFC 1928 §4, BIND).

use super::{Dialed, Failure, Leg, Socket, failure};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::net::UdpSocket;

/// A listener and who it waits for; the unspecified address is anybody.
#[derive(Debug)]
struct Listener {
    key: usize,
    socket: TcpListener,
    peer: IpAddr,
}

/// Every listener.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    listeners: Slab<Listener>,
    by_key: HashMap<usize, usize>,
    ready: VecDeque<usize>,
}

impl Listeners {
    /// Listens where `peer` can reach this host, and returns where that is.
    pub(super) fn open(
        &mut self,
        key: usize,
        peer: IpAddr,
        (registry, token): (&Registry, impl Fn(usize) -> Token),
    ) -> Result<SocketAddr, Failure> {
        let peer = peer.to_canonical();
        let at = SocketAddr::new(facing(peer).map_err(|error| failure(SocketAddr::new(peer, 0), &error))?, 0);
        let failed = |error: std::io::Error| failure(at, &error);
        let mut socket = TcpListener::bind(at).map_err(failed)?;
        let entry = self.listeners.vacant_entry();
        registry.register(&mut socket, token(entry.key()), Interest::READABLE).map_err(failed)?;
        let at = socket.local_addr().map_err(failed)?;
        self.by_key.insert(key, entry.key());
        entry.insert(Listener { key, socket, peer });
        Ok(at)
    }

    pub(super) fn close(&mut self, key: usize) {
        if let Some(listener) = self.by_key.remove(&key) {
            self.listeners.try_remove(listener);
        }
    }

    pub(super) fn contains(&self, key: usize) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes note of an event of a listener's.
    pub(super) fn note(&mut self, listener: usize) {
        if self.listeners.contains(listener) {
            self.ready.push_back(listener);
        }
    }

    /// Returns the awaited peer's connection and closes its listener; strangers are turned away.
    pub(super) fn next(&mut self) -> Option<(usize, SocketAddr, mio::net::TcpStream)> {
        while let Some(number) = self.ready.front().copied() {
            let Some(listener) = self.listeners.get_mut(number) else {
                self.ready.pop_front();
                continue;
            };
            match listener.socket.accept() {
                Ok((stream, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    if listener.peer.is_unspecified() || listener.peer == from.ip() {
                        let key = listener.key;
                        self.close(key);
                        return Some((key, from, stream));
                    }
                }
                // Nobody waits, or the one who did has gone.
                Err(_) => {
                    self.ready.pop_front();
                }
            }
        }
        None
    }
}

/// Returns this host's address on the way to a peer; one that anybody may use if the peer is anybody.
pub(super) fn facing(peer: IpAddr) -> std::io::Result<IpAddr> {
    let (any, towards) = match peer {
        IpAddr::V4(ip) if ip.is_unspecified() => {
            (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
        }
        IpAddr::V4(_) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), peer),
        IpAddr::V6(_) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), peer),
    };
    // Connecting a UDP socket sends nothing; it asks the kernel for the way.
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(towards, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Makes the owner's stream of an accepted one.
pub(super) fn dialed(stream: mio::net::TcpStream, peer: SocketAddr) -> Dialed<Socket> {
    Dialed { stream: Leg::Own(Socket::new(stream)), bound: peer }
}
