//! Out through this host's own sockets, which never wait.
//!
//! The example is `tun-demo socks5`: `tun-demo/src/socks5.rs` gives a proxy this way out, with rules and a resolver.

use super::bind::{self, Listeners};
use super::lookup::LookUps;
use super::named::{Names, Sent};
use super::race::{Race, Step};
use super::udp::Associations;
use super::{Dialed, Egress, Event, Failure, Found, Leg, Policy, Socket, failure};
use crate::resolve::Resolver;
use core::net::SocketAddr;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use slab::Slab;
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host as Name, Target};
use std::collections::{HashMap, VecDeque};

/// Tokens tell connections, associations' sockets and listeners apart by their remainder.
const KINDS: usize = 3;
const DATAGRAMS: usize = 1;
const LISTENER: usize = 2;
/// Datagrams that come back before everything else has its turn.
const TURN: usize = 64;

/// One connection being tried, or one that stands.
#[derive(Debug)]
struct Entry {
    key: usize,
    /// The socket, until it is handed to the owner.
    trying: Option<(TcpStream, SocketAddr)>,
}

/// The egress through this host's sockets.
#[derive(Debug)]
pub struct Host {
    registry: Registry,
    first_token: usize,
    policy: Policy,
    resolver: Resolver,
    entries: Slab<Entry>,
    race: Race<usize>,
    established: HashMap<usize, usize>,
    ready: VecDeque<usize>,
    /// What is told next.
    outcomes: VecDeque<Event<Socket>>,
    associations: Associations,
    listeners: Listeners,
    /// Datagrams given to the owner since it was last told that there is nothing more.
    turn: usize,
    look_ups: LookUps,
    /// Where datagrams to names go.
    names: Names,
    generation: u64,
}

impl Host {
    /// Returns an egress that registers its sockets with tokens from `first_token` upwards.
    pub fn new(registry: Registry, first_token: usize, policy: Policy, resolver: Resolver) -> Self {
        Self {
            registry,
            first_token,
            policy,
            resolver,
            entries: Slab::new(),
            race: Race::new(),
            established: HashMap::new(),
            ready: VecDeque::new(),
            outcomes: VecDeque::new(),
            associations: Associations::new(),
            listeners: Listeners::default(),
            turn: 0,
            look_ups: LookUps::default(),
            names: Names::default(),
            generation: 0,
        }
    }

    /// Takes what the resolver has found.
    fn resolved(&mut self, now: Instant) {
        while let Some((key, generation, outcome)) = self.resolver.answer() {
            for sent in self.names.answered(generation, &outcome, now) {
                self.send_named(&sent);
            }
            let found = self.look_ups.resolved(key, generation, &outcome, &self.policy);
            self.found(key, found);
            match self.race.answered(key, generation, outcome) {
                Ok(()) => self.try_next(key, now),
                Err(failure) => self.finish(key, None, Err(failure)),
            }
        }
    }

    /// Takes the names that the resolver has found.
    fn reversed(&mut self) {
        while let Some((key, generation, name)) = self.resolver.name() {
            let found = self.look_ups.named(key, generation, name);
            self.found(key, found);
        }
    }

    /// Tells what was looked up, if it was.
    fn found(&mut self, key: usize, found: Option<Found>) {
        self.outcomes.extend(found.map(|outcome| Event::Resolved { key, outcome }));
    }

    /// Begins with the next address of a dial; ends the dial when none is left and none is under way.
    fn try_next(&mut self, key: usize, now: Instant) {
        loop {
            let at = match self.race.step(key, &self.policy) {
                Step::Try(at) => at,
                Step::Wait => return,
                Step::Fail(failure) => return self.finish(key, None, Err(failure)),
            };
            match self.connect(key, at) {
                Ok(entry) => return self.race.begun(key, entry, now),
                Err(error) => self.race.failed(key, None, failure(at, &error)),
            }
        }
    }

