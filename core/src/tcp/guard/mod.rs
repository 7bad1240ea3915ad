//! What an unmodified smoltcp 0.14 needs to be safe: a guard between its socket and the wire.
//!
//! The guard sees each segment of one connection in both directions and lets it pass, changes it, swallows it, or
//! answers it. It keeps a [`Tracker`] of what smoltcp believes, and beside that what smoltcp does not know: the
//! furthest edge the peer ever granted, and the last number that was really put on the wire. Each thing it does is
//! a [`Rule`] with its RFC section; whatever it did last is told by [`Guard::acted`].
//!
//! ```text
//! wire ─► verify checksum ─► Guard::ingress ─► smoltcp ─► Guard::egress ─► wire
//!                                  └─ answers ──────────────────────────────►┘
//!                            Guard::tick ─► an empty segment, to smoltcp or to the wire
//! ```
//!
//! smoltcp numbers its octets from a number that can be guessed; the guard shifts them so that the wire sees
//! numbers of [`isn`](super::isn()). Inside of the guard everything is in smoltcp's numbers.

mod inward;
mod outward;
mod rule;
mod timers;

pub use rule::{Rule, Rules};

use super::edit::{Empty, rewrite};
use super::{Flags, Segment, Seq, State, Tracker};
use crate::time::Instant;

/// The time in which answers are counted, in microseconds: challenges, one; equal acknowledgments, two (RFC 5961 §7).
const SECOND: u64 = 1_000_000;
/// The largest segment when a peer does not say (RFC 9293 §3.7.1).
const DEFAULT_MSS: u16 = 536;

/// What becomes of a segment from the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// smoltcp is to see the packet, which may have been changed.
    Pass,
    /// Nobody is to see it.
    Drop,
    /// smoltcp is not to see it; this goes to the wire in answer.
    Answer(Empty),
}

/// What a timer of the guard's makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inject {
    /// A segment for the peer, in the wire's numbers.
    Wire(Empty),
    /// A segment for smoltcp, in its own numbers, as if the peer had sent it; the guard has taken note of it.
    Stack(Empty),
}

/// One connection's guard: 176 octets, its tracker included.
///
/// A reset that only guesses its number is challenged, and smoltcp never sees it (RFC 5961 §3):
///
/// ```
/// use core::net::SocketAddr;
/// use sockhop::tcp::{Empty, Flags, Guard, Rule, Segment, Seq, Verdict};
/// use sockhop::time::Instant;
///
/// let ours: SocketAddr = "192.0.2.1:80".parse().expect("an address");
/// let peer: SocketAddr = "192.0.2.2:40000".parse().expect("an address");
/// let mut guard = Guard::new(Seq(7_000)); // the number that our SYN has on the wire
/// # let said = |guard: &mut Guard, seq, ack, flags| {
/// #     let mut packet = [0; 60];
/// #     let length = Empty { seq: Seq(seq), ack: Seq(ack), flags, window: 4_096 }.write(ours, peer, &mut packet);
/// #     let segment = Segment::parse(&packet[..length]).expect("it is TCP");
/// #     guard.egress(Instant::ZERO, &mut packet[..length], &segment);
/// # };
/// # let hears = |guard: &mut Guard, seq, ack, flags| {
/// #     let mut packet = [0; 60];
/// #     let length = Empty { seq: Seq(seq), ack: Seq(ack), flags, window: 4_096 }.write(peer, ours, &mut packet);
/// #     let segment = Segment::parse(&packet[..length]).expect("it is TCP");
/// #     guard.ingress(Instant::ZERO, &mut packet[..length], &segment)
/// # };
/// hears(&mut guard, 100, 0, Flags::SYN);
/// said(&mut guard, 1, 101, Flags::SYN | Flags::ACK); // smoltcp's own number is 1
/// hears(&mut guard, 101, 7_001, Flags::ACK); // the peer knows it as 7000
///
/// assert!(matches!(hears(&mut guard, 150, 0, Flags::RST), Verdict::Answer(_)));
/// assert!(guard.acted().contains(Rule::Reset));
/// assert_eq!(hears(&mut guard, 101, 0, Flags::RST), Verdict::Pass); // the exact number
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    tracker: Tracker,
    on: Rules,
    acted: Rules,
    /// The number our SYN has on the wire.
    isn: Seq,
    /// What is added to smoltcp's numbers.
    offset: u32,
    /// The furthest number the peer ever allowed us to send up to.
    edge: Seq,
    /// One past the last number that was really put on the wire.
    max: Seq,
    /// One past the last number the peer sent, in order or not.
    highest: Seq,
    /// The edge that the wire was shown last; nothing until the peer's numbers are known.
    shown: Option<Seq>,
    mss: u16,
    /// When something was last sent that takes numbers, or got through, or became possible.
    mark: Instant,
    /// How long what was sent last took to be acknowledged, in microseconds.
    gap: u32,
    heard: Instant,
    kept: Instant,
    challenged: Option<Instant>,
    stalled: Option<Instant>,
    /// Segments of the burst that follows a stall, still to come.
    burst: u8,
    fins: u8,
    nudges: u8,
    /// The last acknowledgment sent, since when, and how often.
    last: (Seq, u16),
    last_since: Instant,
    repeats: u8,
}

impl Guard {
    /// Returns a guard with every rule; `isn` is the number that our SYN is to have on the wire.
    pub fn new(isn: Seq) -> Self {
        Self::with(isn, Rules::ALL)
    }

