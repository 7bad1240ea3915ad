//! Two stacks and no SOCKS: what the owner of each end does, step by step.

use super::{A, B, LONGEST, Outcome, Scenario, Tape, link};
use crate::egress::memory::pattern;
use crate::engine::{Engine, Event, FlowId};
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::relay::{Broken, Ring, Stream};
use sockhop::time::Instant;

/// The port that B listens at.
const PORT: u16 = 80;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The one on the left.
    A,
    /// The one on the right.
    B,
}

/// Something that an owner does with his newest connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Lets connections come to port 80.
    Listen,
    /// Opens a connection between this port of A's and port 80 of B's, from either end.
    Connect(u16),
    /// Writes so many octets, as soon as there is room for them.
    Send(u64),
    /// Closes the sending half when everything is written.
    Close,
    /// Closes the sending half when everything is written and the peer has closed.
    CloseAfterPeer,
    /// Ends both directions at once.
    Abort,
    /// Reads nothing any more.
    Rest,
    /// Reads again.
    Read,
}

/// When somebody does what, in milliseconds of the link's own time.
pub type Step = (u64, End, Act);

/// What happens between two stacks.
#[derive(Clone, Debug)]
pub struct Script {
    /// Octets in each of the rings of A and of B; the engine's own sizes when there is none.
    pub rings: Option<(usize, usize)>,
    /// What is done, in the order of time.
    pub steps: Vec<Step>,
    /// Whether a connection is to break, and everybody who was cut off is to notice.
    pub breaks: bool,
}

/// When an owner closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    Wanted,
    AfterPeer,
    Closed,
}

/// One end of a connection in the hands of its owner.
#[derive(Debug)]
struct Held {
    flow: FlowId,
    to_send: u64,
    sent: u64,
    heard: u64,
    closing: Closing,
    ended: bool,
    aborted: bool,
    broken: Option<Broken>,
    wrong: bool,
}

impl Held {
    const fn new(flow: FlowId) -> Self {
        Self {
            flow,
            to_send: 0,
            sent: 0,
            heard: 0,
            closing: Closing::Open,
            ended: false,
            aborted: false,
            broken: None,
            wrong: false,
        }
    }

    fn is_over(&self) -> bool {
        self.aborted || self.broken.is_some() || self.ended && self.closing == Closing::Closed
    }

    fn serve(&mut self, engine: &mut Engine<Tape>, reads: bool) {
        if self.is_over() {
            return;
        }
        let Some(mut socket) = engine.stream(self.flow) else {
            self.broken = Some(Broken::Reset);
            return;
        };
        self.write(&mut socket);
        if reads {
            self.read(&mut socket);
        }
        let wanted = match self.closing {
            Closing::Wanted => true,
            Closing::AfterPeer => self.ended,
            Closing::Open | Closing::Closed => false,
        };
        if wanted && self.sent == self.to_send {
            self.closing = Closing::Closed;
            socket.close();
        }
        if self.is_over() {
            engine.release(self.flow);
        }
    }

    fn write(&mut self, socket: &mut impl Ring) {
        while self.sent < self.to_send {
            let left = usize::try_from(self.to_send - self.sent).unwrap_or(usize::MAX);
            let put = socket.with_space(|space| {
                let count = space.len().min(left);
                for (place, at) in space[..count].iter_mut().zip(self.sent..) {
                    *place = pattern(at);
                }
                (count, count)
            });
            match put {
                Ok(count) => self.sent += count as u64,
                Err(nb::Error::WouldBlock) => return,
                Err(nb::Error::Other(how)) => {
                    self.broken = Some(how);
                    return;
                }
            }
        }
    }

    fn read(&mut self, socket: &mut impl Ring) {
        while !self.ended && self.broken.is_none() {
            let (heard, wrong) = (&mut self.heard, &mut self.wrong);
            let lent = socket.with_received(|octets| {
                for octet in octets {
                    *wrong |= *octet != pattern(*heard);
                    *heard += 1;
                }
                (octets.len(), ())
            });
            match lent {
                Ok(Some(())) => {}
                Ok(None) => self.ended = true,
                Err(nb::Error::WouldBlock) => return,
                Err(nb::Error::Other(how)) => self.broken = Some(how),
            }
        }
    }
}

/// The owner of one end.
#[derive(Debug)]
struct Owner {
    held: Vec<Held>,
    /// Whether he reads what comes.
    reads: bool,
}

impl Owner {
    const fn new() -> Self {
        Self { held: Vec::new(), reads: true }
    }

