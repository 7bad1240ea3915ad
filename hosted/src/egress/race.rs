//! Dials under way: a name is resolved, and its addresses race (RFC 8305 §4 and §5).
//!
//! They are tried in the resolver's order, families in turn, each 250 ms after the one before or as soon as that has
//! failed; the first to connect wins. What an attempt is, only its egress knows.

use super::lookup::PATIENCE;
use super::{Asked as Wanted, Failure, Policy, named};
use crate::engine::Timers;
use crate::resolve::{Answer, Asked, Resolved, Resolver};
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host as Name, Target};
use std::collections::{HashMap, VecDeque};

/// How long an address is waited for before the next is tried as well (RFC 8305 §8).
const STAGGER: Duration = Duration::from_millis(250);

/// A dial under way.
#[derive(Debug)]
struct Dial<A> {
    /// Tells an answer of the resolver's for this dial from one for an earlier dial of the same key.
    generation: u64,
    /// Who wants it, and by which name.
    wanted: Wanted,
    /// The name, while the resolver is asked for it.
    asked: Option<(String, Asked)>,
    addresses: VecDeque<SocketAddr>,
    attempts: Vec<A>,
    /// When the resolver has had its time, or the next address has its turn.
    next_at: Option<Instant>,
    /// When it comes up in the timers next.
    timer: Option<Instant>,
    failure: Option<Failure>,
}

/// What is to be done for a dial.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begin to connect to this address, then say so by [`Race::begun`] or [`Race::failed`].
    Try(SocketAddr),
    /// Wait for the resolver or for what is under way.
    Wait,
    /// End it: no address is left.
    Fail(Failure),
}

/// Every dial under way.
#[derive(Debug)]
pub(super) struct Race<A> {
    dials: HashMap<usize, Dial<A>>,
    timers: Timers,
}

impl<A: Copy + PartialEq> Race<A> {
    pub(super) fn new() -> Self {
        Self { dials: HashMap::new(), timers: Timers::default() }
    }

    pub(super) fn contains(&self, key: usize) -> bool {
        self.dials.contains_key(&key)
    }

    /// Begins a dial; its first step stands if the target is an address, and when the resolver has answered if not.
    ///
    /// # Errors
    /// The target is no name, or too many names wait.
    pub(super) fn begin(
        &mut self,
        (key, generation): (usize, u64),
        user: &str,
        target: Target<'_>,
        resolver: &Resolver,
        now: Instant,
    ) -> Result<(), Failure> {
        let mut dial = Dial {
            generation,
            wanted: Wanted { user: user.to_owned(), name: named(target) },
            asked: None,
            addresses: VecDeque::new(),
            attempts: Vec::new(),
            next_at: None,
            timer: None,
            failure: None,
        };
        let resolved = match target.host {
            Name::Ip(ip) => Ok(Resolved::Literal(ip)),
            Name::Name(name) => resolver.resolve(key, generation, name, target.port),
        };
        match resolved {
            Ok(Resolved::Literal(ip)) => dial.addresses.push_back(SocketAddr::new(ip, target.port)),
            Ok(Resolved::Asked(asked)) => {
                dial.asked = Some((target.host.to_string(), asked));
                dial.next_at = Some(now + PATIENCE);
                dial.timer = self.timers.set(key, dial.next_at, None);
            }
            Err(text) => return Err(Failure { refusal: Refusal::HostUnreachable, text }),
        }
        self.dials.insert(key, dial);
        Ok(())
    }

    /// Takes the resolver's answer for a dial; one for a dial that is gone is nobody's.
    ///
    /// # Errors
    /// The name has no address.
    pub(super) fn answered(&mut self, key: usize, generation: u64, answer: Answer) -> Result<(), Failure> {
        let Some(dial) = self.dials.get_mut(&key).filter(|dial| dial.generation == generation) else {
            return Ok(());
        };
        dial.asked = None;
        let addresses = answer.map_err(|text| Failure { refusal: Refusal::HostUnreachable, text })?;
        dial.addresses = interleaved(addresses).into();
        Ok(())
    }

    /// Returns what is to be done for a dial now; an address that the rules refuse is passed over.
    pub(super) fn step(&mut self, key: usize, policy: &Policy) -> Step {
        let Some(dial) = self.dials.get_mut(&key).filter(|dial| dial.asked.is_none()) else {
            return Step::Wait;
        };
        while let Some(address) = dial.addresses.pop_front() {
            match policy.judge(&dial.wanted, address) {
                Ok(at) => return Step::Try(at),
                Err(failure) => note(dial, failure),
            }
        }
        dial.next_at = None;
        if !dial.attempts.is_empty() {
            return Step::Wait;
        }
        let text = "the name has no address".to_owned();
        Step::Fail(dial.failure.take().unwrap_or(Failure { refusal: Refusal::HostUnreachable, text }))
    }

    /// Notes an attempt under way; the next address has its turn after it has had its time.
    pub(super) fn begun(&mut self, key: usize, attempt: A, now: Instant) {
        if let Some(dial) = self.dials.get_mut(&key) {
            dial.attempts.push(attempt);
            dial.next_at = (!dial.addresses.is_empty()).then_some(now + STAGGER);
            dial.timer = self.timers.set(key, dial.next_at, dial.timer);
        }
    }

    /// Notes that an attempt has failed, or that none could be begun; another step stands.
    pub(super) fn failed(&mut self, key: usize, attempt: Option<A>, failure: Failure) {
        if let Some(dial) = self.dials.get_mut(&key) {
            dial.attempts.retain(|other| Some(*other) != attempt);
            note(dial, failure);
        }
    }

    /// Returns a dial whose next address has its turn, with a failure if it is to end because its name took too long.
    pub(super) fn due(&mut self, now: Instant) -> Option<(usize, Option<Failure>)> {
        while let Some(key) =
            self.timers.due(now, self.dials.len(), |key| self.dials.get(&key).and_then(|dial| dial.timer))
        {
            let Some(dial) = self.dials.get_mut(&key) else { continue };
            dial.timer = None;
            if dial.next_at.is_none_or(|next| next > now) {
                dial.timer = self.timers.set(key, dial.next_at, None);
                continue;
            }
            let late = dial.asked.as_ref().map(|(name, _)| Failure {
                refusal: Refusal::HostUnreachable,
                text: format!("{name}: not resolved within {} s", PATIENCE.as_secs()),
            });
            return Some((key, late));
        }
        None
    }

    /// Forgets a dial and returns the attempts under way but the one that won, for its egress to drop.
    pub(super) fn end(&mut self, key: usize, winner: Option<A>) -> Vec<A> {
        let mut attempts = self.dials.remove(&key).map(|dial| dial.attempts).unwrap_or_default();
        attempts.retain(|attempt| Some(*attempt) != winner);
        attempts
    }

    /// Returns when [`due`](Self::due) has to be asked next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

/// Keeps the failure that says most: one of the network's rather than one of the rules', the first of its kind.
fn note<A>(dial: &mut Dial<A>, failure: Failure) {
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
}
