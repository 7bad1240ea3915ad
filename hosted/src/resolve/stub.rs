//! A stub resolver on a thread of its own: every name under way has a socket and a deadline, so none waits for another.

use super::lookup::{Lookup, in_order};
use super::system::{Source, System};
use super::{Queue, Told, Tongue, What};
use mio::{Events, Poll, Token, Waker};
use slab::Slab;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Names that are asked for at once, each with one descriptor.
const AT_ONCE: usize = 256;
/// Octets of the largest message.
const ROOM: usize = 65_536;
const WAKER: Token = Token(0);
const FIRST: usize = 1;

/// What the thread has.
pub(super) struct Stub {
    poll: Poll,
    queue: Arc<Queue>,
    source: Source,
    lookups: Slab<Lookup>,
    tongue: Tongue,
    room: Vec<u8>,
}

impl Stub {
    /// Returns a resolver for the questions of a queue, and what wakes it when there are some.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub(super) fn new(queue: Arc<Queue>, source: Source, tongue: Tongue) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let room = vec![0; ROOM];
        Ok((Self { poll, queue, source, lookups: Slab::new(), tongue, room }, waker))
    }

    /// Answers until the queue is closed.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(AT_ONCE);
        while !self.queue.is_closed() {
            let next = self.lookups.iter().map(|(_, lookup)| lookup.due).min();
            let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
            // An interrupted wait is one without events.
            let _ = self.poll.poll(&mut events, wait);
            let now = Instant::now();
            for event in &events {
                self.ready(event.token(), now);
            }
            self.expire(now);
            self.lookups.retain(|_, lookup| !lookup.question.is_forgotten());
            self.begin(now);
        }
    }

    /// Begins with questions that wait, for as long as there is room.
    fn begin(&mut self, now: Instant) {
        while self.lookups.len() < AT_ONCE {
            let Some(question) = self.queue.next() else { return };
            let system = self.source.system();
            if let Some(told) = known(system, &question.what) {
                // An owner that cannot be told is gone, and has closed the queue.
                self.tongue.tell(question, told);
                continue;
            }
            let lookup = Lookup::new(question, system, now);
            let entry = self.lookups.vacant_entry();
            let key = entry.key();
            let lookup = entry.insert(lookup);
            let told = lookup.begin(self.poll.registry(), Token(FIRST + key), now);
            self.finish(key, told);
        }
    }

    fn ready(&mut self, token: Token, now: Instant) {
        let Some(key) = token.0.checked_sub(FIRST) else { return };
        let Some(lookup) = self.lookups.get_mut(key) else { return };
        let told = lookup.ready(self.poll.registry(), token, now, &mut self.room);
        self.finish(key, told);
    }

    fn expire(&mut self, now: Instant) {
        let late = self.lookups.iter().filter(|(_, lookup)| lookup.due <= now);
        for key in late.map(|(key, _)| key).collect::<Vec<_>>() {
            if let Some(lookup) = self.lookups.get_mut(key) {
                let told = lookup.expire(self.poll.registry(), Token(FIRST + key), now);
                self.finish(key, told);
            }
        }
    }

    fn finish(&mut self, key: usize, told: Option<Told>) {
        if let Some(told) = told {
            let question = self.lookups.remove(key).question;
            self.tongue.tell(question, told);
        }
    }
}

