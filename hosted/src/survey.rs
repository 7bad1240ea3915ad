//! What a running proxy shows of itself: plain data, which the control socket hands out as JSON.
//!
//! A snapshot is filled by those who know: the engine or the front adds connections, the proxy what is done with them.
//! Times are microseconds, and sequence numbers are counted from the SYN.
//!
//! ```
//! use sockhop_hosted::survey::Sending;
//!
//! let stalled = Sending { queued: 9_000, in_flight: 4_096, window: Some(4_096), ..Sending::default() };
//! assert!(stalled.is_blocked());
//! assert_eq!((stalled.waiting(), stalled.usable()), (4_904, 0));
//! ```

use crate::engine::{Counters, Load};
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};
use sockhop::tcp::State;

/// Everything that can be seen at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Who shows it.
    pub node: Node,
    /// When, on the clock of the events.
    pub at_us: u64,
    /// Octets carried from clients to targets and back, by sessions that stand and those that have ended.
    pub octets: (u64, u64),
    /// Sessions refused because their source had enough.
    pub limited: u64,
    /// Packets that the device did not take.
    pub dropped: u64,
    /// How often things happened.
    pub counters: Counters,
    /// How many of each thing there are.
    pub load: Load,
    /// Where connections are accepted.
    pub listeners: Vec<SocketAddr>,
    /// UDP ports of associations.
    pub ports: Vec<SocketAddr>,
    /// Connections, oldest first.
    pub flows: Vec<Flow>,
    /// Connections in TIME-WAIT, oldest first.
    pub waits: Vec<Wait>,
}

impl Snapshot {
    /// Returns this and another loop's of the same process together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.at_us = self.at_us.max(other.at_us);
        self.octets = (self.octets.0 + other.octets.0, self.octets.1 + other.octets.1);
        self.limited += other.limited;
        self.dropped += other.dropped;
        self.counters += other.counters;
        self.load += other.load;
        // Those of all loops are the same, and each has some of its own.
        self.listeners.extend(other.listeners);
        self.listeners.sort_unstable();
        self.listeners.dedup();
        self.ports.extend(other.ports);
        self.ports.sort_unstable();
        self.flows.extend(other.flows);
        self.flows.sort_by_key(|flow| core::cmp::Reverse(flow.age_us));
        self.waits.extend(other.waits);
        self.waits.sort_by_key(|wait| wait.left_us);
        self
    }
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its version.
    pub version: String,
    /// Its number.
    pub pid: u32,
    /// The TUN device, or `listen`.
    pub name: String,
    /// The stack's own addresses; none where the host's sockets serve.
    pub addresses: Vec<core::net::IpAddr>,
    /// Where requests go: `host`, or another server.
    pub egress: String,
    /// Whether what happens to connections can be followed.
    pub follows: bool,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// Its number in traces, never used twice.
    pub flow: u32,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Where it stands.
    #[serde(with = "states")]
    pub state: State,
    /// Whether we opened it.
    pub opener: bool,
    /// Who closed first, once somebody has.
    pub closer: Option<Closer>,
    /// How long it has been there.
    pub age_us: u64,
    /// What the peer sends.
    pub receive: Receiving,
    /// What we send.
    pub send: Sending,
    /// The timer that runs out first.
    pub timer: Option<Timer>,
    /// How often the guard acted on it.
    pub guarded: u32,
    /// What the proxy does with it; nothing before it is open and after it was given back.
    pub session: Option<Session>,
}

/// The direction from the peer to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiving {
    /// Octets that have come and were not read: Recv-Q.
    pub unread: u64,
    /// The window that we advertise, in octets, where it is known.
    pub window: Option<u32>,
    /// RCV.NXT.
    pub next: Option<u32>,
    /// Octets of payload, repetitions included.
    pub octets: u64,
}

/// The direction from us to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Octets that the peer has not acknowledged, sent or not: Send-Q.
    pub queued: u64,
    /// Those of them that were sent.
    pub in_flight: u64,
    /// The window that the peer grants, in octets, where it is known.
    pub window: Option<u32>,
    /// SND.UNA.
    pub una: Option<u32>,
    /// One past the last number sent.
    pub next: Option<u32>,
    /// Octets of payload, repetitions included.
    pub octets: u64,
    /// Segments sent again.
    pub again: u32,
    /// How long the peer's window has been closed, if it is.
    pub closed_us: Option<u64>,
}

impl Sending {
    /// Returns the octets that may be sent now: what is queued, as far as the window reaches.
    pub fn usable(&self) -> u64 {
        let room = u64::from(self.window.unwrap_or(0)).saturating_sub(self.in_flight);
        room.min(self.waiting())
    }

    /// Returns the octets that were not sent.
    pub const fn waiting(&self) -> u64 {
        self.queued.saturating_sub(self.in_flight)
    }

    /// Returns whether octets wait for the peer to open its window.
    pub fn is_blocked(&self) -> bool {
        self.waiting() > 0 && self.window.is_some_and(|window| self.in_flight >= u64::from(window))
    }
}

