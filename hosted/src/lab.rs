//! Two stacks in one process: a client on one, the proxy on the other, and an origin behind it.
//!
//! Nothing here needs root, a TUN or a clock: the link is simulated and time is virtual, so a scenario is over at
//! once and draws the same picture each time.

use crate::egress::memory::{Memory, pattern};
use crate::engine::{self, Config, Engine, FlowId};
use crate::link::{Link, Path, Pipe};
use crate::proxy::{self, Proxy, Report};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::machine::Machine;
use sockhop::relay::{Ring, Stream};
use sockhop::socks5::{Client, ClientError, Command};
use sockhop::time::Instant;
use sockhop::trace::{Event, Sink, Traced};
use sockhop::wire::{Host, Target};

/// What happens in a scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it shows, in two lines.
    pub about: &'static str,
    /// Octets the client sends.
    pub up: u64,
    /// Octets the origin sends.
    pub down: u64,
    /// Whether the origin waits for the client's FIN before it sends.
    pub half_close: bool,
    /// Whether the client closes first.
    pub client_closes: bool,
    /// The target's port; 9 refuses.
    pub port: u16,
    /// From client to proxy.
    pub there: Path,
    /// From proxy to client.
    pub back: Path,
    /// While the client does not read, from and to.
    pub pause: Option<(Duration, Duration)>,
}

impl Scenario {
    /// Returns every scenario.
    pub fn all() -> Vec<Self> {
        let path = Path { delay: Duration::from_millis(20), ..Path::default() };
        let plain = Self {
            name: "socks5",
            about: "A handshake, a SOCKS5 CONNECT, 20 kB up and 10 kB down, and a close by both sides.\n\
                    The origin is done first, so the proxy closes first and waits in TIME-WAIT.",
            up: 20_000,
            down: 10_000,
            half_close: false,
            client_closes: true,
            port: 80,
            there: path.clone(),
            back: path.clone(),
            pause: None,
        };
        vec![
            plain.clone(),
            Self {
                name: "half-close",
                about: "The client sends its FIN and goes on reading: the origin answers only then.\n\
                        FIN-WAIT-2 and CLOSE-WAIT are the two ends of a half-closed connection.",
                up: 3_000,
                down: 12_000,
                half_close: true,
                ..plain.clone()
            },
            Self {
                name: "loss",
                about: "The same with two lost segments: one is found by duplicate ACKs, one by its timer.\n\
                        What was received behind the hole is acknowledged at once when it is filled.",
                up: 30_000,
                there: Path { lose: vec![12], ..path.clone() },
                back: Path { lose: vec![3], ..path },
                ..plain.clone()
            },
            Self {
                name: "window",
                about: "The client stops reading for two seconds: its window closes, and the sender waits.\n\
                        A probe of one octet asks from time to time; a window update lets it go on.",
                up: 0,
                down: 120_000,
                client_closes: false,
                pause: Some((Duration::from_millis(200), Duration::from_millis(2_200))),
                ..plain.clone()
            },
            Self {
                name: "refused",
                about: "The target refuses: the proxy replies with code 5 and closes.\n\
                        A refusal is always sent before the FIN.",
                port: 9,
                ..plain
            },
        ]
    }
}

/// A sink that keeps everything.
#[derive(Clone, Debug, Default)]
pub struct Tape(pub Vec<Event>);

impl Sink for Tape {
    fn record(&mut self, event: &Event) {
        self.0.push(*event);
    }
}

/// What a scenario came to.
#[derive(Debug)]
pub struct Outcome {
    /// What the client's end recorded.
    pub client: Vec<Event>,
    /// What the proxy's end recorded.
    pub proxy: Vec<Event>,
    /// What the proxy says of the session.
    pub report: Option<Report>,
    /// Octets the client received, each as the origin sent it.
    pub received: u64,
    /// Why the client failed, if it did.
    pub failure: Option<ClientError>,
    /// The virtual time it took, TIME-WAIT included.
    pub lasted: Duration,
    /// Whether the client heard the whole answer and its end, or was refused in good order.
    pub complete: bool,
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PROXY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn engine(address: Ipv4Addr, seed: u64) -> Engine<Tape> {
    let config = Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]);
    Engine::new(config, Tape::default())
}

