//! Datagrams: the same messages over TCP and over UDP, and a UDP server with several clients.

use super::{A, Act, B, End, Outcome, Scenario, Script, Tape, Traffic, link, plain};
use crate::engine::Engine;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop::time::Instant;

/// The port of the client of a race.
const CLIENT: u16 = 49_152;
/// The port of the echo service (RFC 862).
const ECHO: u16 = 7;

/// The same numbered messages, sent over TCP and over UDP on the same link.
#[derive(Clone, Debug)]
pub struct Race {
    /// How many.
    pub messages: u16,
    /// Octets of each.
    pub octets: u16,
    /// The time between two of them.
    pub every: Duration,
}

/// Clients that ask one UDP server at once.
#[derive(Clone, Debug)]
pub struct Echoes {
    /// Who asks; each has a port of its own.
    pub clients: &'static [&'static str],
    /// How often each asks.
    pub questions: u32,
    /// The time between two questions of the same client.
    pub every: Duration,
}

/// What became of datagrams.
#[derive(Clone, Debug)]
pub enum Datagrams {
    /// The messages of a race, and what went over the link with UDP, from A to B and back.
    Race {
        /// The messages, by their numbers.
        messages: Vec<Message>,
        /// What went over the link of the datagrams.
        traffic: Traffic,
    },
    /// The datagrams between a server and its clients.
    Echo {
        /// Who asks.
        clients: &'static [&'static str],
        /// Each datagram, in the order in which they left.
        flights: Vec<Flight>,
        /// The most connections that the server's stack knew at any time, those in TIME-WAIT included.
        connections: usize,
    },
}

/// When a message was sent, and when it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// When it was handed to TCP and to UDP.
    pub sent: Duration,
    /// When the reader had the whole of it over TCP.
    pub tcp: Option<Duration>,
    /// Each time it came over UDP.
    pub udp: Vec<Duration>,
}

/// One datagram between a client and a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Which client.
    pub client: usize,
    /// Whether it goes to the server.
    pub asks: bool,
    /// What it says.
    pub text: String,
    /// When it left.
    pub left: Duration,
    /// When it arrived, if it did.
    pub arrived: Option<Duration>,
}

/// Sends the same messages over TCP and over UDP.
pub(super) fn race(
    scenario: &Scenario,
    race: &Race,
    seed: u64,
    see: &mut impl FnMut(&Engine<Tape>, &Engine<Tape>),
) -> Option<Outcome> {
    let at = |number: u16| race.every * u32::from(number);
    let begins = Duration::from_millis(100);
    let mut messages: Vec<Message> =
        (0..race.messages).map(|number| Message { sent: at(number), ..Message::default() }).collect();
    let mut steps = vec![(0, End::B, Act::Listen), (0, End::A, Act::Connect(CLIENT))];
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    steps.extend(
        messages.iter().map(|message| (millis(begins + message.sent), End::A, Act::Send(race.octets.into()))),
    );
    let last = millis(begins + at(race.messages));
    steps.extend([(last, End::A, Act::Close), (last, End::B, Act::CloseAfterPeer)]);
    let script = Script { rings: None, steps, breaks: false };
    let outcome = plain::run(scenario, &script, seed, see, |now, heard| {
        let whole = usize::try_from(heard / u64::from(race.octets)).unwrap_or(0);
        for message in messages.iter_mut().take(whole) {
            message.tcp.get_or_insert(now.since(Instant::ZERO).saturating_sub(begins));
        }
    })?;
    let traffic = shout(scenario, race, seed, &mut messages);
    Some(Outcome { datagrams: Some(Datagrams::Race { messages, traffic }), ..outcome })
}

