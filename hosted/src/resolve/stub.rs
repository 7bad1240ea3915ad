//! A stub resolver on a thread of its own: every name under way has a socket and a deadline, so none waits for another.

use super::lookup::{Lookup, in_order};
use super::system::Source;
use super::{Answer, Answered, Question, Queue};
use mio::{Events, Poll, Token, Waker};
use slab::Slab;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
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
    answers: Sender<Answered>,
    owner: Arc<Waker>,
    room: Vec<u8>,
}

impl Stub {
    /// Returns a resolver for the questions of a queue, and what wakes it when there are some.
    ///
    /// # Errors
    /// The host's, when it has no descriptors left.
    pub(super) fn new(
        queue: Arc<Queue>,
        source: Source,
        answers: Sender<Answered>,
        owner: Arc<Waker>,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let room = vec![0; ROOM];
        Ok((Self { poll, queue, source, lookups: Slab::new(), answers, owner, room }, waker))
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
            let known = system.known(&question.name);
            if !known.is_empty() {
                let addresses = in_order(known, question.port);
                self.tell(question, Ok(addresses));
                continue;
            }
            let lookup = Lookup::new(question, system, now);
            let entry = self.lookups.vacant_entry();
            let key = entry.key();
            let lookup = entry.insert(lookup);
            let answer = lookup.begin(self.poll.registry(), Token(FIRST + key), now);
            self.finish(key, answer);
        }
    }

    fn ready(&mut self, token: Token, now: Instant) {
        let Some(key) = token.0.checked_sub(FIRST) else { return };
        let Some(lookup) = self.lookups.get_mut(key) else { return };
        let answer = lookup.ready(self.poll.registry(), token, now, &mut self.room);
        self.finish(key, answer);
    }

    fn expire(&mut self, now: Instant) {
        let late = self.lookups.iter().filter(|(_, lookup)| lookup.due <= now);
        for key in late.map(|(key, _)| key).collect::<Vec<_>>() {
            if let Some(lookup) = self.lookups.get_mut(key) {
                let answer = lookup.expire(self.poll.registry(), Token(FIRST + key), now);
                self.finish(key, answer);
            }
        }
    }

    fn finish(&mut self, key: usize, answer: Option<Answer>) {
        if let Some(answer) = answer {
            let question = self.lookups.remove(key).question;
            self.tell(question, answer);
        }
    }

    fn tell(&self, question: Question, answer: Answer) {
        // An owner that cannot be told is gone, and has closed the queue.
        if self.answers.send((question, answer)).is_ok() {
            let _ = self.owner.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::system::System;
    use super::super::wire::tests::{answer, refuse};
    use super::super::{Resolved, Resolver};
    use super::*;
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

    /// A name server that answers on a thread: by name, nothing at all, that it fails, that there is more, or an address.
    fn server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let listener = TcpListener::bind(at).unwrap();
        thread::spawn(move || {
            let mut room = [0; 2_048];
            while let Ok((count, from)) = socket.recv_from(&mut room) {
                let query = &room[..count];
                let named = |part: &[u8]| query.windows(part.len()).any(|window| window == part);
                let said = match () {
                    () if named(b"silent") => continue,
                    () if named(b"failing") => refuse(query, Rcode::SERVFAIL, false),
                    () if named(b"nobody") => refuse(query, Rcode::NXDOMAIN, false),
                    () if named(b"long") => refuse(query, Rcode::NOERROR, true),
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
}
