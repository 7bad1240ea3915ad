//! Names and addresses that clients ask for and nothing else (RESOLVE and RESOLVE_PTR of Tor's socks-extensions §2).
//!
//! A client is told what the rules would let it connect to at some port, and of nothing else whether it exists.

use super::{Asked as Wanted, Failure, Found, Policy};
use crate::resolve::{Answer, Asked, Resolved, Resolver, literal_of};
use core::net::IpAddr;
use core::time::Duration;
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host, HostOf, Target};
use std::collections::{HashMap, VecDeque};

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a client has asked for.
#[derive(Debug)]
struct LookUp {
    /// Tells an answer of the resolver's for this one from one for an earlier one of the same key.
    generation: u64,
    wanted: Wanted,
    /// The name or the address, escaped.
    shown: String,
    _asked: Asked,
}

/// Every look-up under way.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    by_key: HashMap<usize, LookUp>,
    /// When each of them is too late, the earliest first; those that are gone are passed over.
    late: VecDeque<(Instant, usize, u64)>,
}

impl LookUps {
    /// Asks for the address of a name; returns the answer if it needs no asking.
    pub(super) fn resolve(
        &mut self,
        (key, generation): (usize, u64),
        user: &str,
        target: Target<'_>,
        (policy, resolver): (&Policy, &Resolver),
        now: Instant,
    ) -> Option<Found> {
        let wanted = Wanted { user: user.to_owned(), name: super::named(target) };
        let resolved = match target.host {
            Host::Ip(ip) => Ok(Resolved::Literal(ip)),
            Host::Name(name) => resolver.resolve(key, generation, name, target.port),
        };
        match resolved {
            Ok(Resolved::Literal(ip)) => Some(policy.may_tell(&wanted, Some(ip)).map(|()| HostOf::Ip(ip))),
            Ok(Resolved::Asked(asked)) => {
                let shown = target.host.to_string();
                self.begin(key, LookUp { generation, wanted, shown, _asked: asked }, now);
                None
            }
            Err(text) => Some(Err(unreachable(text))),
        }
    }

    /// Asks for the name of an address, which may itself be spelled as a name; returns the answer if there can be none.
    pub(super) fn reverse(
        &mut self,
        (key, generation): (usize, u64),
        user: &str,
        target: Target<'_>,
        (policy, resolver): (&Policy, &Resolver),
        now: Instant,
    ) -> Option<Found> {
        let wanted = Wanted { user: user.to_owned(), name: None };
        let asked = address(target).and_then(|ip| {
            policy.may_tell(&wanted, Some(ip))?;
            resolver.reverse(key, generation, ip).map_err(unreachable)
        });
        match asked {
            Ok(asked) => {
                let shown = target.host.to_string();
                self.begin(key, LookUp { generation, wanted, shown, _asked: asked }, now);
                None
            }
            Err(failure) => Some(Err(failure)),
        }
    }

    fn begin(&mut self, key: usize, look_up: LookUp, now: Instant) {
        self.late.push_back((now + PATIENCE, key, look_up.generation));
        self.by_key.insert(key, look_up);
    }

    /// Takes the resolver's answer for a name: the first address that the rules let be told.
    pub(super) fn resolved(
        &mut self,
        key: usize,
        generation: u64,
        answer: &Answer,
        policy: &Policy,
    ) -> Option<Found> {
        let look_up = self.take(key, generation)?;
        let addresses = match answer {
            Ok(addresses) => addresses.iter().map(|address| address.ip().to_canonical()),
            Err(text) => return Some(Err(unreachable(text.clone()))),
        };
        let mut refused = Err(unreachable(format!("{}: the name has no address", look_up.shown)));
        for (number, ip) in addresses.enumerate() {
            match policy.may_tell(&look_up.wanted, Some(ip)) {
                Ok(()) => return Some(Ok(HostOf::Ip(ip))),
                Err(failure) if number == 0 => refused = Err(failure),
                Err(_) => {}
            }
        }
        Some(refused)
    }

    /// Takes the resolver's answer for an address.
    pub(super) fn named(
        &mut self,
        key: usize,
        generation: u64,
        answer: Result<String, String>,
    ) -> Option<Found> {
        self.take(key, generation)?;
        Some(answer.map(|name| HostOf::Name(name.into_bytes())).map_err(unreachable))
    }

    /// Returns a look-up that has had its time, with what is to be said of it.
    pub(super) fn due(&mut self, now: Instant) -> Option<(usize, Found)> {
        while let Some((_, key, generation)) = self.late.front().copied().filter(|(late, ..)| *late <= now) {
            self.late.pop_front();
            if let Some(look_up) = self.take(key, generation) {
                let text = format!("{}: not answered within {} s", look_up.shown, PATIENCE.as_secs());
                return Some((key, Err(unreachable(text))));
            }
        }
        None
    }

    /// Returns when [`due`](Self::due) has to be asked next.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.by_key.is_empty() { None } else { self.late.front().map(|(late, ..)| *late) }
    }

    pub(super) fn contains(&self, key: usize) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(super) fn cancel(&mut self, key: usize) {
        self.by_key.remove(&key);
    }

    fn take(&mut self, key: usize, generation: u64) -> Option<LookUp> {
        self.by_key.get(&key).filter(|look_up| look_up.generation == generation)?;
        self.by_key.remove(&key)
    }
}

/// Returns the address whose name is asked for.
///
/// # Errors
/// [`Failure`] when the target is no address in any spelling.
pub(super) fn address(target: Target<'_>) -> Result<IpAddr, Failure> {
    let spelled = match target.host {
        Host::Ip(ip) => Some(ip),
        Host::Name(name) => literal_of(name).ok().flatten(),
    };
    spelled.map(|ip| ip.to_canonical()).ok_or_else(|| Failure {
        refusal: Refusal::AddressTypeNotSupported,
        text: format!("{}: RESOLVE_PTR asks for the name of an address", target.host),
    })
}

fn unreachable(text: String) -> Failure {
    Failure { refusal: Refusal::HostUnreachable, text }
}