/// Returns what is known without asking anybody.
fn known(system: &System, what: &What) -> Option<Told> {
    match what {
        What::Addresses(name, port) => {
            let known = system.known(name);
            (!known.is_empty()).then(|| Told::Addresses(Ok(in_order(known, *port))))
        }
        What::Name(ip) => system.known_as(*ip).map(|name| Told::Name(Ok(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::system::System;
    use super::super::wire::tests::{answer, refuse};
    use super::super::{Answer, Resolved, Resolver, Reversed};
    use super::*;
    use core::net::IpAddr;
    use core::net::SocketAddr;
    use core::time::Duration;
    use domain::base::iana::Rcode;
    use std::io::{Read, Write};
    use std::net::{TcpListener, UdpSocket};
    use std::thread;

    /// A resolver that asks `server`, and what it wakes.
    fn asking(server: &[SocketAddr], timeout: Duration) -> (Resolver, Poll) {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).unwrap());
        let mut system = System::read("", "");
        (system.servers, system.timeout) = (server.to_vec(), timeout);
        (Resolver::stub(waker, Source::fixed(system)).unwrap(), poll)
    }

    fn next(resolver: &Resolver, poll: &mut Poll) -> (usize, Answer) {
        let mut events = Events::with_capacity(8);
        loop {
            if let Some((key, _, answer)) = resolver.answer() {
                return (key, answer);
            }
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        }
    }

    fn next_name(resolver: &Resolver, poll: &mut Poll) -> (usize, Reversed) {
        let mut events = Events::with_capacity(8);
        loop {
            if let Some((key, _, name)) = resolver.name() {
                return (key, name);
            }
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        }
    }

    /// A name server that answers on a thread: by name, nothing at all, that it fails, that there is more, or an address.
    fn server() -> SocketAddr {
        // A port that is free for one protocol may be taken for the other.
        let (socket, listener, at) = (0..64)
            .find_map(|_| {
                let listener = TcpListener::bind("127.0.0.1:0").ok()?;
                let at = listener.local_addr().ok()?;
                Some((UdpSocket::bind(at).ok()?, listener, at))
            })
            .unwrap();
        thread::spawn(move || {
            let mut room = [0; 2_048];
            while let Ok((count, from)) = socket.recv_from(&mut room) {
                let query = &room[..count];
                let named = |part: &[u8]| query.windows(part.len()).any(|window| window == part);
                let said = match () {
                    () if named(b"silent") => continue,
                    () if named(b"failing") => refuse(query, Rcode::SERVFAIL, false),
                    () if named(b"\x0266") || named(b"nobody") => refuse(query, Rcode::NXDOMAIN, false),
                    () if named(b"long") => refuse(query, Rcode::NOERROR, true),
                    () if named(b"\x0267") => answer(query, &[]),
                    () => answer(query, &["192.0.2.7".parse().unwrap()]),
                };
                socket.send_to(&said, from).unwrap();
            }
        });
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut query).unwrap();
                    let said = answer(&query, &["192.0.2.8".parse().unwrap()]);
                    stream.write_all(&u16::try_from(said.len()).unwrap().to_be_bytes()).unwrap();
                    stream.write_all(&said).unwrap();
                }
            }
        });
        at
    }

    #[test]
    fn a_hundred_names_in_a_silent_zone_hold_no_other_name_up() {
        let (resolver, mut poll) = asking(&[server()], Duration::from_secs(30));
        let silent: Vec<_> = (0..100)
            .map(|key| resolver.resolve(key, 0, format!("{key}.silent").as_bytes(), 80).unwrap())
            .collect();
        let quick = resolver.resolve(1_000, 0, b"quick.test", 80).unwrap();
        assert!(matches!(quick, Resolved::Asked(_)));
        let (key, answer) = next(&resolver, &mut poll);
        assert_eq!((key, answer), (1_000, Ok(vec!["192.0.2.7:80".parse().unwrap()])));
        drop(silent);
    }

    #[test]
    fn a_cut_answer_is_asked_for_again_over_tcp() {
        let (resolver, mut poll) = asking(&[server()], Duration::from_secs(10));
        let _asked = resolver.resolve(1, 0, b"long.test", 443).unwrap();
        assert_eq!(next(&resolver, &mut poll), (1, Ok(vec!["192.0.2.8:443".parse().unwrap()])));
    }

    #[test]
    fn a_server_that_is_not_there_makes_room_for_the_next() {
        // Bound and dropped: nobody is there, and the kernel says so.
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (resolver, mut poll) = asking(&[nobody, server()], Duration::from_secs(10));
        let _asked = resolver.resolve(1, 0, b"quick.test", 80).unwrap();
        assert!(next(&resolver, &mut poll).1.is_ok());
    }

    #[test]
    fn why_there_is_no_address_is_said_with_the_name_and_the_server() {
        let (resolver, mut poll) = asking(&[server()], Duration::from_millis(50));
        for (name, said) in [
            ("nobody.test", "nobody.test: nobody has this name"),
            ("failing.test", "failing.test: name server 127.0.0.1: it says SERVFAIL"),
            ("silent.test", "silent.test: name server 127.0.0.1: no answer in 0.05 s"),
        ] {
            let _asked = resolver.resolve(1, 0, name.as_bytes(), 80).unwrap();
            assert_eq!(next(&resolver, &mut poll).1, Err(said.to_owned()));
        }
        let _asked = resolver.resolve(2, 0, b"www.localhost", 80).unwrap();
        assert_eq!(next(&resolver, &mut poll).1.unwrap().len(), 2);
    }

    #[test]
    fn an_address_has_the_name_that_a_server_or_this_host_gives_it() {
        let (resolver, mut poll) = asking(&[server()], Duration::from_secs(10));
        let mut ask = |key, ip: &str| {
            let _asked = resolver.reverse(key, 0, ip.parse::<IpAddr>().unwrap()).unwrap();
            next_name(&resolver, &mut poll)
        };
        assert_eq!(ask(1, "192.0.2.7"), (1, Ok("host.test".to_owned())));
        assert_eq!(ask(2, "2001:db8::7"), (2, Ok("host.test".to_owned())));
        assert_eq!(ask(3, "127.0.0.1"), (3, Ok("localhost".to_owned())));
        assert_eq!(ask(4, "192.0.2.66"), (4, Err("192.0.2.66: it has no name".to_owned())));
        assert_eq!(ask(5, "192.0.2.67"), (5, Err("192.0.2.67: it has no name".to_owned())));
    }
}
