//! What each source of clients takes, and how much it may.

use core::net::{IpAddr, Ipv6Addr};
use sockhop::time::Instant;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sources that are remembered without a session of theirs; more are forgotten once their allowance is full again.
const REMEMBERED: usize = 4_096;

/// What one source may take. An IPv6 source is a network of 64 bits, for its owner has all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Sessions at once; as many as there are if it is not given.
    pub sessions: Option<usize>,
    /// New sessions in a second, after a burst of as many; at least 0.1.
    pub rate: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    sessions: usize,
    /// New sessions that it may have now, as of the moment beside.
    allowance: f64,
    at: Instant,
}

/// A proxy's account of its sources, of its own or together with others.
///
/// It is looked at when a session begins and when it ends. A share of the limits for each proxy would be refused early:
/// the few connections of one source may all come to the same one.
#[derive(Debug, Default)]
pub struct Ledger {
    sources: Held,
    /// Sessions that were refused here.
    refused: u64,
}

#[derive(Debug)]
enum Held {
    Alone(Sources),
    Together(Arc<Mutex<Sources>>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Alone(Sources::default())
    }
}

impl Ledger {
    /// Returns ledgers for so many proxies, which count together.
    pub fn several(of: usize) -> Vec<Self> {
        let sources = Arc::default();
        let together = |_| Self { sources: Held::Together(Arc::clone(&sources)), refused: 0 };
        if of > 1 { (0..of).map(together).collect() } else { vec![Self::default()] }
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut Sources) -> R) -> R {
        match &mut self.sources {
            Held::Alone(sources) => work(sources),
            // Nothing under the lock can be left half done.
            Held::Together(sources) => work(&mut sources.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Counts a new session; returns why it is not to be served, if it is not.
    pub(super) fn enter(&mut self, ip: IpAddr, now: Instant, limits: Limits) -> Option<String> {
        let why = self.with(|sources| sources.enter(ip, now, limits));
        self.refused += u64::from(why.is_some());
        why
    }

    /// Forgets a session.
    pub(super) fn leave(&mut self, ip: IpAddr, limits: Limits) {
        self.with(|sources| sources.leave(ip, limits));
    }

    /// Returns how many sessions were refused here.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }
}

/// Every source.
#[derive(Debug, Default)]
struct Sources {
    by_ip: HashMap<IpAddr, Source>,
}

impl Sources {
    fn enter(&mut self, ip: IpAddr, now: Instant, limits: Limits) -> Option<String> {
        let burst = limits.rate.unwrap_or(0.0).max(1.0);
        if self.by_ip.len() >= REMEMBERED {
            let rate = limits.rate.unwrap_or(f64::INFINITY);
            let full =
                |source: &Source| source.allowance + now.since(source.at).as_secs_f64() * rate >= burst;
            self.by_ip.retain(|_, source| source.sessions > 0 || !full(source));
        }
        let source =
            self.by_ip.entry(network(ip)).or_insert(Source { sessions: 0, allowance: burst, at: now });
        source.sessions += 1;
        if let Some(rate) = limits.rate {
            let gained = now.since(source.at).as_secs_f64() * rate;
            (source.allowance, source.at) = ((source.allowance + gained).min(burst), now);
        }
        let why = match limits {
            Limits { sessions: Some(most), .. } if source.sessions > most => {
                format!("{ip} has {most} sessions already")
            }
            Limits { rate: Some(rate), .. } if source.allowance < 1.0 => {
                format!("{ip} opens more than {rate} sessions a second")
            }
            Limits { rate, .. } => {
                if rate.is_some() {
                    source.allowance -= 1.0;
                }
                return None;
            }
        };
        Some(why)
    }

    fn leave(&mut self, ip: IpAddr, limits: Limits) {
        let ip = network(ip);
        if let Some(source) = self.by_ip.get_mut(&ip) {
            source.sessions = source.sessions.saturating_sub(1);
            if source.sessions == 0 && limits.rate.is_none() {
                self.by_ip.remove(&ip);
            }
        }
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !0 << 64)),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const NOW: Instant = Instant::from_micros(1_000_000);

    #[test]
    fn a_source_has_so_many_sessions_at_once_and_others_are_none_of_its_business() {
        let limits = Limits { sessions: Some(2), rate: None };
        let mut sources = Sources::default();
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|ip| ip.parse().unwrap());
        assert_eq!(sources.enter(one, NOW, limits), None);
        assert_eq!(sources.enter(same, NOW, limits), None);
        assert!(sources.enter(one, NOW, limits).is_some_and(|why| why.contains("2 sessions")));
        assert_eq!(sources.enter(other, NOW, limits), None);
        // The one that was refused counts until it has gone.
        sources.leave(one, limits);
        assert!(sources.enter(one, NOW, limits).is_some());
        sources.leave(one, limits);
        sources.leave(one, limits);
        assert_eq!(sources.enter(one, NOW, limits), None);
        for ip in [one, one, other] {
            sources.leave(ip, limits);
        }
        assert!(sources.by_ip.is_empty(), "nothing is left of those who left");
    }

    #[test]
    fn a_burst_is_as_long_as_a_second_and_then_the_rate_holds() {
        let limits = Limits { sessions: None, rate: Some(5.0) };
        let mut sources = Sources::default();
        let ip = "192.0.2.1".parse().unwrap();
        let served = |sources: &mut Sources, now: Instant, times: usize| {
            (0..times).filter(|_| sources.enter(ip, now, limits).is_none()).count()
        };
        assert_eq!(served(&mut sources, NOW, 20), 5);
        assert_eq!(served(&mut sources, NOW + Duration::from_millis(399), 20), 1);
        assert_eq!(served(&mut sources, NOW + Duration::from_secs(60), 20), 5);
    }

    #[test]
    fn proxies_that_count_together_refuse_together() {
        let limits = Limits { sessions: Some(2), rate: None };
        let mut ledgers = Ledger::several(2);
        let ip = "192.0.2.1".parse().unwrap();
        assert_eq!(ledgers[0].enter(ip, NOW, limits), None);
        assert_eq!(ledgers[1].enter(ip, NOW, limits), None);
        assert!(ledgers[1].enter(ip, NOW, limits).is_some());
        assert_eq!((ledgers[0].refused(), ledgers[1].refused()), (0, 1), "each tells of its own");
        ledgers[1].leave(ip, limits);
        ledgers[0].leave(ip, limits);
        assert_eq!(ledgers[0].enter(ip, NOW, limits), None);
    }

    #[test]
    fn sources_that_have_gone_are_forgotten() {
        let limits = Limits { sessions: None, rate: Some(1.0) };
        let mut sources = Sources::default();
        for number in 0..20_000_u32 {
            let ip = IpAddr::V4(core::net::Ipv4Addr::from_bits(number));
            let now = NOW + Duration::from_millis(u64::from(number));
            assert_eq!(sources.enter(ip, now, limits), None);
            sources.leave(ip, limits);
        }
        assert!(sources.by_ip.len() <= REMEMBERED, "{}", sources.by_ip.len());
    }
}
