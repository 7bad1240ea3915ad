//! Datagrams to names: they wait while the name is asked for, in their order, and what was found is known for a while.
//!
//! A stream of datagrams to one name costs one question, and none of them overtakes another.

use super::lookup::PATIENCE;
use crate::resolve::{Answer, Asked, Resolved, Resolver};
use core::net::IpAddr;
use core::time::Duration;
use sockhop::time::Instant;
use std::collections::VecDeque;

/// Datagrams that may wait, of all associations together and of one.
const WAITING: usize = 256;
const SHARE: usize = 64;
/// Names whose addresses are known; beyond it the oldest is forgotten.
const KNOWN: usize = 1_024;
/// How long a name's addresses are known: the host's resolver tells no lifetime, so it is short.
const LIFETIME: Duration = Duration::from_secs(30);

/// A datagram that goes to the first of these addresses that takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// The association's key.
    pub(super) key: usize,
    /// The name, escaped.
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) port: u16,
    pub(super) payload: Vec<u8>,
}

/// A name that is being asked for.
#[derive(Debug)]
struct Question {
    generation: u64,
    name: Vec<u8>,
    /// Who wants to send what to which port, in their order.
    datagrams: Vec<(usize, u16, Vec<u8>)>,
    /// When the resolver has had its time.
    until: Instant,
    _asked: Asked,
}

/// The names that datagrams go to.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The earliest first.
    questions: VecDeque<Question>,
    /// The earliest first.
    known: VecDeque<(Vec<u8>, Vec<IpAddr>, Instant)>,
}

impl Names {
    /// Takes a datagram to a name, and returns it with its addresses if they are known; one that may not wait, or whose
    /// name is none, is lost.
    pub(super) fn send(
        &mut self,
        (key, generation): (usize, u64),
        (name, port): (&[u8], u16),
        payload: &[u8],
        resolver: &Resolver,
        now: Instant,
    ) -> Option<Sent> {
        let lower = name.to_ascii_lowercase();
        let of = |name: &[u8]| name.escape_ascii().to_string();
        let sent = |addresses| Some(Sent { key, name: of(name), addresses, port, payload: payload.to_vec() });
        let datagram = || (key, port, payload.to_vec());
        let room = self.has_room(key);
        if let Some(question) = self.questions.iter_mut().find(|question| question.name == lower) {
            if room {
                question.datagrams.push(datagram());
            }
            return None;
        }
        if let Some(addresses) = self.known(&lower, now) {
            return sent(addresses);
        }
        match resolver.resolve(key, generation, name, port) {
            Ok(Resolved::Literal(ip)) => sent(vec![ip]),
            Ok(Resolved::Asked(asked)) if room => {
                let (until, datagrams) = (now + PATIENCE, vec![datagram()]);
                self.questions.push_back(Question {
                    generation,
                    name: lower,
                    datagrams,
                    until,
                    _asked: asked,
                });
                None
            }
            Ok(Resolved::Asked(_)) | Err(_) => None,
        }
    }

    /// Takes the resolver's answer to a question of this generation, and returns what waited for it.
    pub(super) fn answered(&mut self, generation: u64, answer: &Answer, now: Instant) -> Vec<Sent> {
        let Some(at) = self.questions.iter().position(|question| question.generation == generation) else {
            return Vec::new();
        };
        let (Some(question), Ok(found)) = (self.questions.remove(at), answer) else { return Vec::new() };
        let mut addresses: Vec<IpAddr> = Vec::new();
        for ip in found.iter().map(|found| found.ip()) {
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
        let shown = question.name.escape_ascii().to_string();
        let sent = question.datagrams.into_iter().map(|(key, port, payload)| Sent {
            key,
            name: shown.clone(),
            addresses: addresses.clone(),
            port,
            payload,
        });
        let sent = sent.collect();
        if self.known.len() == KNOWN {
            self.known.pop_front();
        }
        self.known.push_back((question.name, addresses, now + LIFETIME));
        sent
    }

    /// Drops what has waited for too long, and forgets what was known for long enough.
    pub(super) fn elapse(&mut self, now: Instant) {
        while self.questions.front().is_some_and(|question| question.until <= now) {
            self.questions.pop_front();
        }
        while self.known.front().is_some_and(|(.., until)| *until <= now) {
            self.known.pop_front();
        }
    }

    /// Returns when [`elapse`](Self::elapse) has something to drop next; what is known can wait for any other reason.
    pub(super) fn next(&self) -> Option<Instant> {
        self.questions.front().map(|question| question.until)
    }

    /// Drops the datagrams of an association that is gone, and questions that nobody else has.
    pub(super) fn cancel(&mut self, key: usize) {
        for question in &mut self.questions {
            question.datagrams.retain(|(whose, ..)| *whose != key);
        }
        self.questions.retain(|question| !question.datagrams.is_empty());
    }

    fn known(&self, name: &[u8], now: Instant) -> Option<Vec<IpAddr>> {
        let mut entries = self.known.iter().rev();
        let found = entries.find(|(known, _, until)| known == name && *until > now);
        found.map(|(_, addresses, _)| addresses.clone())
    }

    fn has_room(&self, key: usize) -> bool {
        let waiting = || self.questions.iter().flat_map(|question| &question.datagrams);
        waiting().count() < WAITING && waiting().filter(|(whose, ..)| *whose == key).count() < SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::SocketAddr;
    use mio::{Poll, Token, Waker};
    use std::sync::Arc;

    const NOW: Instant = Instant::from_micros(1_000);

    /// A resolver whose questions are answered by the test.
    fn resolver() -> Resolver {
        let poll = Poll::new().expect("the host has descriptors");
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).expect("the host has descriptors"));
        Resolver::with(waker, |name, _| Err(name.to_owned()), |ip| Err(ip.to_string()))
    }

