//! TCP by looking: scenarios between two stacks in one process, each of which shows one thing.
//!
//! Nothing here needs root, a TUN or a clock: the link is simulated and time is virtual, so a scenario is over at
//! once and draws the same picture each time.
//!
//! ```
//! use sockhop_hosted::lab::{Scenario, play, tell};
//! use sockhop_hosted::ladder::Style;
//!
//! let scenario = Scenario::named("handshake").expect("it is in the course");
//! let outcome = play(&scenario, 1).expect("it begins");
//! assert!(outcome.complete && outcome.lasted.as_secs() == 60); // TIME-WAIT included
//! let told = tell(&scenario, &outcome, Style::default());
//! assert!(told.contains("SYN 0 win 65535"));
//! ```

mod account;
mod course;
mod datagrams;
mod plain;
mod socks;
mod telling;

pub use account::{Account, account};
pub use course::Chapter;
pub use datagrams::{Datagrams, Echoes, Flight, Message, Race};
pub use plain::{Act, End, Script, Step};
pub use socks::{Session, Version};
pub use telling::{legend, tell};

use crate::engine::{Config, Engine};
use crate::link::{Link, Path, Pipe};
use crate::proxy::Report;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use sockhop::time::Instant;
use sockhop::trace::{Event, Sink, View};

/// One thing to be seen, and how it is made to happen.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// Its title, in one line.
    pub title: &'static str,
    /// What to look at, in two lines.
    pub about: &'static str,
    /// Where it stands in the course.
    pub chapter: Chapter,
    /// From A to B.
    pub there: Path,
    /// From B to A.
    pub back: Path,
    /// What happens.
    pub play: Play,
}

/// What happens in a scenario.
#[derive(Clone, Debug)]
pub enum Play {
    /// Two stacks and what their owners do, step by step.
    Plain(Script),
    /// A client that goes through a proxy.
    Socks(Session),
    /// The same messages over TCP and over UDP.
    Race(Race),
    /// Clients of one UDP server.
    Echo(Echoes),
}

impl Scenario {
    /// Returns every scenario, in the order of the course.
    pub fn all() -> Vec<Self> {
        course::scenarios()
    }

    /// Returns the scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|scenario| scenario.name == name)
    }
}

/// What went over one direction of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that were sent.
    pub packets: u64,
    /// Octets in them, headers included.
    pub octets: u64,
    /// Packets that were lost.
    pub lost: u64,
}

impl Traffic {
    const fn of(pipe: &Pipe) -> Self {
        let (packets, lost) = pipe.counts();
        Self { packets, octets: pipe.octets(), lost }
    }
}

/// What a scenario came to.
#[derive(Debug)]
pub struct Outcome {
    /// Who A and B are, with their addresses.
    pub names: (&'static str, &'static str),
    /// What A recorded.
    pub a: Vec<Event>,
    /// What B recorded.
    pub b: Vec<Event>,
    /// The connections: their numbers in A's trace and in B's; 0 where an end knows none.
    pub flows: Vec<(u32, u32)>,
    /// What owners say, each in a sentence: who, and what.
    pub said: Vec<(&'static str, String)>,
    /// What the proxy says of the session, where there is one.
    pub report: Option<Report>,
    /// What became of datagrams, where there are some.
    pub datagrams: Option<Datagrams>,
    /// What went over the link of the TCP connections, from A to B and back.
    pub traffic: (Traffic, Traffic),
    /// The virtual time until nothing was left to happen, TIME-WAIT included.
    pub lasted: Duration,
    /// Whether every octet arrived as it was sent, or the break that belongs to the scenario was noticed.
    pub complete: bool,
}

impl Outcome {
    /// Returns what both ends of a link have recorded, in nobody's name.
    fn of(link: &mut Link<Tape>) -> Self {
        let take = |engine: &mut Engine<Tape>| core::mem::take(&mut engine.recorder().sink_mut().0);
        let (a, b) = (take(&mut link.a), take(&mut link.b));
        let last = a.iter().chain(&b).map(Event::time).max();
        Self {
            names: HOSTS,
            flows: pair(&a, &b),
            a,
            b,
            said: Vec::new(),
            report: None,
            datagrams: None,
            traffic: (Traffic::of(&link.there), Traffic::of(&link.back)),
            lasted: last.unwrap_or_default().since(Instant::ZERO),
            complete: false,
        }
    }
}

/// Plays a scenario to its end, until both ends have forgotten everything; `None` when it cannot begin.
pub fn play(scenario: &Scenario, seed: u64) -> Option<Outcome> {
    play_watched(scenario, seed, |_, _| {})
}

/// Plays a scenario, and shows both engines after each packet of a TCP connection.
pub fn play_watched(
    scenario: &Scenario,
    seed: u64,
    mut see: impl FnMut(&Engine<Tape>, &Engine<Tape>),
) -> Option<Outcome> {
    match &scenario.play {
        Play::Plain(script) => plain::run(scenario, script, seed, &mut see, |_, _| {}),
        Play::Socks(session) => socks::run(scenario, session, seed, &mut see),
        Play::Race(race) => datagrams::race(scenario, race, seed, &mut see),
        Play::Echo(echoes) => datagrams::echo(scenario, echoes, seed),
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

/// The address of A.
const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The address of B.
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// A scenario that takes an hour of its own time is stuck.
const LONGEST: Instant = Instant::from_micros(3_600_000_000);
/// Who A and B are when they are nothing but two hosts.
const HOSTS: (&str, &str) = ("A  10.0.0.1", "B  10.0.0.2:80");

/// Returns the link of a scenario, with rings of this size at A and at B where one is given.
fn link(scenario: &Scenario, rings: Option<(usize, usize)>, seed: u64) -> Link<Tape> {
    let engine = |address: Ipv4Addr, seed: u64, ring: Option<usize>| {
        let mut config = Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]);
        if let Some(ring) = ring {
            config.limits.ring = (ring, ring);
        }
        Engine::new(config, Tape::default())
    };
    Link::new(
        engine(A, seed, rings.map(|(a, _)| a)),
        engine(B, seed.wrapping_mul(3), rings.map(|(_, b)| b)),
        Pipe::new(scenario.there.clone(), seed),
        Pipe::new(scenario.back.clone(), !seed),
    )
}

/// Returns the numbers of each connection at both ends, found by its addresses; 0 where an end knows none.
fn pair(a: &[Event], b: &[Event]) -> Vec<(u32, u32)> {
    let opened = |event: &Event| match event.view() {
        Some(View::Opened { ports, .. }) => Some((event.flow(), ports)),
        _ => None,
    };
    let mut theirs: Vec<_> = b.iter().filter_map(opened).collect();
    let mut pairs: Vec<_> = a
        .iter()
        .filter_map(opened)
        .map(|(flow, (ours, other))| {
            let same = theirs.iter().position(|(_, ports)| *ports == (other, ours));
            (flow, same.map_or(0, |at| theirs.remove(at).0))
        })
        .collect();
    pairs.extend(theirs.into_iter().map(|(flow, _)| (0, flow)));
    pairs
}