/// The client's side: it asks, sends, reads and compares.
struct Asker<'a> {
    machine: Client<&'a [u8]>,
    flow: FlowId,
    sent: u64,
    received: u64,
    closed: bool,
    ended: bool,
    wrong: bool,
    failure: Option<ClientError>,
}

impl Asker<'_> {
    fn serve(&mut self, engine: &mut Engine<Tape>, scenario: &Scenario, now: Instant) {
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
            self.failure = Some(error);
            self.ended = true;
            socket.close();
        }
        if self.relaying() && !self.ended {
            self.carry(&mut socket, scenario, now);
        }
        if self.ended {
            engine.release(self.flow);
        }
    }

    fn relaying(&self) -> bool {
        self.machine.poll().is_ok()
    }

    fn carry(&mut self, socket: &mut sockhop::stack::Socket<'_, '_>, scenario: &Scenario, now: Instant) {
        while self.sent < scenario.up {
            let left = usize::try_from(scenario.up - self.sent).unwrap_or(usize::MAX);
            let put = socket.with_space(|space| pair(fill(space, left, self.sent)));
            match put {
                Ok(count) if count > 0 => self.sent += count as u64,
                Ok(_) | Err(_) => break,
            }
        }
        let all_heard = self.received == scenario.down;
        if !self.closed
            && self.sent == scenario.up
            && scenario.client_closes
            && (scenario.half_close || all_heard)
        {
            self.closed = true;
            socket.close();
        }
        let elapsed = now.since(Instant::ZERO);
        if scenario.pause.is_some_and(|(from, to)| from <= elapsed && elapsed < to) {
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

/// Plays a scenario to its end, until both ends have forgotten the connection.
pub fn play(scenario: &Scenario, seed: u64) -> Option<Outcome> {
    let at = SocketAddr::from((PROXY, 1_080));
    let (there, back) = (Pipe::new(scenario.there.clone(), seed), Pipe::new(scenario.back.clone(), !seed));
    let mut link = Link::new(engine(CLIENT, seed), engine(PROXY, seed.wrapping_mul(3)), there, back);
    link.b.listen(at, 1);
    let mut proxy = Proxy::new(proxy::Config::default(), Memory::new(scenario.down, scenario.half_close));
    let target = Target { host: Host::Name(b"origin.example"), port: scenario.port };
    let flow = link.a.connect(link.now(), SocketAddr::from((CLIENT, 0)), at)?;
    let machine = Client::new(Command::Connect, target, None).ok()?;
    let mut asker = Asker {
        machine,
        flow,
        sent: 0,
        received: 0,
        closed: false,
        ended: false,
        wrong: false,
        failure: None,
    };
    let mut report = None;
    // A scenario that takes an hour of its own time is stuck.
    while link.now().micros() < 3_600_000_000 {
        link.settle();
        let now = link.now();
        while link.a.next_event().is_some() {}
        asker.serve(&mut link.a, scenario, now);
        while let Some(event) = link.b.next_event() {
            match event {
                engine::Event::Opened { flow, remote, .. } => proxy.opened(now, &mut link.b, flow, remote),
                engine::Event::Ready(flow) => proxy.ready(now, &mut link.b, flow),
            }
        }
        proxy.work(now, &mut link.b);
        report = proxy.next_report().or(report);
        link.settle();
        let wake = scenario.pause.map(|(_, to)| Instant::ZERO + to).filter(|to| *to > now);
        let next = [proxy.poll_at(), wake].into_iter().flatten().min();
        if asker.ended && proxy.is_empty() && link.next().is_none() || !link.advance(next) {
            break;
        }
    }
    let lasted = link.now().since(Instant::ZERO);
    let whole = asker.ended && !asker.wrong && asker.received == scenario.down;
    let refused = scenario.port == 9 && asker.failure.is_some();
    Some(Outcome {
        client: core::mem::take(&mut link.a.recorder().sink_mut().0),
        proxy: core::mem::take(&mut link.b.recorder().sink_mut().0),
        report,
        received: asker.received,
        failure: asker.failure,
        lasted,
        complete: whole || refused,
    })
}