    fn found(addresses: &[&str]) -> Answer {
        Ok(addresses.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect())
    }

    fn payloads(sent: &[Sent]) -> Vec<u8> {
        sent.iter().map(|sent| sent.payload[0]).collect()
    }

    #[test]
    fn datagrams_to_a_name_leave_in_their_order_and_cost_one_question() {
        let (mut names, resolver) = (Names::default(), resolver());
        for (key, octet) in [(1, 1), (1, 2), (2, 3), (1, 4)] {
            let name = if octet == 4 { &b"ECHO.test"[..] } else { b"echo.test" };
            assert_eq!(names.send((key, octet.into()), (name, 7), &[octet], &resolver, NOW), None);
        }
        let sent = names.answered(1, &found(&["2001:db8::1", "192.0.2.1", "192.0.2.1"]), NOW);
        assert_eq!(payloads(&sent), [1, 2, 3, 4]);
        assert_eq!(sent[2].key, 2);
        let both: Vec<IpAddr> = ["2001:db8::1", "192.0.2.1"].map(|ip| ip.parse().expect("an address")).into();
        assert_eq!(sent[0].addresses, both, "each of them once, in the resolver's order");
        let next = names.send((1, 9), (b"Echo.test", 8), &[5], &resolver, NOW + LIFETIME / 2);
        assert_eq!(next.map(|sent| (sent.addresses, sent.port)), Some((both, 8)));
        assert_eq!(
            names.send((1, 10), (b"echo.test", 8), &[5], &resolver, NOW + LIFETIME),
            None,
            "asked anew"
        );
    }

    #[test]
    fn what_waits_for_too_long_is_dropped_at_its_time() {
        let (mut names, resolver) = (Names::default(), resolver());
        names.send((1, 1), (b"slow.test", 7), b"x", &resolver, NOW);
        assert_eq!(names.next(), Some(NOW + PATIENCE));
        names.elapse(NOW + PATIENCE);
        assert_eq!((names.next(), names.answered(1, &found(&["192.0.2.1"]), NOW).len()), (None, 0));
    }

    #[test]
    fn one_association_takes_no_more_than_its_share_and_all_no_more_than_theirs() {
        let (mut names, resolver) = (Names::default(), resolver());
        for key in 0..WAITING / SHARE + 1 {
            for octet in 0..u8::try_from(SHARE).expect("it is small") + 1 {
                names.send((key, 1), (b"slow.test", 7), &[octet], &resolver, NOW);
            }
        }
        let sent = names.answered(1, &found(&["192.0.2.1"]), NOW);
        assert_eq!(sent.len(), WAITING);
        assert!(
            sent.iter().all(|sent| usize::from(sent.payload[0]) < SHARE),
            "the last of each was one too many"
        );
    }

    #[test]
    fn an_association_that_is_gone_leaves_nothing_and_keeps_nobody_elses_from_leaving() {
        let (mut names, resolver) = (Names::default(), resolver());
        for (key, name) in [(1, &b"one.test"[..]), (1, b"both.test"), (2, b"both.test")] {
            names.send((key, key as u64 + name.len() as u64), (name, 7), &[1], &resolver, NOW);
        }
        names.cancel(1);
        assert_eq!(names.questions.len(), 1, "nobody asks for the first name any more");
        let generation = names.questions[0].generation;
        assert_eq!(names.answered(generation, &found(&["192.0.2.1"]), NOW).len(), 1);
    }

    #[test]
    fn the_oldest_name_is_forgotten_when_too_many_are_known() {
        let (mut names, resolver) = (Names::default(), resolver());
        for number in 0..=KNOWN as u64 {
            let name = format!("n{number}.test");
            names.send((1, number), (name.as_bytes(), 7), b"x", &resolver, NOW);
            names.answered(number, &found(&["192.0.2.1"]), NOW);
        }
        assert_eq!(names.known.len(), KNOWN);
        assert!(names.known(b"n0.test", NOW).is_none() && names.known(b"n1.test", NOW).is_some());
    }
}