    /// Begins to connect a socket.
    fn connect(&mut self, key: usize, at: SocketAddr) -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(at)?;
        let entry = self.entries.vacant_entry();
        let (number, token) = (entry.key(), Token(self.first_token + KINDS * entry.key()));
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Entry { key, trying: Some((stream, at)) });
        Ok(number)
    }

    /// Looks whether a socket has connected.
    fn progress(&mut self, entry: usize, now: Instant) {
        let Some(Entry { key, trying: Some((stream, at)) }) = self.entries.get(entry) else { return };
        let (key, at) = (*key, *at);
        let outcome = match stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(failure(at, &error)),
            Ok(None) => match stream.peer_addr() {
                Ok(_) => Ok(()),
                Err(error) if error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error()) => return,
                Err(error) => Err(failure(at, &error)),
            },
        };
        match outcome {
            Ok(()) => self.connected(entry, key),
            Err(failure) => {
                self.entries.remove(entry);
                self.race.failed(key, Some(entry), failure);
                self.try_next(key, now);
            }
        }
    }

    fn connected(&mut self, entry: usize, key: usize) {
        let Some((stream, _)) = self.entries[entry].trying.take() else { return };
        let bound = match stream.local_addr() {
            Ok(bound) => bound,
            Err(error) => {
                let unbound = SocketAddr::from(([0; 4], 0));
                return self.finish(key, None, Err(failure(unbound, &error)));
            }
        };
        // An octet that waits for others is no failure.
        let _ = stream.set_nodelay(true);
        self.established.insert(key, entry);
        self.finish(key, Some(entry), Ok(Dialed { stream: Leg::Own(Socket::new(stream)), bound }));
    }

    /// Does what is due: gives up names that took too long, and begins with next addresses.
    fn elapse(&mut self, now: Instant) {
        self.names.elapse(now);
        while let Some((key, late)) = self.look_ups.due(now) {
            self.found(key, Some(late));
        }
        while let Some((key, late)) = self.race.due(now) {
            match late {
                Some(failure) => self.finish(key, None, Err(failure)),
                None => self.try_next(key, now),
            }
        }
    }

    /// Takes a connection that has come to a listener; `None` if the host does not let it be waited for.
    fn adopt(&mut self, key: usize, mut stream: TcpStream, peer: SocketAddr) -> Option<Dialed<Socket>> {
        let entry = self.entries.vacant_entry();
        let token = Token(self.first_token + KINDS * entry.key());
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).ok()?;
        self.established.insert(key, entry.key());
        entry.insert(Entry { key, trying: None });
        Some(bind::dialed(stream, peer))
    }

    /// Sends a datagram of an association's.
    fn send_to(
        &mut self,
        key: usize,
        to: (Option<String>, SocketAddr),
        payload: &[u8],
    ) -> Result<(), Failure> {
        let first = self.first_token;
        let token = |number| Token(first + KINDS * number + DATAGRAMS);
        self.associations.send(key, to, payload, &self.policy, (&self.registry, token))
    }

    /// Sends a datagram to the first address of its name that the rules and the host let it go to.
    fn send_named(&mut self, sent: &Sent) {
        // One that can go nowhere is lost, as it might be anywhere on its way.
        let _ = sent.addresses.iter().find(|ip| {
            let to = (Some(sent.name.clone()), SocketAddr::new(**ip, sent.port));
            self.send_to(sent.key, to, &sent.payload).is_ok()
        });
    }

    /// Ends a dial and drops what else it was trying.
    fn finish(&mut self, key: usize, winner: Option<usize>, outcome: Result<Dialed<Socket>, Failure>) {
        for entry in self.race.end(key, winner) {
            self.entries.try_remove(entry);
        }
        self.outcomes.push_back(Event::Dialed { key, outcome });
    }
}

