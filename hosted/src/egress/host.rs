//! Out through this host's own sockets, which never wait.
//!
//! A name's addresses are tried in the resolver's order, families in turn, each 250 ms after the one before or as
//! soon as that has failed; the first to connect wins (RFC 8305 §4 and §5).

use super::bind::{self, Listeners};
use super::udp::Associations;
use super::{Asked as Wanted, Dialed, Egress, Event, Failure, Policy, failure};
use crate::engine::Timers;
use crate::resolve::{Asked, Resolved, Resolver};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use slab::Slab;
use sockhop::relay::{Broken, Stream};
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host as Name, Target};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};

/// How long an address is waited for before the next is tried as well (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);
/// How long a name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(10);

/// Tokens tell connections, associations' sockets and listeners apart by their remainder.
const KINDS: usize = 3;
const DATAGRAMS: usize = 1;
const LISTENER: usize = 2;
/// Datagrams that may wait for a name.
const NAMED: usize = 256;

/// A connection through a socket of this host.
#[derive(Debug)]
pub struct Socket {
    stream: Option<TcpStream>,
}

impl Socket {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream) }
    }
}

impl Stream for Socket {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!into.is_empty(), "0 octets read would look like a FIN");
        let Some(stream) = &mut self.stream else { return Err(nb::Error::Other(Broken::Reset)) };
        retried(|| stream.read(into))
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!from.is_empty(), "no octets are neither taken nor refused");
        let Some(stream) = &mut self.stream else { return Err(nb::Error::Other(Broken::Reset)) };
        retried(|| stream.write(from))
    }

    fn close(&mut self) {
        if let Some(stream) = &self.stream {
            // A socket that is gone already has nothing left to shut down.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }

    fn abort(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Without the option the peer sees a FIN in place of a RST; there is nothing better to do.
            let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
        }
    }
}

fn retried(mut call: impl FnMut() -> io::Result<usize>) -> nb::Result<usize, Broken> {
    loop {
        match call() {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(nb::Error::WouldBlock),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(nb::Error::Other(match error.kind() {
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Broken::Reset,
                    io::ErrorKind::TimedOut => Broken::TimedOut,
                    _ => Broken::Host(error.raw_os_error().unwrap_or(0)),
                }));
            }
        }
    }
}

/// One connection being tried, or one that stands.
#[derive(Debug)]
struct Entry {
    key: usize,
    /// The socket, until it is handed to the owner.
    trying: Option<(TcpStream, SocketAddr)>,
}

/// A dial under way.
#[derive(Debug, Default)]
struct Dial {
    /// Tells an answer of the resolver's for this dial from one for an earlier dial of the same key.
    generation: u64,
    /// Who wants it, and by which name.
    wanted: Wanted,
    /// The name, while the resolver is asked for it.
    asked: Option<(String, Asked)>,
    addresses: VecDeque<SocketAddr>,
    sockets: Vec<usize>,
    /// When the resolver has had its time, or the next address has its turn.
    next_at: Option<Instant>,
    /// When it comes up in the timers next.
    timer: Option<Instant>,
    failure: Option<Failure>,
}

/// The egress through this host's sockets.
#[derive(Debug)]
pub struct Host {
    registry: Registry,
    first_token: usize,
    policy: Policy,
    resolver: Resolver,
    entries: Slab<Entry>,
    dials: HashMap<usize, Dial>,
    established: HashMap<usize, usize>,
    ready: VecDeque<usize>,
    outcomes: VecDeque<(usize, Result<Dialed<Socket>, Failure>)>,
    timers: Timers,
    associations: Associations,
    listeners: Listeners,
    /// Datagrams whose target's name is being asked for, by the generation of the question.
    named: HashMap<u64, Named>,
    generation: u64,
}