/// Sends the messages as datagrams, and notes when each comes.
fn shout(scenario: &Scenario, race: &Race, seed: u64, messages: &mut [Message]) -> Traffic {
    let mut link = link(scenario, None, seed);
    let (from, to) = (SocketAddr::from((A, CLIENT)), SocketAddr::from((B, ECHO)));
    link.a.open_port_at(from);
    link.b.open_port_at(to);
    let mut next: u16 = 0;
    loop {
        link.settle();
        let now = link.now().since(Instant::ZERO);
        while let Some(datagram) = link.b.next_datagram() {
            let number = datagram.payload.first_chunk().map(|number| u16::from_be_bytes(*number));
            if let Some(message) = number.and_then(|number| messages.get_mut(usize::from(number))) {
                message.udp.push(now);
            }
        }
        while next < race.messages && race.every * u32::from(next) <= now {
            let mut payload = vec![0; usize::from(race.octets)];
            payload[..2].copy_from_slice(&next.to_be_bytes());
            link.a.send_datagram(from, to, &payload);
            next += 1;
        }
        link.settle();
        let due = (next < race.messages).then(|| Instant::ZERO + race.every * u32::from(next));
        if !link.advance(due) {
            return Traffic::of(&link.there);
        }
    }
}

/// Lets several clients ask one server.
pub(super) fn echo(scenario: &Scenario, echoes: &Echoes, seed: u64) -> Option<Outcome> {
    let mut link = link(scenario, None, seed);
    let server = SocketAddr::from((B, ECHO));
    link.b.open_port_at(server);
    let ports: Vec<SocketAddr> = (CLIENT..).map(|port| (A, port).into()).take(echoes.clients.len()).collect();
    for port in &ports {
        link.a.open_port_at(*port);
    }
    let mut waiting = questions(echoes);
    let mut flights: Vec<Flight> = Vec::new();
    let mut connections = 0;
    loop {
        link.settle();
        let now = link.now().since(Instant::ZERO);
        connections = connections.max(link.b.load().flows + link.b.load().time_wait);
        while let Some(datagram) = link.b.next_datagram() {
            let client = ports.iter().position(|port| *port == datagram.from)?;
            land(&mut flights, client, true, &datagram.payload, now);
            // The whole server: the answer goes to where the question came from.
            link.b.send_datagram(datagram.at, datagram.from, &datagram.payload);
            flights.push(leave(client, false, &datagram.payload, now));
        }
        while let Some(datagram) = link.a.next_datagram() {
            let client = ports.iter().position(|port| *port == datagram.at)?;
            land(&mut flights, client, false, &datagram.payload, now);
        }
        while let Some((_, client, text)) = waiting.pop_if(|(at, ..)| *at <= now) {
            link.a.send_datagram(ports[client], server, text.as_bytes());
            flights.push(leave(client, true, text.as_bytes(), now));
        }
        link.settle();
        let due = waiting.last().map(|(at, ..)| Instant::ZERO + *at);
        if !link.advance(due) {
            break;
        }
    }
    let answered = flights.iter().filter(|flight| !flight.asks && flight.arrived.is_some()).count();
    let complete = answered == echoes.clients.len() * usize::try_from(echoes.questions).unwrap_or(0);
    let lasted = link.now().since(Instant::ZERO);
    let datagrams = Some(Datagrams::Echo { clients: echoes.clients, flights, connections });
    Some(Outcome { datagrams, complete, lasted, ..Outcome::of(&mut link) })
}

/// Returns what is asked, by whom and when, the last first.
fn questions(echoes: &Echoes) -> Vec<(Duration, usize, String)> {
    let mut all = Vec::new();
    for (client, name) in echoes.clients.iter().enumerate() {
        // Each begins a little later than the one before and asks a little more slowly.
        let behind = u32::try_from(client).unwrap_or(0);
        for question in 0..echoes.questions {
            let at = echoes.every * behind / 4 + (echoes.every + echoes.every * behind / 4) * question;
            all.push((at, client, format!("{name} {}", question + 1)));
        }
    }
    all.sort();
    all.reverse();
    all
}

fn leave(client: usize, asks: bool, payload: &[u8], left: Duration) -> Flight {
    let text = String::from_utf8_lossy(payload).into_owned();
    Flight { client, asks, text, left, arrived: None }
}

/// Notes that a datagram has arrived.
fn land(flights: &mut [Flight], client: usize, asks: bool, payload: &[u8], now: Duration) {
    let same = |flight: &&mut Flight| {
        (flight.client, flight.asks) == (client, asks)
            && flight.text.as_bytes() == payload
            && flight.arrived.is_none()
    };
    if let Some(flight) = flights.iter_mut().find(same) {
        flight.arrived = Some(now);
    }
}