    /// Returns a guard with some rules only; without any it watches and changes nothing.
    pub fn with(isn: Seq, on: Rules) -> Self {
        Self {
            tracker: Tracker::new(),
            on,
            acted: Rules::NONE,
            isn,
            offset: 0,
            edge: Seq(0),
            max: Seq(0),
            highest: Seq(0),
            shown: None,
            mss: DEFAULT_MSS,
            mark: Instant::ZERO,
            gap: 0,
            heard: Instant::ZERO,
            kept: Instant::ZERO,
            challenged: None,
            stalled: None,
            burst: 0,
            fins: 0,
            nudges: 0,
            last: (Seq(0), 0),
            last_since: Instant::ZERO,
            repeats: 0,
        }
    }

    /// Returns what smoltcp believes, in its own numbers.
    pub const fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Returns what is added to smoltcp's numbers on the way to the wire.
    pub const fn offset(&self) -> u32 {
        self.offset
    }

    /// Returns the number after the last one really sent, on the wire.
    pub fn sent_up_to(&self) -> Seq {
        self.max + self.offset
    }

    /// Returns the furthest number the peer granted, on the wire.
    pub fn edge(&self) -> Seq {
        self.edge + self.offset
    }

    /// Returns the largest segment that the peer said it takes, in octets of payload and options (RFC 9293 §3.7.1).
    pub const fn peer_mss(&self) -> u16 {
        self.mss
    }

    /// Returns when the peer was last heard.
    pub const fn heard(&self) -> Instant {
        self.heard
    }

    /// Returns whether smoltcp still owes the peer an acknowledgment.
    pub fn owes_acknowledgment(&self) -> bool {
        self.tracker.rcv_nxt() != self.last.0
    }

    /// Returns the rules that acted in the last call, and forgets them.
    pub const fn acted(&mut self) -> Rules {
        let acted = self.acted;
        self.acted = Rules::NONE;
        acted
    }

    fn act(&mut self, rule: Rule) {
        self.acted = self.acted.with(rule);
    }

    const fn has(&self, rule: Rule) -> bool {
        self.on.contains(rule)
    }

    /// Judges a segment from the wire, and changes the packet if smoltcp is to see it otherwise.
    ///
    /// `segment` is what [`Segment::parse`] reads in the packet; its checksum has been verified.
    pub fn ingress(&mut self, now: Instant, packet: &mut [u8], segment: &Segment) -> Verdict {
        let mut inner = *segment;
        if segment.flags.contains(Flags::ACK) {
            inner.ack = segment.ack - self.offset;
        }
        match self.tracker.state() {
            State::Closed | State::Listen | State::SynSent => self.opening(now, &inner),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                if let Some(verdict) = self.judge(now, &inner) {
                    return verdict;
                }
                self.mend(&mut inner);
                if self.is_one_duplicate_too_many(&inner) {
                    return Verdict::Drop;
                }
                self.heed(now, &inner);
            }
        }
        rewrite(packet, segment, &inner);
        Verdict::Pass
    }

    /// Returns the number that a segment without octets has (RFC 9293 §3.10.7.4 makes the peer accept no other).
    fn next_seq(&self) -> Seq {
        self.max.min(self.edge.max(self.tracker.snd_una()))
    }

    /// Returns an acknowledgment for the wire with this number of smoltcp's.
    fn acknowledgment(&self, seq: Seq) -> Empty {
        Empty {
            seq: seq + self.offset,
            ack: self.tracker.rcv_nxt(),
            flags: Flags::ACK,
            window: self.window(),
        }
    }

    /// Returns what is left of the window that the wire was shown last, as it stands in a header.
    ///
    /// It is rounded up: the edge moves right by less than the step that is kept free.
    pub fn window(&self) -> u16 {
        let Some(shown) = self.shown else { return self.window_believed() };
        let left = shown.since(self.tracker.rcv_nxt()).max(0).unsigned_abs();
        let shift = self.tracker.our_shift() & 15;
        u16::try_from(left.saturating_add((1 << shift) - 1) >> shift).unwrap_or(u16::MAX)
    }

    /// Returns what smoltcp believes to have left of the window it advertised, as it stands in a header.
    fn window_believed(&self) -> u16 {
        u16::try_from(self.tracker.rcv_wnd() >> self.tracker.our_shift()).unwrap_or(u16::MAX)
    }

    /// Returns the window that is shown in place of one of smoltcp's.
    ///
    /// smoltcp rounds its window down to a step of `1 << shift`, so its edge moves left by less than a step as octets
    /// come in, and it cuts what lies beyond. What is shown is a step smaller: no edge that was ever shown is beyond
    /// any that smoltcp holds to later.
    fn slacken(&self, window: u16) -> u16 {
        let steps = self.tracker.our_shift() > 0 && self.has(Rule::Slack);
        window.saturating_sub(u16::from(steps))
    }

    /// Returns the window that is left to the furthest edge, as it stands in a header.
    fn window_left(&self) -> u16 {
        let left = self.edge.since(self.tracker.snd_una()).max(0).unsigned_abs();
        u16::try_from(left >> self.tracker.their_shift()).unwrap_or(u16::MAX)
    }

    /// Returns the largest window of this shift, as a distance.
    const fn most(&self, shift: u8) -> i32 {
        0xffff << shift
    }
}
