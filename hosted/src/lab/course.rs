//! The course: which scenarios there are, and in which order they teach.

use super::{Act, Echoes, End, Play, Race, Scenario, Script, Session, Step, Version};
use crate::link::Path;
use core::fmt;
use core::time::Duration;

/// A part of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapter {
    /// How a connection begins.
    Opening,
    /// How a connection ends.
    Closing,
    /// How a slow reader slows a writer down.
    Flow,
    /// What becomes of what is lost, late or doubled.
    Loss,
    /// What TCP does that UDP does not.
    Udp,
    /// What is spoken above TCP here.
    Socks,
}

impl Chapter {
    /// Every part, in order.
    pub const ALL: [Self; 6] = [Self::Opening, Self::Closing, Self::Flow, Self::Loss, Self::Udp, Self::Socks];
}

impl fmt::Display for Chapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opening => "Opening",
            Self::Closing => "Closing",
            Self::Flow => "Flow control",
            Self::Loss => "Loss",
            Self::Udp => "UDP",
            Self::Socks => "SOCKS",
        })
    }
}

/// Returns every scenario, in the order of the course.
pub(super) fn scenarios() -> Vec<Scenario> {
    [opening(), closing(), flow_and_loss(), udp(), socks()].concat()
}

/// The link of most scenarios: 20 ms each way and nothing wrong with it.
fn path() -> Path {
    Path { delay: millis(20), ..Path::default() }
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Returns a scenario of two stacks that do these steps on a link with which nothing is wrong.
fn plain(
    chapter: Chapter,
    name: &'static str,
    title: &'static str,
    about: &'static str,
    steps: &'static [Step],
) -> Scenario {
    let play = Play::Plain(Script { rings: None, steps: steps.to_vec(), breaks: false });
    Scenario { name, title, about, chapter, there: path(), back: path(), play }
}

impl Scenario {
    /// Lets connections break, and the ends notice.
    fn breaking(mut self) -> Self {
        if let Play::Plain(script) = &mut self.play {
            script.breaks = true;
        }
        self
    }

    fn with_rings(mut self, a: usize, b: usize) -> Self {
        if let Play::Plain(script) = &mut self.play {
            script.rings = Some((a, b));
        }
        self
    }

    fn over(self, there: Path, back: Path) -> Self {
        Self { there, back, ..self }
    }
}

const HANDSHAKE: &[Step] = &[
    (0, End::B, Act::Listen),
    (0, End::A, Act::Connect(49_152)),
    (200, End::A, Act::Close),
    (200, End::B, Act::CloseAfterPeer),
];
const TO_NOBODY: &[Step] = &[(0, End::A, Act::Connect(49_152))];

fn opening() -> Vec<Scenario> {
    vec![
        plain(
            Chapter::Opening,
            "handshake",
            "Three segments open a connection",
            "Each end tells the number it begins with, and hears it acknowledged: SYN, SYN and ACK, ACK.\n\
             A stands after two of the three; B only when the third has come, half a round trip later.",
            HANDSHAKE,
        ),
        plain(
            Chapter::Opening,
            "syn-lost",
            "A SYN is lost, and so is the answer to the next one",
            "Nobody knows what was lost. A's SYN is not answered, so A's timer has it sent again, with the same number.\n\
             That one is answered; the answer is lost, is not acknowledged, and is sent again by B's timer.",
            &[
                (0, End::B, Act::Listen),
                (0, End::A, Act::Connect(49_152)),
                (5_000, End::A, Act::Close),
                (5_000, End::B, Act::CloseAfterPeer),
            ],
        )
        .over(Path { lose: vec![0], ..path() }, Path { lose: vec![0], ..path() }),
        plain(
            Chapter::Opening,
            "refused",
            "Nobody listens: a RST for a SYN",
            "B has neither a connection nor a listener for the SYN, and says so at once instead of being silent.\n\
             The RST acknowledges the SYN, or else A would not believe it (RFC 9293 §3.10.7.3).",
            TO_NOBODY,
        )
        .breaking(),
        plain(
            Chapter::Opening,
            "roles",
            "The four roles, and both ends opening at once",
            "Who opens and who closes are two questions: first A does both, then B closes what A has opened.\n\
             In the third connection both ends open: their SYNs cross, and neither has to listen.",
            &[
                (0, End::B, Act::Listen),
                (0, End::A, Act::Connect(49_152)),
                (100, End::A, Act::Close),
                (100, End::B, Act::CloseAfterPeer),
                (1_000, End::A, Act::Connect(49_153)),
                (1_100, End::B, Act::Close),
                (1_100, End::A, Act::CloseAfterPeer),
                (2_000, End::A, Act::Connect(49_154)),
                (2_000, End::B, Act::Connect(49_154)),
                (2_100, End::A, Act::Close),
                (2_100, End::B, Act::CloseAfterPeer),
            ],
        ),
    ]
}

fn closing() -> Vec<Scenario> {
    let close = plain(
        Chapter::Closing,
        "close",
        "Four segments close a connection",
        "Each direction is closed by its own FIN and the ACK of it: here A is done first, then B.\n\
         Who closes first waits in TIME-WAIT, so that its last ACK can be repeated; the other is done at once.",
        &[
            (0, End::B, Act::Listen),
            (0, End::A, Act::Connect(49_152)),
            (100, End::A, Act::Send(300)),
            (200, End::A, Act::Close),
            (300, End::B, Act::Close),
        ],
    );
    let half = plain(
        Chapter::Closing,
        "half-close",
        "One direction ends, the other goes on",
        "A's FIN says no more than that A sends nothing more: B hears it and answers with 12,000 octets.\n\
         Meanwhile A stands in FIN-WAIT-2 and B in CLOSE-WAIT, the two ends of a half-closed connection.",
        &[
            (0, End::B, Act::Listen),
            (0, End::A, Act::Connect(49_152)),
            (40, End::A, Act::Send(3_000)),
            (40, End::A, Act::Close),
            (300, End::B, Act::Send(12_000)),
            (300, End::B, Act::Close),
        ],
    );
    let both = plain(
        Chapter::Closing,
        "close-both",
        "Both ends close at the same moment",
        "The FINs cross: each end hears the other's FIN before the ACK of its own, which is what CLOSING is for.\n\
         Both have closed first, so both wait in TIME-WAIT.",
        &[
            (0, End::B, Act::Listen),
            (0, End::A, Act::Connect(49_152)),
            (200, End::A, Act::Close),
            (200, End::B, Act::Close),
        ],
    );
    vec![close, half, both, reset(), time_wait()]
}

fn reset() -> Scenario {
    plain(
        Chapter::Closing,
        "reset",
        "A connection is aborted",
        "B gives up in the middle of its answer: a RST ends both directions, nothing is acknowledged any more.\n\
         A is told of a break and not of an end, so what was cut off never looks whole.",
        &[
            (0, End::B, Act::Listen),
            (0, End::A, Act::Connect(49_152)),
            (100, End::B, Act::Send(40_000)),
            (170, End::B, Act::Abort),
        ],
    )
    .breaking()
}

fn time_wait() -> Scenario {
    plain(
        Chapter::Closing,
        "time-wait",
        "What TIME-WAIT is good for, and how its port is used again",
        "After 10 s a copy of the first SYN turns up: B remembers and answers, A knows nothing of it and resets,\n\
         which B ignores (RFC 1337). After 20 s a new SYN comes with a later number: a new connection (RFC 6191).",
        &[
            (0, End::B, Act::Listen),
            (0, End::A, Act::Connect(49_152)),
            (100, End::A, Act::Send(300)),
            (200, End::B, Act::Close),
            (200, End::A, Act::CloseAfterPeer),
            (20_000, End::A, Act::Connect(49_152)),
            (20_200, End::A, Act::Close),
            (20_200, End::B, Act::CloseAfterPeer),
        ],
    )
    .over(Path { copies: vec![(0, millis(10_000))], ..path() }, path())
}

fn flow_and_loss() -> Vec<Scenario> {
    vec![
        plain(
            Chapter::Flow,
            "window",
            "A reader rests, and the writer has to wait",
            "B rests for two seconds: what it has not read fills its ring of 4,096 octets, and its window is closed.\n\
             A keeps the rest and sends one octet from time to time to ask; an update of the window lets it go on.",
            &[
                (0, End::B, Act::Listen),
                (0, End::A, Act::Connect(49_152)),
                (100, End::B, Act::Rest),
                (100, End::A, Act::Send(16_000)),
                (100, End::A, Act::Close),
                (2_500, End::B, Act::Read),
                (2_500, End::B, Act::CloseAfterPeer),
            ],
        )
        .with_rings(8_192, 4_096),
        plain(
            Chapter::Loss,
            "loss",
            "Two segments are lost, and found missing in two ways",
            "Behind the first others arrive: B repeats its ACK for each, and the third repetition has it sent again.\n\
             The second is the last one: nothing comes behind it, and only A's timer notices, a second later.",
            &[
                (0, End::B, Act::Listen),
                (0, End::A, Act::Connect(49_152)),
                (100, End::A, Act::Send(30_000)),
                (3_000, End::A, Act::Close),
                (3_000, End::B, Act::CloseAfterPeer),
            ],
        )
        .over(Path { lose: vec![11, 27], ..path() }, path()),
        plain(
            Chapter::Loss,
            "reordering",
            "One segment is overtaken, another comes twice",
            "B keeps what came too early and repeats its ACK; once the hole is filled, it acknowledges all of it.\n\
             Two repetitions are not three: A sends nothing again. What comes twice is recognized by its numbers.",
            &[
                (0, End::B, Act::Listen),
                (0, End::A, Act::Connect(49_152)),
                (100, End::A, Act::Send(12_000)),
                (600, End::A, Act::Close),
                (600, End::B, Act::CloseAfterPeer),
            ],
        )
        .over(Path { late: vec![(8, millis(15))], copies: vec![(12, millis(70))], ..path() }, path()),
    ]
}

fn udp() -> Vec<Scenario> {
    let bad = Path { delay: millis(20), jitter: millis(4), loss: 120, duplicate: 80, reorder: 200, ..path() };
    let name = |name, title, about, there: &Path, back: &Path, play| Scenario {
        name,
        title,
        about,
        chapter: Chapter::Udp,
        there: there.clone(),
        back: back.clone(),
        play,
    };
    vec![
        name(
            "tcp-udp",
            "The same messages over TCP and over UDP, on the same bad link",
            "TCP delivers every message once and in order: one that is lost holds up all behind it.\n\
             UDP delivers what comes when it comes: some never, some twice, some before their turn.",
            &bad,
            &bad,
            Play::Race(Race { messages: 20, octets: 100, every: millis(40) }),
        ),
        name(
            "udp-server",
            "One UDP port serves everybody at once",
            "Every datagram carries whom to answer, so the server answers each in turn and keeps nothing of anybody.\n\
             No connection is opened, none is closed: the first answer is there after one round trip.",
            &path(),
            &path(),
            Play::Echo(Echoes { clients: &["ann", "bob", "cleo"], questions: 3, every: millis(32) }),
        ),
    ]
}

fn socks() -> Vec<Scenario> {
    let session = Session {
        version: Version::Five,
        up: 20_000,
        down: 10_000,
        half_close: false,
        client_closes: true,
        port: 80,
        pause: None,
    };
    let name = |name, title, about, session| Scenario {
        name,
        title,
        about,
        chapter: Chapter::Socks,
        there: path(),
        back: path(),
        play: Play::Socks(session),
    };
    vec![
        name(
            "socks5",
            "A connection through a SOCKS5 proxy",
            "A handshake, a SOCKS5 CONNECT, 20 kB up and 10 kB down, and a close by both sides.\n\
             The origin is done first, so the proxy closes first and waits in TIME-WAIT.",
            session.clone(),
        ),
        name(
            "socks4",
            "The same with SOCKS4a, which asks once",
            "SOCKS4 has no greeting and no method: the request is the first thing said, a round trip less.\n\
             The target's name stands behind the user's (4a), since the address field has room for IPv4 only.",
            Session { version: Version::Four, ..session.clone() },
        ),
        name(
            "socks-refused",
            "The target refuses, and the proxy says so",
            "The connection to the proxy is well and stays so: the refusal is a reply of SOCKS5, code 5.\n\
             It is always sent before the FIN, and so it is never lost with the connection.",
            Session { port: 9, ..session },
        ),
    ]
}
