//! Datagrams out through this host's own sockets, one of each family for an association.
//!
//! What comes back is let in only from hosts that were written to.

use super::{Asked, Failure, Policy};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use slab::Slab;
use sockhop::socks5::Refusal;
use std::collections::{HashMap, HashSet, VecDeque};

/// Hosts that one association may write to; more would be a scan.
const HOSTS: usize = 1_024;
/// The longest datagram there is.
const LONGEST: usize = 65_535;

/// The sockets and hosts of one association.
#[derive(Debug, Default)]
struct Association {
    four: Option<usize>,
    six: Option<usize>,
    user: String,
    known: HashSet<IpAddr>,
}

/// Every association's sockets.
#[derive(Debug)]
pub(super) struct Associations {
    by_key: HashMap<usize, Association>,
    sockets: Slab<(usize, UdpSocket)>,
    ready: VecDeque<usize>,
    room: Vec<u8>,
}

impl Associations {
    pub(super) fn new() -> Self {
        Self { by_key: HashMap::new(), sockets: Slab::new(), ready: VecDeque::new(), room: vec![0; LONGEST] }
    }

    pub(super) fn open(&mut self, key: usize, user: &str) {
        self.by_key.insert(key, Association { user: user.to_owned(), ..Association::default() });
    }

    pub(super) fn close(&mut self, key: usize) {
        if let Some(association) = self.by_key.remove(&key) {
            for socket in [association.four, association.six].into_iter().flatten() {
                self.sockets.try_remove(socket);
            }
        }
    }

    pub(super) fn contains(&self, key: usize) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes note of an event of a socket.
    pub(super) fn note(&mut self, socket: usize) {
        if self.sockets.contains(socket) {
            self.ready.push_back(socket);
        }
    }

    /// Sends a datagram, if the rules let it and the host takes it.
    pub(super) fn send(
        &mut self,
        key: usize,
        (name, to): (Option<String>, SocketAddr),
        payload: &[u8],
        policy: &Policy,
        (registry, token): (&Registry, impl Fn(usize) -> Token),
    ) -> Result<(), Failure> {
        let Some(association) = self.by_key.get_mut(&key) else { return Ok(()) };
        let to = policy.judge(&Asked { user: association.user.clone(), name }, to)?;
        let failed = |error: std::io::Error| Failure {
            refusal: Refusal::General,
            text: format!("a datagram to {to}: {error}"),
        };
        if association.known.len() >= HOSTS && !association.known.contains(&to.ip()) {
            let text = format!("a datagram to {to}: {HOSTS} hosts were written to already");
            return Err(Failure { refusal: Refusal::NotAllowed, text });
        }
        let (place, any) = if to.is_ipv4() {
            (&mut association.four, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
        } else {
            (&mut association.six, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))
        };
        let socket = match *place {
            Some(socket) => socket,
            None => {
                let mut socket = UdpSocket::bind(any).map_err(failed)?;
                let entry = self.sockets.vacant_entry();
                registry.register(&mut socket, token(entry.key()), Interest::READABLE).map_err(failed)?;
                let number = entry.key();
                entry.insert((key, socket));
                *place.insert(number)
            }
        };
        // A full queue loses the datagram, as the network might.
        match self.sockets[socket].1.send_to(payload, to) {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(failed(error)),
            Ok(_) | Err(_) => {
                association.known.insert(to.ip());
                Ok(())
            }
        }
    }

    /// Returns a datagram that has come back, with its association's key.
    pub(super) fn next(&mut self) -> Option<(usize, SocketAddr, Vec<u8>)> {
        while let Some(socket) = self.ready.front().copied() {
            let Some((key, source)) = self.sockets.get_mut(socket) else {
                self.ready.pop_front();
                continue;
            };
            match source.recv_from(&mut self.room) {
                Ok((count, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    let known = self.by_key.get(key).is_some_and(|known| known.known.contains(&from.ip()));
                    if known {
                        return Some((*key, from, self.room[..count].to_vec()));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.ready.pop_front();
                }
                // An ICMP error of an earlier datagram; the next call tells of something else.
                Err(_) => {}
            }
        }
        None
    }
}
