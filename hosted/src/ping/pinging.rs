//! The service that sends probes and hears their echoes.

use super::Tally;
use crate::engine::FlowId;
use crate::front::Front;
use crate::serve::Service;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::relay::{Ring, Stream};
use sockhop::socks5::udp::{self, Datagram};
use sockhop::time::Instant;
use sockhop::wire::{Host, Target, TargetOf};
use std::collections::VecDeque;

/// Octets of a probe: a token, by which echoes of others are told apart, and its number.
const PROBE: usize = 16;
/// How long the last echo may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How probes get there.
#[derive(Clone, Debug)]
pub enum Means {
    /// Over a connection.
    Stream(FlowId),
    /// As datagrams, from this open port to that peer.
    Datagrams(SocketAddr, SocketAddr),
    /// As datagrams through a SOCKS server's association: from this open port, to where the server relays, to this target.
    Association(SocketAddr, SocketAddr, TargetOf<Vec<u8>>),
}

/// Sends probes and hears their echoes.
#[derive(Debug)]
pub struct Pinging {
    means: Means,
    token: [u8; 8],
    interval: Duration,
    left: u64,
    /// When the next probe leaves, or when nothing is awaited any more.
    next: Instant,
    unsent: VecDeque<u8>,
    heard: Vec<u8>,
    tally: Tally,
    latest: VecDeque<(u64, Duration)>,
    broken: bool,
    /// Whether what has not come by now is lost.
    late: bool,
}

impl Pinging {
    /// Returns a service that sends `count` probes, one in each interval, from `now` on.
    pub fn new(means: Means, token: u64, count: u64, interval: Duration, now: Instant) -> Self {
        Self {
            means,
            token: token.to_be_bytes(),
            interval,
            left: count,
            next: now,
            unsent: VecDeque::new(),
            heard: Vec::new(),
            tally: Tally::default(),
            latest: VecDeque::new(),
            broken: false,
            late: false,
        }
    }

    /// Returns what became of the probes.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns whether the connection broke.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns an echo that was heard: its number, and how long it took.
    pub fn next_echo(&mut self) -> Option<(u64, Duration)> {
        self.latest.pop_front()
    }

    fn probe<F: Front>(&mut self, now: Instant, front: &mut F) {
        let number = self.tally.sent(now);
        let mut probe = [0; PROBE];
        probe[..8].copy_from_slice(&self.token);
        probe[8..].copy_from_slice(&number.to_be_bytes());
        match &self.means {
            Means::Stream(_) => self.unsent.extend(probe),
            Means::Datagrams(at, to) => {
                // One that finds no room is lost, and counted as such.
                front.send_datagram(*at, *to, &probe);
            }
            Means::Association(at, to, target) => {
                let mut packet = Vec::new();
                udp::header(target.lend(), |octets| packet.extend_from_slice(octets));
                packet.extend_from_slice(&probe);
                front.send_datagram(*at, *to, &packet);
            }
        }
    }

    fn echo(&mut self, echo: &[u8], now: Instant) {
        let Some((token, number)) = echo.split_first_chunk::<8>() else { return };
        let Some(number) = number.first_chunk().filter(|_| *token == self.token) else { return };
        let number = u64::from_be_bytes(*number);
        if let Some(took) = self.tally.heard(number, now) {
            self.latest.push_back((number, took));
        }
    }

    fn datagram(&mut self, from: SocketAddr, payload: &[u8], now: Instant) {
        match &self.means {
            Means::Stream(_) => {}
            Means::Datagrams(_, to) => {
                if from == *to {
                    self.echo(payload, now);
                }
            }
            Means::Association(_, to, target) => {
                let Ok(Datagram { target: source, payload }) = Datagram::parse(payload) else { return };
                if from == *to && is_answer(source, target.lend()) {
                    self.echo(payload, now);
                }
            }
        }
    }

    /// Sends what waits.
    fn flush<F: Front>(&mut self, front: &mut F) {
        let Means::Stream(flow) = self.means else { return };
        let Some((mut ring, _)) = front.watched(flow) else { return };
        while !self.unsent.is_empty() {
            match ring.write(self.unsent.make_contiguous()) {
                Ok(count) => drop(self.unsent.drain(..count)),
                // Hearing tells when the connection is really over.
                Err(_) => return,
            }
        }
    }

    /// Takes the echoes that a connection has brought.
    fn hear<F: Front>(&mut self, now: Instant, front: &mut F) {
        let Means::Stream(flow) = self.means else { return };
        if self.late {
            return;
        }
        let Some((mut ring, _)) = front.watched(flow) else {
            self.broken = true;
            return;
        };
        loop {
            match ring.with_received(|octets| (octets.len(), self.heard.extend_from_slice(octets))) {
                Ok(Some(())) => {}
                Err(nb::Error::WouldBlock) => break,
                Ok(None) | Err(nb::Error::Other(_)) => {
                    self.broken = true;
                    break;
                }
            }
        }
        let heard = core::mem::take(&mut self.heard);
        let (echoes, rest) = heard.as_chunks::<PROBE>();
        echoes.iter().for_each(|echo| self.echo(echo, now));
        self.heard = rest.to_vec();
    }
}

/// Returns whether a datagram from `source` answers what was sent to `target`; what a name means only its server knows.
fn is_answer(source: Target<'_>, target: Target<'_>) -> bool {
    source.port == target.port && (source.host == target.host || matches!(target.host, Host::Name(_)))
}

impl<F: Front> Service<F> for Pinging {
    fn opened(&mut self, _now: Instant, _front: &mut F, _flow: FlowId, _remote: SocketAddr) {}

    fn ready(&mut self, now: Instant, front: &mut F, _flow: FlowId) {
        self.hear(now, front);
    }

    fn work(&mut self, now: Instant, front: &mut F) -> bool {
        // An echo that is heard in the turn of its probe would seem to take no time: first what came, then what goes.
        self.hear(now, front);
        while let Some(datagram) = front.next_datagram() {
            self.datagram(datagram.from, &datagram.payload, now);
        }
        while self.left > 0 && self.next <= now && !self.late {
            self.probe(now, front);
            self.left -= 1;
            self.next = self.next + if self.left > 0 { self.interval } else { PATIENCE };
        }
        self.flush(front);
        self.late |= self.left == 0 && self.next <= now;
        false
    }

    fn poll_at(&self) -> Option<Instant> {
        Some(self.next).filter(|_| !self.late)
    }

    fn goes_on(&self) -> bool {
        let waits = self.left > 0 || self.tally.answered() < self.tally.count();
        !self.broken && waits && !self.late
    }

    fn stop(&mut self, _now: Instant, front: &mut F) {
        self.late = true;
        if let Means::Stream(flow) = self.means {
            if let Some((mut ring, _)) = front.watched(flow) {
                ring.close();
            }
            front.release(flow);
        }
    }
}