/// A datagram that waits for its target's address.
#[derive(Debug)]
struct Named {
    key: usize,
    name: String,
    payload: Vec<u8>,
    /// When the resolver has had its time.
    until: Instant,
    _asked: Asked,
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
            dials: HashMap::new(),
            established: HashMap::new(),
            ready: VecDeque::new(),
            outcomes: VecDeque::new(),
            timers: Timers::default(),
            associations: Associations::new(),
            listeners: Listeners::default(),
            named: HashMap::new(),
            generation: 0,
        }
    }

    /// Takes note of an event of one of its sockets.
    pub fn ready(&mut self, token: Token) {
        let Some(number) = token.0.checked_sub(self.first_token) else { return };
        let entry = number / KINDS;
        match number % KINDS {
            DATAGRAMS => self.associations.note(entry),
            LISTENER => self.listeners.note(entry),
            _ if self.entries.contains(entry) => self.ready.push_back(entry),
            _ => {}
        }
    }

    /// Takes what the resolver has found.
    fn resolved(&mut self, now: Instant) {
        while let Some((key, generation, outcome)) = self.resolver.answer() {
            if let Some(named) = self.named.remove(&generation) {
                if let Some(first) = outcome.ok().and_then(|addresses| addresses.first().copied()) {
                    self.send_to(named.key, (Some(named.name), first), &named.payload);
                }
                continue;
            }
            let Some(dial) = self.dials.get_mut(&key).filter(|dial| dial.generation == generation) else {
                continue;
            };
            dial.asked = None;
            match outcome {
                Ok(addresses) => {
                    dial.addresses = interleaved(addresses).into();
                    self.try_next(key, now);
                }
                Err(text) => {
                    let failure = Failure { refusal: Refusal::HostUnreachable, text };
                    self.finish(key, Err(failure));
                }
            }
        }
    }

    /// Begins with the next address of a dial; ends the dial when none is left and none is under way.
    fn try_next(&mut self, key: usize, now: Instant) {
        while let Some(dial) = self.dials.get_mut(&key) {
            let Some(address) = dial.addresses.pop_front() else {
                dial.next_at = None;
                if dial.sockets.is_empty() {
                    let text = "the name has no address".to_owned();
                    let none = Failure { refusal: Refusal::HostUnreachable, text };
                    let failure = dial.failure.take().unwrap_or(none);
                    self.finish(key, Err(failure));
                }
                return;
            };
            let begun = self.policy.judge(&dial.wanted, address).and_then(|at| {
                TcpStream::connect(at).map(|stream| (stream, at)).map_err(|error| failure(at, &error))
            });
            match begun {
                Ok((mut stream, at)) => {
                    let entry = self.entries.vacant_entry();
                    let token = Token(self.first_token + KINDS * entry.key());
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    match self.registry.register(&mut stream, token, interest) {
                        Ok(()) => {
                            dial.sockets.push(entry.key());
                            dial.next_at = (!dial.addresses.is_empty()).then_some(now + STAGGER);
                            dial.timer = self.timers.set(key, dial.next_at, dial.timer);
                            entry.insert(Entry { key, trying: Some((stream, at)) });
                            return;
                        }
                        Err(error) => note(dial, failure(at, &error)),
                    }
                }
                Err(failure) => note(dial, failure),
            }
        }
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
                if let Some(dial) = self.dials.get_mut(&key) {
                    dial.sockets.retain(|other| *other != entry);
                    note(dial, failure);
                    self.try_next(key, now);
                }
            }
        }
    }

    fn connected(&mut self, entry: usize, key: usize) {
        let Some((stream, _)) = self.entries[entry].trying.take() else { return };
        let bound = match stream.local_addr() {
            Ok(bound) => bound,
            Err(error) => return self.finish(key, Err(failure(SocketAddr::from(([0; 4], 0)), &error))),
        };
        // An octet that waits for others is no failure.
        let _ = stream.set_nodelay(true);
        if let Some(dial) = self.dials.get_mut(&key) {
            dial.sockets.retain(|other| *other != entry);
        }
        self.established.insert(key, entry);
        self.finish(key, Ok(Dialed { stream: Socket::new(stream), bound }));
    }

    /// Does what is due: gives up names that took too long, and begins with next addresses.
    fn elapse(&mut self, now: Instant) {
        while let Some((key, at)) = self.timers.due(now) {
            let Some(dial) = self.dials.get_mut(&key).filter(|dial| dial.timer == Some(at)) else {
                continue;
            };
            dial.timer = None;
            if dial.next_at.is_none_or(|next| next > now) {
                dial.timer = self.timers.set(key, dial.next_at, None);
                continue;
            }
            match &dial.asked {
                Some((name, _)) => {
                    let text = format!("{name}: not resolved within {} s", RESOLVE.as_secs());
                    self.finish(key, Err(Failure { refusal: Refusal::HostUnreachable, text }));
                }
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
    fn send_to(&mut self, key: usize, to: (Option<String>, SocketAddr), payload: &[u8]) {
        let first = self.first_token;
        let token = |number| Token(first + KINDS * number + DATAGRAMS);
        // A datagram that cannot be sent is lost, as it might be anywhere on its way.
        let _ = self.associations.send(key, to, payload, &self.policy, (&self.registry, token));
    }

    /// Ends a dial and drops what else it was trying.
    fn finish(&mut self, key: usize, outcome: Result<Dialed<Socket>, Failure>) {
        if let Some(dial) = self.dials.remove(&key) {
            for entry in dial.sockets {
                self.entries.try_remove(entry);
            }
        }
        self.outcomes.push_back((key, outcome));
    }
}

impl Egress for Host {
    type Stream = Socket;

    fn dial(&mut self, key: usize, user: &str, target: Target<'_>, now: Instant) {
        debug_assert!(
            !self.dials.contains_key(&key)
                && !self.established.contains_key(&key)
                && self.outcomes.iter().all(|(other, _)| *other != key),
            "cancel() comes before a key is used again"
        );
        self.generation += 1;
        let wanted = Wanted { user: user.to_owned(), name: named(target) };
        let mut dial = Dial { generation: self.generation, wanted, ..Dial::default() };
        let resolved = match target.host {
            Name::Ip(ip) => Ok(Resolved::Literal(ip)),
            Name::Name(name) => self.resolver.resolve(key, dial.generation, name, target.port),
        };
        match resolved {
            Ok(Resolved::Literal(ip)) => {
                dial.addresses.push_back(SocketAddr::new(ip, target.port));
                self.dials.insert(key, dial);
                self.try_next(key, now);
            }
            Ok(Resolved::Asked(asked)) => {
                dial.asked = Some((target.host.to_string(), asked));
                dial.next_at = Some(now + RESOLVE);
                dial.timer = self.timers.set(key, dial.next_at, None);
                self.dials.insert(key, dial);
            }
            Err(text) => {
                let failure = Failure { refusal: Refusal::HostUnreachable, text };
                self.outcomes.push_back((key, Err(failure)));
            }
        }
    }

    fn bind(&mut self, key: usize, peer: IpAddr) -> Result<SocketAddr, Failure> {
        debug_assert!(!self.listeners.contains(key), "cancel() comes before a key is used again");
        let first = self.first_token;
        let token = |number| Token(first + KINDS * number + LISTENER);
        self.listeners.open(key, peer, (&self.registry, token))
    }

    fn associate(&mut self, key: usize, user: &str) {
        self.associations.open(key, user);
    }

    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], now: Instant) {
        if !self.associations.contains(key) {
            return;
        }
        self.named.retain(|_, named| named.until > now);
        self.generation += 1;
        let resolved = match target.host {
            Name::Ip(ip) => Ok(Resolved::Literal(ip)),
            Name::Name(name) => self.resolver.resolve(key, self.generation, name, target.port),
        };
        match resolved {
            Ok(Resolved::Literal(ip)) => {
                self.send_to(key, (named(target), SocketAddr::new(ip, target.port)), payload);
            }
            Ok(Resolved::Asked(asked)) if self.named.len() < NAMED => {
                let (payload, until) = (payload.to_vec(), now + RESOLVE);
                let name = target.host.to_string();
                self.named.insert(self.generation, Named { key, name, payload, until, _asked: asked });
            }
            Ok(Resolved::Asked(_)) | Err(_) => {}
        }
    }

    fn cancel(&mut self, key: usize) {
        self.associations.close(key);
        self.listeners.close(key);
        self.named.retain(|_, named| named.key != key);
        if let Some(dial) = self.dials.remove(&key) {
            for entry in dial.sockets {
                self.entries.try_remove(entry);
            }
        }
        if let Some(entry) = self.established.remove(&key) {
            self.entries.try_remove(entry);
        }
        self.outcomes.retain(|(other, _)| *other != key);
    }

    fn next(&mut self, now: Instant) -> Option<Event<Socket>> {
        self.resolved(now);
        self.elapse(now);
        loop {
            if let Some((key, outcome)) = self.outcomes.pop_front() {
                return Some(Event::Dialed { key, outcome });
            }
            if let Some((key, from, payload)) = self.associations.next() {
                return Some(Event::Datagram { key, from, payload });
            }
            if let Some((key, peer, stream)) = self.listeners.next() {
                if let Some(accepted) = self.adopt(key, stream, peer) {
                    return Some(Event::Accepted { key, accepted });
                }
                continue;
            }
            let entry = self.ready.pop_front()?;
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
        self.timers.next()
    }
}

/// Returns the name of a target, escaped, if it is one.
fn named(target: Target<'_>) -> Option<String> {
    match target.host {
        Name::Ip(_) => None,
        Name::Name(_) => Some(target.host.to_string()),
    }
}

/// Keeps the failure that says most: one of the network's rather than one of the rules', the first of its kind.
fn note(dial: &mut Dial, failure: Failure) {
    let weak = |refusal| matches!(refusal, Refusal::NotAllowed | Refusal::General);
    match &dial.failure {
        Some(known) if !weak(known.refusal) || weak(failure.refusal) => {}
        Some(_) | None => dial.failure = Some(failure),
    }
}

/// Takes the families in turn, beginning with that of the first address (RFC 8305 §4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut same, mut other): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut order = Vec::with_capacity(same.len() + other.len());
    while !same.is_empty() || !other.is_empty() {
        order.extend(same.pop_front());
        order.extend(other.pop_front());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = ["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1", "192.0.2.2:1"].map(parse);
        let wanted = ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1"].map(parse);
        assert_eq!(interleaved(given.to_vec()), wanted);
    }

    #[test]
    fn each_error_of_the_host_has_its_reply_code() {
        let at = "192.0.2.1:1".parse().unwrap();
        let code = |errno: Errno| failure(at, &io::Error::from(errno)).refusal.code();
        assert_eq!(code(Errno::CONNREFUSED), 5);
        assert_eq!(code(Errno::NETUNREACH), 3);
        assert_eq!(code(Errno::HOSTUNREACH), 4);
        assert_eq!(code(Errno::TIMEDOUT), 6);
        assert_eq!(code(Errno::PERM), 2);
        assert_eq!(code(Errno::MFILE), 1);
        assert_eq!(code(Errno::ADDRNOTAVAIL), 1, "this host ran out of ports; the network is well");
    }

    const NOW: Instant = Instant::from_micros(1_000);

    struct World {
        poll: mio::Poll,
        host: Host,
    }

    impl World {
        fn new() -> Self {
            let poll = mio::Poll::new().unwrap();
            let waker = std::sync::Arc::new(mio::Waker::new(poll.registry(), Token(0)).unwrap());
            let rules = vec![super::super::Rule::new("loopback", true).unwrap()];
            let policy = Policy { own: vec![], rules };
            let registry = poll.registry().try_clone().unwrap();
            Self { poll, host: Host::new(registry, 1, policy, Resolver::new(waker)) }
        }

        /// Waits for the kernel until the egress has something to say.
        fn event(&mut self) -> Event<Socket> {
            let mut events = mio::Events::with_capacity(16);
            loop {
                if let Some(event) = self.host.next(NOW) {
                    return event;
                }
                self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(!events.is_empty(), "the kernel was silent for ten seconds");
                for event in events.iter().filter(|event| event.token() != Token(0)) {
                    self.host.ready(event.token());
                }
            }
        }

        fn outcome(&mut self) -> (usize, Result<Dialed<Socket>, Failure>) {
            loop {
                if let Event::Dialed { key, outcome } = self.event() {
                    return (key, outcome);
                }
            }
        }

        fn dial(&mut self, key: usize, host: Name<'_>, port: u16) -> Result<Dialed<Socket>, Failure> {
            self.host.dial(key, "", Target { host, port }, NOW);
            let (dialed, outcome) = self.outcome();
            assert_eq!(dialed, key);
            outcome
        }

        fn read(&mut self, socket: &mut Socket) -> Result<usize, Broken> {
            loop {
                match socket.read(&mut [0; 64]) {
                    Ok(count) => return Ok(count),
                    Err(nb::Error::Other(how)) => return Err(how),
                    Err(nb::Error::WouldBlock) => {
                        self.event();
                    }
                }
            }
        }
    }

    fn listener() -> (std::net::TcpListener, u16) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    const HERE: Name<'static> = Name::Ip(IpAddr::V4(core::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn a_connection_carries_octets_and_each_half_closes_by_itself() {
        let (listener, port) = listener();
        let mut world = World::new();
        let mut dialed = world.dial(3, HERE, port).unwrap();
        let (mut peer, from) = listener.accept().unwrap();
        assert_eq!(dialed.bound, from);
        dialed.stream.write(b"abc").unwrap();
        dialed.stream.close();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "abc");
        peer.write_all(b"defg").unwrap();
        drop(peer);
        assert_eq!(world.read(&mut dialed.stream), Ok(4));
        assert_eq!(world.read(&mut dialed.stream), Ok(0));
    }

    #[test]
    #[should_panic(expected = "cancel() comes before a key is used again")]
    #[cfg(debug_assertions)]
    fn a_key_is_live_until_its_failure_is_taken_too() {
        let mut world = World::new();
        world.host.dial(4, "", Target { host: Name::Name(b"127.1"), port: 80 }, NOW);
        world.host.dial(4, "", Target { host: HERE, port: 80 }, NOW);
    }

    #[test]
    fn a_refused_port_and_a_reset_are_told_as_what_they_are() {
        let (listener, port) = listener();
        let mut world = World::new();
        let mut dialed = world.dial(0, HERE, port).unwrap();
        let (peer, _) = listener.accept().unwrap();
        rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
        drop((peer, listener));
        assert_eq!(world.read(&mut dialed.stream), Err(Broken::Reset));
        let failure = world.dial(1, HERE, port).unwrap_err();
        assert_eq!(failure.refusal, Refusal::ConnectionRefused);
        assert!(failure.text.contains(&port.to_string()), "{failure}");
    }

    #[test]
    fn a_literal_in_a_name_is_dialed_without_a_resolver() {
        let (_listener, port) = listener();
        let mut world = World::new();
        world.host.dial(0, "", Target { host: Name::Name(b"127.0.0.1"), port }, NOW);
        assert_eq!(world.host.dials[&0].sockets.len(), 1);
        assert!(world.outcome().1.is_ok());
    }

    #[test]
    fn the_next_address_has_its_turn_after_250_ms() {
        let (_listener, port) = listener();
        let mut world = World::new();
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let dial = Dial { addresses: vec![at, at].into(), ..Dial::default() };
        world.host.dials.insert(0, dial);
        world.host.try_next(0, NOW);
        assert_eq!(world.host.poll_at(), Some(NOW + STAGGER));
        assert!(world.host.next(NOW).is_none());
        assert_eq!(world.host.dials[&0].sockets.len(), 1);
        assert!(world.host.next(NOW + STAGGER).is_none());
        assert_eq!(world.host.dials[&0].sockets.len(), 2);
        assert!(world.outcome().1.is_ok());
        assert_eq!(world.host.entries.len(), 1, "the loser is dropped");
    }

    #[test]
    fn an_address_that_fails_makes_room_for_the_next_at_once() {
        let (_listener, port) = listener();
        let mut world = World::new();
        let addresses = [([127, 0, 0, 1], 1), ([127, 0, 0, 1], port)].map(SocketAddr::from);
        world.host.dials.insert(0, Dial { addresses: addresses.into(), ..Dial::default() });
        world.host.try_next(0, NOW);
        assert!(world.outcome().1.is_ok());
    }

    #[test]
    fn a_name_that_is_not_resolved_in_time_is_given_up() {
        let mut world = World::new();
        let (asked, now) = (Asked::default(), NOW + RESOLVE);
        let mut dial = Dial { asked: Some(("slow.example".into(), asked)), ..Dial::default() };
        dial.next_at = Some(now);
        dial.timer = world.host.timers.set(5, dial.next_at, None);
        world.host.dials.insert(5, dial);
        assert_eq!(world.host.poll_at(), Some(now));
        let Some(Event::Dialed { key: 5, outcome: Err(failure) }) = world.host.next(now) else {
            panic!("the time is over")
        };
        assert_eq!(failure.refusal, Refusal::HostUnreachable);
        assert!(failure.text.starts_with("slow.example: not resolved within 10 s"), "{failure}");
    }

    #[test]
    fn nothing_of_a_cancelled_dial_reaches_the_next_of_its_key() {
        let (listener, port) = listener();
        let mut world = World::new();
        for _ in 0..50 {
            world.host.dial(7, "", Target { host: HERE, port }, NOW);
            world.host.cancel(7);
        }
        let dialed = world.dial(7, HERE, port).unwrap();
        let known = (0..51).any(|_| listener.accept().is_ok_and(|(_, from)| from == dialed.bound));
        assert!(known && world.host.entries.len() == 1);
        world.host.cancel(7);
        assert_eq!(world.host.entries.len(), 0);
    }
}
