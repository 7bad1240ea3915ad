//! A client on one stack, a proxy on the other, and an origin behind it.

use super::{A, B, LONGEST, Outcome, Scenario, Tape, link};
use crate::egress::memory::{Memory, pattern};
use crate::engine::{self, Engine, FlowId};
use crate::proxy::{self, Proxy};
use core::fmt::Display;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::machine::Machine;
use sockhop::relay::{Ring, Stream};
use sockhop::socks5::Command;
use sockhop::time::Instant;
use sockhop::trace::{Traced, Watched};
use sockhop::wire::{Host, Target};
use sockhop::{socks4, socks5};

/// Who they are.
const NAMES: (&str, &str) = ("A  client 10.0.0.1", "B  proxy 10.0.0.2:1080");
/// The port that refuses.
const REFUSING: u16 = 9;

/// Which SOCKS the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SOCKS4a.
    Four,
    /// SOCKS5.
    Five,
}

/// What a client does through a proxy.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which SOCKS it speaks.
    pub version: Version,
    /// Octets the client sends.
    pub up: u64,
    /// Octets the origin sends.
    pub down: u64,
    /// Whether the origin waits for the client's FIN before it sends.
    pub half_close: bool,
    /// Whether the client closes when it has heard everything, and does not wait for the FIN.
    pub client_closes: bool,
    /// The target's port; 9 refuses.
    pub port: u16,
    /// While the client does not read, from and to.
    pub pause: Option<(Duration, Duration)>,
}

/// Lets a client and a proxy talk.
pub(super) fn run(
    scenario: &Scenario,
    session: &Session,
    seed: u64,
    see: &mut impl FnMut(&Engine<Tape>, &Engine<Tape>),
) -> Option<Outcome> {
    let target = Target { host: Host::Name(b"origin.example"), port: session.port };
    match session.version {
        Version::Four => {
            let machine = socks4::Client::new(Command::Connect, target, &b"ann"[..]).ok()?;
            talk(machine, scenario, session, seed, see)
        }
        Version::Five => {
            let machine = socks5::Client::new(Command::Connect, target, None).ok()?;
            talk(machine, scenario, session, seed, see)
        }
    }
}

fn talk<M>(
    machine: M,
    scenario: &Scenario,
    session: &Session,
    seed: u64,
    see: &mut impl FnMut(&Engine<Tape>, &Engine<Tape>),
) -> Option<Outcome>
where
    M: Machine + Watched,
    M::Error: Display,
{
    let at = SocketAddr::from((B, 1_080));
    let mut link = link(scenario, None, seed);
    link.b.listen(at, 1);
    let mut proxy = Proxy::new(proxy::Config::default(), Memory::new(session.down, session.half_close));
    let flow = link.a.connect(link.now(), SocketAddr::from((A, 0)), at)?;
    let mut asker = Asker::new(machine, flow);
    let mut report = None;
    while link.now() < LONGEST {
        link.settle_watched(&mut *see);
        let now = link.now();
        while link.a.next_event().is_some() {}
        asker.serve(&mut link.a, session, now);
        while let Some(event) = link.b.next_event() {
            match event {
                engine::Event::Opened { flow, remote, .. } => proxy.opened(now, &mut link.b, flow, remote),
                engine::Event::Ready(flow) => proxy.ready(now, &mut link.b, flow),
            }
        }
        proxy.work(now, &mut link.b);
        report = proxy.next_report().or(report);
        link.settle_watched(&mut *see);
        let wake = session.pause.map(|(_, to)| Instant::ZERO + to).filter(|to| *to > now);
        let next = [proxy.poll_at(), wake].into_iter().flatten().min();
        if asker.ended && proxy.is_empty() && link.next().is_none() || !link.advance(next) {
            break;
        }
    }
    let whole = asker.ended && !asker.wrong && asker.received == session.down;
    let refused = session.port == REFUSING && asker.failure.is_some();
    let client = match &asker.failure {
        Some(failure) => failure.clone(),
        None => format!("{} B received, every octet as it was sent", asker.received),
    };
    let reported = report.iter().map(|report| ("proxy", report.to_string()));
    let said = reported.chain([("client", client)]).collect();
    let complete = whole || refused;
    Some(Outcome { names: NAMES, said, report, complete, ..Outcome::of(&mut link) })
}

/// The client's side: it asks, sends, reads and compares.
struct Asker<M> {
    machine: M,
    flow: FlowId,
    sent: u64,
    received: u64,
    closed: bool,
    ended: bool,
    wrong: bool,
    failure: Option<String>,
}

impl<M: Machine + Watched> Asker<M>
where
    M::Error: Display,
{
    const fn new(machine: M, flow: FlowId) -> Self {
        Self { machine, flow, sent: 0, received: 0, closed: false, ended: false, wrong: false, failure: None }
    }

    fn serve(&mut self, engine: &mut Engine<Tape>, session: &Session, now: Instant) {
        let Some((mut socket, recorder)) = engine.watched(self.flow) else { return };
        let mut machine = Traced::new(&mut self.machine, recorder, self.flow.serial(), now);
        loop {
            let said = socket.with_space(|space| pair(machine.drain(space))).unwrap_or(0);
            let heard = match socket.with_received(|octets| pair(machine.feed(octets))) {
                Ok(Some(count)) => count,
                Ok(None) if machine.poll().is_err() => {
                    machine.end();
                    0
                }
                Ok(None) | Err(_) => 0,
            };
            if said + heard == 0 {
                break;
            }
        }
        if let Err(nb::Error::Other(error)) = self.machine.poll() {
            self.failure = Some(error.to_string());
            self.ended = true;
            socket.close();
        }
        if self.relaying() && !self.ended {
            self.carry(&mut socket, session, now);
        }
        if self.ended {
            engine.release(self.flow);
        }
    }

    fn relaying(&self) -> bool {
        self.machine.poll().is_ok()
    }

    fn carry(&mut self, socket: &mut sockhop::stack::Socket<'_, '_>, session: &Session, now: Instant) {
        while self.sent < session.up {
            let left = usize::try_from(session.up - self.sent).unwrap_or(usize::MAX);
            let put = socket.with_space(|space| pair(fill(space, left, self.sent)));
            match put {
                Ok(count) if count > 0 => self.sent += count as u64,
                Ok(_) | Err(_) => break,
            }
        }
        let all_heard = self.received == session.down;
        if !self.closed
            && self.sent == session.up
            && session.client_closes
            && (session.half_close || all_heard)
        {
            self.closed = true;
            socket.close();
        }
        let elapsed = now.since(Instant::ZERO);
        if session.pause.is_some_and(|(from, to)| from <= elapsed && elapsed < to) {
            return;
        }
        loop {
            let (received, wrong) = (&mut self.received, &mut self.wrong);
            let heard = socket.with_received(|octets| {
                for octet in octets {
                    *wrong |= *octet != pattern(*received);
                    *received += 1;
                }
                (octets.len(), ())
            });
            match heard {
                Ok(Some(())) => {}
                Ok(None) => {
                    self.ended = true;
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

const fn pair(count: usize) -> (usize, usize) {
    (count, count)
}

fn fill(space: &mut [u8], left: usize, mut at: u64) -> usize {
    let count = space.len().min(left);
    for octet in &mut space[..count] {
        *octet = pattern(at);
        at += 1;
    }
    count
}
