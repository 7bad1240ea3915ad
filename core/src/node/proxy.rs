//! A SOCKS server on a node.

use super::session::{Report, Session};
use super::{Nic, Node, Opened};
use crate::socks5::Login;
use crate::time::Instant;
use crate::trace::Sink;
use core::net::{Ipv4Addr, SocketAddrV4};
use heapless::vec::VecView;

/// Says whether a name and a password are right, both 1 to 255 octets of any value.
pub type Judge = fn(&[u8], &[u8]) -> bool;

/// What a proxy lets its clients do.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Judges a name and a password; without it nobody is asked for them.
    pub login: Option<Judge>,
    /// Says whether the node, whose address comes first, lets its clients reach a target.
    pub allow: fn(Ipv4Addr, SocketAddrV4) -> bool,
    /// Returns the address of a name, at once.
    pub resolve: fn(&[u8]) -> Option<Ipv4Addr>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { login: None, allow: allow_others, resolve: literal }
    }
}

/// Lets clients reach every other host: neither the node itself, which would be a loop, nor loopback, link-local, a
/// group or everybody.
pub fn allow_others(own: Ipv4Addr, target: SocketAddrV4) -> bool {
    let ip = target.ip();
    let nobody = ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast();
    !nobody && !ip.is_loopback() && !ip.is_link_local() && *ip != own
}

/// Returns the address that a name spells out, as in `192.0.2.1`.
pub fn literal(name: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut count) = ([0_u8; 4], 0);
    for part in name.split(|octet| *octet == b'.') {
        let place = octets.get_mut(count)?;
        if part.is_empty() || part.len() > 3 || part.len() > 1 && part.first() == Some(&b'0') {
            return None;
        }
        for digit in part {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            *place = place.checked_mul(10)?.checked_add(digit)?;
        }
        count += 1;
    }
    (count == 4).then(|| octets.into())
}

/// A SOCKS5 server, with the feature `socks4` of SOCKS4 and 4a too, for `CLIENTS` clients at a time, each with an inbox of `INBOX` octets.
///
/// It serves CONNECT and UDP ASSOCIATE; BIND is refused as a command it does not have. A client for whom there is no
/// place is told so in good order, one at a time.
pub struct Proxy<const CLIENTS: usize, const INBOX: usize> {
    policy: Policy,
    sessions: heapless::Vec<Session<INBOX>, CLIENTS>,
    door: heapless::Vec<Session<INBOX>, 1>,
}

impl<const CLIENTS: usize, const INBOX: usize> core::fmt::Debug for Proxy<CLIENTS, INBOX> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Proxy with {} of {CLIENTS} clients", self.len())
    }
}

impl<const CLIENTS: usize, const INBOX: usize> Proxy<CLIENTS, INBOX> {
    /// Returns a proxy without clients.
    pub const fn new(policy: Policy) -> Self {
        Self { policy, sessions: heapless::Vec::new(), door: heapless::Vec::new() }
    }

    /// Returns how many clients are served.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns whether nobody is served.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Begins to serve a connection that has come to the proxy's port.
    ///
    /// One that finds no place although its connection did is told so, like one that came by the door.
    pub fn opened<N: Nic, S: Sink>(&mut self, node: &mut Node<'_, N, S>, mut opened: Opened) {
        let login = if self.policy.login.is_some() { Login::Password } else { Login::Open };
        opened.crowded |= self.sessions.is_full();
        let session = Session::new(opened, login);
        let place = if opened.crowded { self.door.as_mut_view() } else { self.sessions.as_mut_view() };
        if place.push(session).is_err() {
            node.release(opened.flow);
        }
    }

    /// Serves every client; returns what is to be said of one that is over, if one is: call again until `None`.
    pub fn work<N: Nic, S: Sink>(&mut self, now: Instant, node: &mut Node<'_, N, S>) -> Option<Report> {
        let Self { policy, sessions, door } = self;
        work(sessions, now, node, policy).or_else(|| work(door, now, node, policy))
    }

    /// Returns when [`work`](Self::work) has to be called next, if nothing happens at the node before.
    pub fn poll_at(&self) -> Option<Instant> {
        self.sessions.iter().chain(&self.door).filter_map(Session::due_at).min()
    }
}

/// Serves some clients; the first that is over leaves.
fn work<N: Nic, S: Sink, const INBOX: usize>(
    sessions: &mut VecView<Session<INBOX>>,
    now: Instant,
    node: &mut Node<'_, N, S>,
    policy: &Policy,
) -> Option<Report> {
    for at in 0..sessions.len() {
        let Some(session) = sessions.get_mut(at) else { break };
        session.pass(now, node, policy);
        if let Some(why) = session.serve(now, node, policy) {
            let report = session.close(node, why);
            leave(sessions, at);
            return Some(report);
        }
    }
    None
}

/// Takes a session out; the last one takes its place. `swap_remove` would do, but for a panic that it holds ready.
fn leave<const INBOX: usize>(sessions: &mut VecView<Session<INBOX>>, at: usize) {
    let last = sessions.len().saturating_sub(1);
    if let Some((front, [back, ..])) = sessions.split_at_mut_checked(last)
        && let Some(place) = front.get_mut(at)
    {
        core::mem::swap(place, back);
    }
    sessions.truncate(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_plain_numbers_spell_an_address() {
        assert_eq!(literal(b"10.0.2.255"), Some(Ipv4Addr::new(10, 0, 2, 255)));
        for name in ["10.0.2", "10.0.2.256", "10.0.2.1.", "10.0.2.01", "1.2.3.4.5", "a.b.c.d", ""] {
            assert_eq!(literal(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_node_itself_and_nobody_in_particular_are_not_reached() {
        let own = Ipv4Addr::new(10, 0, 2, 15);
        let to = |ip: [u8; 4]| allow_others(own, SocketAddrV4::new(ip.into(), 80));
        assert!(to([10, 0, 2, 2]) && to([192, 0, 2, 1]));
        for ip in [[10, 0, 2, 15], [0; 4], [127, 0, 0, 1], [169, 254, 169, 254], [224, 0, 0, 1], [255; 4]] {
            assert!(!to(ip), "{ip:?}");
        }
    }
}