/// Who closed a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Closer {
    /// We did.
    Us,
    /// The peer did.
    Peer,
    /// Both did at once.
    Both,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sending again what was not acknowledged.
    Rto,
    /// Asking whether a closed window has opened.
    Probe,
    /// Sending the FIN again.
    Fin,
    /// Asking a silent peer whether it is there.
    Keepalive,
    /// Leaving TIME-WAIT.
    #[serde(rename = "2msl")]
    TwoMsl,
    /// Giving up an unfinished handshake.
    Handshake,
    /// Giving up a connection that we open.
    Connect,
    /// Giving up a peer that does not take the last octets.
    Linger,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rto => "rto",
            Self::Probe => "probe",
            Self::Fin => "fin",
            Self::Keepalive => "keepalive",
            Self::TwoMsl => "2MSL",
            Self::Handshake => "handshake",
            Self::Connect => "connect",
            Self::Linger => "linger",
        })
    }
}

/// A timer that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// What it is for.
    pub kind: Kind,
    /// How long it still runs, where that is known.
    pub left_us: Option<u64>,
    /// How often it ran out since the peer last acknowledged something.
    pub backoff: u32,
}

impl fmt::Display for Timer {
    /// Writes it as `netstat -o` does: `rto 0.98s/0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.left_us {
            Some(left) if left < 100_000_000 => {
                write!(f, " {}.{:02}s", left / 1_000_000, left / 10_000 % 100)?
            }
            Some(left) => write!(f, " {}s", left / 1_000_000)?,
            None => {}
        }
        if matches!(self.kind, Kind::Rto | Kind::Probe | Kind::Fin) {
            write!(f, "/{}", self.backoff)
        } else {
            Ok(())
        }
    }
}

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Its number in traces.
    pub flow: u32,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// How long it is still remembered.
    pub left_us: u64,
}

impl Wait {
    /// Returns the timer that runs.
    pub const fn timer(&self) -> Timer {
        Timer { kind: Kind::TwoMsl, left_us: Some(self.left_us), backoff: 0 }
    }
}

/// What the proxy does with a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What it does, in words; names in it are escaped.
    pub doing: String,
    /// Who asked, escaped; empty if nobody was asked.
    pub user: String,
    /// What was asked for, escaped; empty before it was.
    pub target: String,
    /// Octets carried to the target and back.
    pub octets: (u64, u64),
    /// How long it has been there.
    pub age_us: u64,
}

impl Flow {
    /// Returns what is done with the connection, in words that do nothing to a terminal.
    pub fn doing(&self) -> String {
        let text = match &self.session {
            Some(session) if session.user.is_empty() => session.doing.clone(),
            Some(session) => format!("{} for {}", session.doing, session.user),
            None => self.rest().to_owned(),
        };
        harmless(&text)
    }

    /// Returns what goes on at a connection that nobody serves.
    const fn rest(&self) -> &'static str {
        match self.state {
            State::SynReceived => "waiting for the ACK",
            State::SynSent => "connecting",
            State::FinWait1 | State::Closing | State::LastAck if self.send.queued > 0 => {
                "flushing, then closed"
            }
            State::FinWait1 | State::Closing | State::LastAck => "closing",
            State::FinWait2 => "waiting for the peer's FIN",
            State::TimeWait => "closed by us",
            State::Established | State::CloseWait if self.send.queued > 0 => "flushing, then close",
            State::Established | State::CloseWait | State::Closed | State::Listen => "-",
        }
    }
}

/// Returns a text without control characters: whoever is asked need not be who he says he is.
pub(crate) fn harmless(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// A state by its name in the RFC.
mod states {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use sockhop::tcp::State;

    pub(super) fn serialize<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let name = String::deserialize(from)?;
        let known = State::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| D::Error::custom(format!("{name:?} is no state of RFC 9293")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_ends_at_the_window_or_at_the_queue() {
        let send = |queued, in_flight, window| Sending {
            queued,
            in_flight,
            window: Some(window),
            ..Sending::default()
        };
        assert_eq!(send(10_000, 4_000, 6_000).usable(), 2_000);
        assert_eq!(send(5_000, 4_000, 6_000).usable(), 1_000);
        assert!(send(10_000, 6_000, 6_000).is_blocked() && !send(6_000, 6_000, 6_000).is_blocked());
        assert!(send(1, 0, 0).is_blocked());
        // A window may be taken back; nothing is negative then.
        assert_eq!(send(10, 8, 4).usable(), 0);
    }

    #[test]
    fn what_another_process_says_does_nothing_to_a_terminal() {
        assert_eq!(harmless("relay \u{1b}[2J\u{9b}x\nb"), "relay ?[2J?x?b");
    }

    #[test]
    fn timers_read_as_in_netstat() {
        let timer = |kind, left_us, backoff| Timer { kind, left_us, backoff }.to_string();
        assert_eq!(timer(Kind::Rto, Some(980_000), 2), "rto 0.98s/2");
        assert_eq!(timer(Kind::TwoMsl, Some(6_100_000), 0), "2MSL 6.10s");
        assert_eq!(timer(Kind::Keepalive, Some(7_200_000_000), 0), "keepalive 7200s");
        assert_eq!(timer(Kind::Rto, None, 0), "rto/0");
    }
}