impl Egress for Host {
    type Stream = Socket;

    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        debug_assert!(
            !self.race.contains(key)
                && !self.established.contains_key(&key)
                && !self.look_ups.contains(key)
                && self.outcomes.iter().all(|event| event.key() != key),
            "cancel() comes before a key is used again"
        );
        self.generation += 1;
        match self.race.begin((key, self.generation), user, target, &self.resolver, now) {
            Ok(()) => self.try_next(key, now),
            Err(failure) => self.outcomes.push_back(Event::Dialed { key, outcome: Err(failure) }),
        }
    }

    fn bind(&mut self, key: usize, _user: &str, peer: Target<'_>, _now: Instant) {
        debug_assert!(!self.listeners.contains(key), "cancel() comes before a key is used again");
        let first = self.first_token;
        let token = |number| Token(first + KINDS * number + LISTENER);
        let outcome = match peer.host {
            Name::Ip(ip) => self.listeners.open(key, ip, (&self.registry, token)),
            // Whoever may connect has to be known when he does.
            Name::Name(_) => Err(Failure {
                refusal: Refusal::AddressTypeNotSupported,
                text: format!("{peer}: nobody is waited for by name"),
            }),
        };
        self.outcomes.push_back(Event::Bound { key, outcome });
    }

    fn associate(&mut self, key: usize, user: &str, _now: Instant) {
        self.associations.open(key, user);
        self.outcomes.push_back(Event::Associated { key, outcome: Ok(()) });
    }

    fn resolve(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        self.generation += 1;
        let means = (&self.policy, &self.resolver);
        let found = self.look_ups.resolve((key, self.generation), user, target, means, now);
        self.found(key, found);
    }

    fn reverse(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        self.generation += 1;
        let means = (&self.policy, &self.resolver);
        let found = self.look_ups.reverse((key, self.generation), user, target, means, now);
        self.found(key, found);
    }

    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant) {
        if !self.associations.contains(key) {
            return;
        }
        self.generation += 1;
        match target.host {
            Name::Ip(ip) => {
                // One that cannot be sent is lost, as it might be anywhere on its way.
                let _ = self.send_to(key, (None, SocketAddr::new(ip, target.port)), payload);
            }
            Name::Name(name) => {
                let whose = (key, self.generation);
                let known = self.names.send(whose, (name, target.port), payload, &self.resolver, now);
                if let Some(sent) = known {
                    self.send_named(&sent);
                }
            }
        }
    }

    fn cancel(&mut self, key: usize) {
        self.associations.close(key);
        self.listeners.close(key);
        self.names.cancel(key);
        self.look_ups.cancel(key);
        for entry in self.race.end(key, None) {
            self.entries.try_remove(entry);
        }
        if let Some(entry) = self.established.remove(&key) {
            self.entries.try_remove(entry);
        }
        self.outcomes.retain(|event| event.key() != key);
    }

    fn ready(&mut self, token: Token) {
        let Some(number) = token.0.checked_sub(self.first_token) else { return };
        let entry = number / KINDS;
        match number % KINDS {
            DATAGRAMS => self.associations.note(entry),
            LISTENER => self.listeners.note(entry),
            _ if self.entries.contains(entry) => self.ready.push_back(entry),
            _ => {}
        }
    }

    fn reconfigure(&mut self, rules: Vec<super::Rule>) {
        self.policy.rules = rules;
    }

    fn next(&mut self, now: Instant) -> Option<Event<Socket>> {
        self.resolved(now);
        self.reversed();
        self.elapse(now);
        loop {
            if let Some(event) = self.outcomes.pop_front() {
                return Some(event);
            }
            if self.turn < TURN
                && let Some((key, from, payload)) = self.associations.next()
            {
                self.turn += 1;
                return Some(Event::Datagram { key, from, payload });
            }
            if let Some((key, peer, stream)) = self.listeners.next() {
                if let Some(accepted) = self.adopt(key, stream, peer) {
                    return Some(Event::Accepted { key, outcome: Ok(accepted) });
                }
                continue;
            }
            let Some(entry) = self.ready.pop_front() else {
                self.turn = 0;
                return None;
            };
            match self.entries.get(entry) {
                Some(Entry { trying: Some(_), .. }) => self.progress(entry, now),
                Some(Entry { key, trying: None }) => return Some(Event::Ready { key: *key }),
                None => {}
            }
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        if !self.outcomes.is_empty()
            || !self.ready.is_empty()
            || self.associations.is_ready()
            || self.listeners.is_ready()
        {
            return Some(Instant::ZERO);
        }
        [self.race.next(), self.names.next(), self.look_ups.next()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_host_has_its_reply_code() {
        let at = "192.0.2.1:1".parse().unwrap();
        let code = |errno: Errno| failure(at, &std::io::Error::from(errno)).refusal.code();
        assert_eq!(code(Errno::CONNREFUSED), 5);
        assert_eq!(code(Errno::NETUNREACH), 3);
        assert_eq!(code(Errno::HOSTUNREACH), 4);
        assert_eq!(code(Errno::TIMEDOUT), 6);
        assert_eq!(code(Errno::PERM), 2);
        assert_eq!(code(Errno::MFILE), 1);
        assert_eq!(code(Errno::ADDRNOTAVAIL), 1, "this host ran out of ports; the network is well");
    }
}
