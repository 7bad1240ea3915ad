//! Targets that are in this process: origins with a script, for tests and the lab.
//!
//! ```
//! use sockhop::relay::Stream;
//! use sockhop_hosted::egress::memory::{Origin, pattern};
//!
//! let mut origin = Origin::new(3, false);
//! let mut room = [0; 16];
//! assert_eq!(origin.read(&mut room), Ok(3));
//! assert_eq!(room[..3], [pattern(0), pattern(1), pattern(2)]);
//! assert_eq!(origin.read(&mut room), Ok(0)); // its FIN
//! ```

use super::{Dialed, Egress, Event, Failure, Leg};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use sockhop::relay::{Broken, Stream};
use sockhop::socks5::Refusal;
use sockhop::time::Instant;
use sockhop::wire::{Host, HostOf, Target};
use std::collections::VecDeque;

/// The address of every name.
const NAMED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));

/// An origin: it sends octets of a pattern, then its FIN, and counts what it hears.
#[derive(Debug)]
pub struct Origin {
    sent: u64,
    size: u64,
    answers: bool,
    heard: u64,
    closed: bool,
    aborted: bool,
}

impl Origin {
    /// Returns an origin that sends `size` octets; one that `answers` waits for the client's FIN first.
    pub const fn new(size: u64, answers: bool) -> Self {
        Self { sent: 0, size, answers, heard: 0, closed: false, aborted: false }
    }
}

/// Returns the octet at this place of the pattern, in which a shift, a repetition or a hole shows.
pub const fn pattern(at: u64) -> u8 {
    (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0]
}

impl Stream for Origin {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!into.is_empty(), "0 octets read would look like a FIN");
        if self.aborted {
            return Err(nb::Error::Other(Broken::Reset));
        }
        if self.answers && !self.closed {
            return Err(nb::Error::WouldBlock);
        }
        let left = usize::try_from(self.size - self.sent).unwrap_or(usize::MAX);
        let count = left.min(into.len());
        for octet in &mut into[..count] {
            *octet = pattern(self.sent);
            self.sent += 1;
        }
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        if self.aborted || self.closed {
            return Err(nb::Error::Other(Broken::Reset));
        }
        self.heard += from.len() as u64;
        Ok(from.len())
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn abort(&mut self) {
        self.aborted = true;
    }
}

/// An egress whose every target is an [`Origin`]; port 9 refuses.
#[derive(Debug, Default)]
pub struct Memory {
    size: u64,
    answers: bool,
    dialed: VecDeque<(usize, u16)>,
    /// What is told next; datagrams among it, for every target sends back what it hears.
    events: VecDeque<Event<Origin>>,
}

impl Memory {
    /// Returns an egress to origins that send `size` octets each; those that `answer` wait for a FIN first.
    pub const fn new(size: u64, answers: bool) -> Self {
        Self { size, answers, dialed: VecDeque::new(), events: VecDeque::new() }
    }
}

impl Egress for Memory {
    type Stream = Origin;

    fn dial(&mut self, key: usize, _user: &str, target: Target<'_>, _now: Instant) {
        let live = self.dialed.iter().any(|(dialed, _)| *dialed == key);
        debug_assert!(!live, "cancel() comes before a key is used again");
        self.dialed.push_back((key, target.port));
    }

    fn bind(&mut self, key: usize, _user: &str, _peer: Target<'_>, _now: Instant) {
        let text = "nobody connects to memory".to_owned();
        let outcome = Err(Failure { refusal: Refusal::CommandNotSupported, text });
        self.events.push_back(Event::Bound { key, outcome });
    }

    fn associate(&mut self, key: usize, _user: &str, _now: Instant) {
        self.events.push_back(Event::Associated { key, outcome: Ok(()) });
    }

    fn resolve(&mut self, key: usize, _user: &str, target: Target<'_>, _now: Instant) {
        let ip = match target.host {
            Host::Ip(ip) => ip,
            Host::Name(_) => NAMED,
        };
        self.events.push_back(Event::Resolved { key, outcome: Ok(HostOf::Ip(ip)) });
    }

    fn reverse(&mut self, key: usize, _user: &str, _target: Target<'_>, _now: Instant) {
        let outcome = Ok(HostOf::Name(b"origin.example".to_vec()));
        self.events.push_back(Event::Resolved { key, outcome });
    }

    fn send(&mut self, key: usize, target: Target<'_>, payload: &[u8], _now: Instant) {
        let ip = match target.host {
            Host::Ip(ip) => ip,
            Host::Name(_) => NAMED,
        };
        let from = SocketAddr::new(ip, target.port);
        self.events.push_back(Event::Datagram { key, from, payload: payload.to_vec() });
    }

    fn cancel(&mut self, key: usize) {
        self.events.retain(|event| event.key() != key);
        self.dialed.retain(|(dialed, _)| *dialed != key);
    }

    fn next(&mut self, _now: Instant) -> Option<Event<Origin>> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let (key, port) = self.dialed.pop_front()?;
        let outcome = if port == 9 {
            Err(Failure { refusal: Refusal::ConnectionRefused, text: "port 9 refuses".to_owned() })
        } else {
            let bound = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 40_000));
            Ok(Dialed { stream: Leg::Own(Origin::new(self.size, self.answers)), bound })
        };
        Some(Event::Dialed { key, outcome })
    }

    fn poll_at(&self) -> Option<Instant> {
        (!self.dialed.is_empty() || !self.events.is_empty()).then_some(Instant::ZERO)
    }
}