    fn can(&self, act: Act) -> bool {
        match act {
            Act::Listen | Act::Connect(_) | Act::Rest | Act::Read => true,
            Act::Send(_) | Act::Close | Act::CloseAfterPeer | Act::Abort => !self.held.is_empty(),
        }
    }

    fn act(&mut self, end: End, act: Act, engine: &mut Engine<Tape>, now: Instant) -> Option<()> {
        match act {
            Act::Listen => engine.listen((B, PORT).into(), 1),
            Act::Connect(port) => {
                let (a, b) = (SocketAddr::from((A, port)), SocketAddr::from((B, PORT)));
                let (local, remote) = if end == End::A { (a, b) } else { (b, a) };
                self.held.push(Held::new(engine.connect(now, local, remote)?));
            }
            Act::Send(octets) => self.held.last_mut()?.to_send += octets,
            Act::Close => self.held.last_mut()?.closing = Closing::Wanted,
            Act::CloseAfterPeer => self.held.last_mut()?.closing = Closing::AfterPeer,
            Act::Abort => {
                let held = self.held.last_mut()?;
                engine.stream(held.flow)?.abort();
                held.aborted = true;
                engine.release(held.flow);
            }
            Act::Rest => self.reads = false,
            Act::Read => self.reads = true,
        }
        Some(())
    }

    fn serve(&mut self, engine: &mut Engine<Tape>) {
        while let Some(event) = engine.next_event() {
            if let Event::Opened { flow, .. } = event {
                self.held.push(Held::new(flow));
            }
        }
        for held in &mut self.held {
            held.serve(engine, self.reads);
        }
    }

    fn is_idle(&self) -> bool {
        self.held.iter().all(Held::is_over)
    }
}

/// Carries a script out; `hear` is told how many octets B's newest connection has read.
pub(super) fn run(
    scenario: &Scenario,
    script: &Script,
    seed: u64,
    see: &mut impl FnMut(&Engine<Tape>, &Engine<Tape>),
    mut hear: impl FnMut(Instant, u64),
) -> Option<Outcome> {
    let mut link = link(scenario, script.rings, seed);
    let mut steps = script.steps.as_slice();
    let (mut a, mut b) = (Owner::new(), Owner::new());
    while link.now() < LONGEST {
        link.settle_watched(&mut *see);
        let now = link.now();
        // Who is told of a connection can act on it.
        a.serve(&mut link.a);
        b.serve(&mut link.b);
        while let Some(((at, end, act), rest)) = steps.split_first() {
            let (owner, engine) = if *end == End::A { (&mut a, &mut link.a) } else { (&mut b, &mut link.b) };
            // Who has no connection yet has to wait for it.
            if after(*at) > now || !owner.can(*act) {
                break;
            }
            owner.act(*end, *act, engine, now)?;
            steps = rest;
        }
        a.serve(&mut link.a);
        b.serve(&mut link.b);
        hear(now, b.held.last().map_or(0, |held| held.heard));
        link.settle_watched(&mut *see);
        let next = steps.first().map(|(at, ..)| after(*at)).filter(|at| *at > now);
        let idle = steps.is_empty() && a.is_idle() && b.is_idle();
        if idle && link.next().is_none() || !link.advance(next) {
            break;
        }
    }
    let (complete, said) = judge(script, &a, &b);
    Some(Outcome { said, complete, ..Outcome::of(&mut link) })
}

fn after(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

/// Returns whether everything ended as it should, and what the owners say.
fn judge(script: &Script, a: &Owner, b: &Owner) -> (bool, Vec<(&'static str, String)>) {
    let mut said = Vec::new();
    let mut complete = a.is_idle() && b.is_idle();
    for (name, end, other) in [("A's owner", a, b), ("B's owner", b, a)] {
        for (at, held) in end.held.iter().enumerate() {
            let sent = other.held.get(at).map_or(0, |peer| peer.sent);
            let cut = held.ended && held.heard != sent;
            complete &= !held.wrong && !cut;
            complete &= script.breaks || held.ended && held.broken.is_none();
            let what = match held.broken {
                Some(how) if sent > 0 => {
                    format!(
                        "has read {} of the {sent} B written, and was told: {how}; not: the end",
                        held.heard
                    )
                }
                Some(how) => format!("was told: {how}"),
                None if held.heard > 0 => format!("has read {} B, every octet as it was sent", held.heard),
                None => continue,
            };
            said.push((name, what));
        }
    }
    let broke = |owner: &Owner| owner.held.iter().any(|held| held.broken.is_some());
    complete &= !script.breaks || broke(a) || broke(b);
    (complete, said)
}
