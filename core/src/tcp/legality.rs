//! Whether what one end of a connection did is what RFC 9293 allows.
//!
//! The checker reads the events of a trace, one connection's at a time, and says which rule an event breaks. It
//! believes nothing but what stood on the wire at this end and the states that were recorded beside it.

use super::{Cause, EDGES, Flags, Seq, State};
use crate::time::Instant;
use crate::trace::{Event, View};
use core::fmt;
use core::time::Duration;

/// A rule that an event can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Law {
    /// A change of state is an edge of figure 5, and begins where the last one ended.
    Edge = 0,
    /// Our FIN is acknowledged only after it was sent.
    FinAcked = 1,
    /// The peer's FIN is taken only from a segment that has one.
    FinTaken = 2,
    /// A FIN or SYN that is sent again has the number it had.
    SameNumber = 3,
    /// A FIN comes after the SYN.
    FinAfterSyn = 4,
    /// No octet is sent beyond our own FIN.
    NothingAfterFin = 5,
    /// Nothing is sent beyond the window but the octet of a probe.
    WithinWindow = 6,
    /// The edge we advertise never moves left.
    EdgeKept = 7,
    /// Nothing is acknowledged that has not arrived.
    AckArrived = 8,
    /// TIME-WAIT lasts 2MSL.
    TwoMsl = 9,
}

impl Law {
    /// Every rule, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Edge,
        Self::FinAcked,
        Self::FinTaken,
        Self::SameNumber,
        Self::FinAfterSyn,
        Self::NothingAfterFin,
        Self::WithinWindow,
        Self::EdgeKept,
        Self::AckArrived,
        Self::TwoMsl,
    ];

    /// Returns the rule with this number, as stored in a trace.
    pub const fn from_u8(number: u8) -> Option<Self> {
        if (number as usize) < Self::ALL.len() { Some(Self::ALL[number as usize]) } else { None }
    }

    /// Returns the section of RFC 9293 that says so.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Edge => "3.3.2",
            Self::FinAcked | Self::FinTaken | Self::AckArrived => "3.10.7.4",
            Self::SameNumber => "3.8.1",
            Self::FinAfterSyn => "3.4",
            Self::NothingAfterFin => "3.10.4",
            Self::WithinWindow => "3.8.6.1",
            Self::EdgeKept => "3.8.6",
            Self::TwoMsl => "3.6.1",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edge => "no such change of state",
            Self::FinAcked => "our FIN counted as acknowledged without being so",
            Self::FinTaken => "a FIN taken that did not come",
            Self::SameNumber => "sent again with another number",
            Self::FinAfterSyn => "a FIN that does not come after the SYN",
            Self::NothingAfterFin => "an octet beyond our own FIN",
            Self::WithinWindow => "sent beyond the peer's window",
            Self::EdgeKept => "our advertised edge moved left",
            Self::AckArrived => "acknowledged what has not arrived",
            Self::TwoMsl => "TIME-WAIT ended early",
        })
    }
}

/// An event that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub law: Law,
    /// The number of the event.
    pub serial: u32,
    /// What was found, and what bounds it, where these are numbers.
    pub found: (u32, u32),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {} (RFC 9293 §{})", self.serial, self.law, self.law.section())?;
        if self.found == (0, 0) { Ok(()) } else { write!(f, ": {} against {}", self.found.0, self.found.1) }
    }
}

/// One direction of the wire, as this end knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    syn: Option<Seq>,
    /// The number of the FIN.
    fin: Option<Seq>,
    /// One past the highest number that passed.
    end: Option<Seq>,
    /// The furthest edge that the other side granted to this direction.
    edge: Option<Seq>,
    /// The shift of the windows that this direction's sender announces.
    shift: u8,
    /// Whether that shift was offered at all.
    scales: bool,
}

/// The checker of one connection at one end.
#[derive(Clone, Copy, Debug)]
pub struct Legality {
    /// The state, unless events that told it were lost.
    state: Option<State>,
    ours: Half,
    theirs: Half,
    /// Whether edges and arrivals were lost, so that nothing can be held against them.
    blind: bool,
    /// Whether a snapshot has just said where the connection stands.
    snapshot: bool,
    /// The last segment received, unless it was lost: its flags and what it acknowledges.
    last: Option<(Flags, Seq)>,
    /// The window of a SYN that came before ours.
    early: Option<u32>,
    waits_since: Instant,
    two_msl: Duration,
}

impl Default for Legality {
    fn default() -> Self {
        Self::new(Duration::ZERO)
    }
}

impl Legality {
    /// Returns a checker that has seen nothing; `two_msl` is the shortest TIME-WAIT it accepts.
    pub fn new(two_msl: Duration) -> Self {
        Self {
            state: Some(State::Closed),
            ours: Half::default(),
            theirs: Half::default(),
            blind: false,
            snapshot: false,
            last: Some((Flags(0), Seq(0))),
            early: None,
            waits_since: Instant::ZERO,
            two_msl,
        }
    }

    /// Looks at the connection's next event and returns the rule that it breaks, if it does.
    ///
    /// It wants to see [`View::Lost`] too, which belongs to no connection: what was lost is held against nobody.
    pub fn see(&mut self, event: &Event) -> Option<Violation> {
        let view = event.view()?;
        let broken = match view {
            View::Segment { sent: true, flags, seq, ack, len, window, .. } => {
                self.sent(flags, seq, ack, u32::from(len), window)
            }
            View::Segment { sent: false, flags, seq, ack, len, window, .. } => {
                self.received(flags, seq, ack, u32::from(len), window);
                None
            }
            View::Options { sent, scale, .. } => {
                let half = if sent { &mut self.ours } else { &mut self.theirs };
                (half.shift, half.scales) = (scale.unwrap_or(0), scale.is_some());
                None
            }
            View::State { from, cause, to, .. } => self.changed(event.time(), from, cause, to),
            View::Opened { .. } => {
                (self.state, self.blind, self.last) = (Some(State::Closed), false, Some((Flags(0), Seq(0))));
                None
            }
            View::Lost { .. } => {
                // A snapshot stands before the loss that it makes up for.
                if !core::mem::take(&mut self.snapshot) {
                    self.lose();
                }
                None
            }
            View::Snapshot { .. } | View::Vars { .. } | View::Edges { .. } => {
                self.stand(view);
                None
            }
            View::Address { .. }
            | View::Clock { .. }
            | View::Sacked { .. }
            | View::Dropped { .. }
            | View::Guarded { .. }
            | View::Queues { .. }
            | View::Timer { .. }
            | View::Call { .. }
            | View::Blocked { .. }
            | View::Datagram { .. }
            | View::Icmp { .. }
            | View::App { .. }
            | View::Transfer { .. }
            | View::Verdict { .. }
            | View::Ended { .. } => None,
        };
        broken.map(|(law, found)| Violation { law, serial: event.serial(), found })
    }

    /// Forgets what events that were lost may have changed.
    const fn lose(&mut self) {
        (self.state, self.last, self.blind) = (None, None, true);
        (self.ours.end, self.ours.edge, self.early) = (None, None, None);
        (self.theirs.end, self.theirs.edge) = (None, None);
        self.waits_since = Instant::ZERO;
    }

    /// Stands where a snapshot says that the connection stood.
    fn stand(&mut self, part: View) {
        match part {
            View::Snapshot { state, origins: (ours, theirs), scales, fins } => {
                self.lose();
                // Without both SYNs nobody knows how windows are scaled.
                let blind = ours.is_none() || theirs.is_none();
                (self.state, self.blind, self.snapshot) = (Some(state), blind, true);
                (self.ours.syn, self.theirs.syn) = (ours, theirs);
                (self.ours.shift, self.ours.scales) = (scales.0.unwrap_or(0), scales.0.is_some());
                (self.theirs.shift, self.theirs.scales) = (scales.1.unwrap_or(0), scales.1.is_some());
                // Its number is known as soon as the variables are.
                self.ours.fin = fins.0.then_some(Seq(0));
            }
            View::Vars { nxt, .. } if self.snapshot => {
                self.ours.end = self.ours.syn.map(|_| nxt);
                self.ours.fin = self.ours.fin.map(|_| nxt - 1);
            }
            View::Edges { granted, advertised, heard } if self.snapshot => {
                (self.ours.edge, self.theirs.edge, self.theirs.end) = (granted, advertised, heard);
            }
            _ => {}
        }
    }

    const fn shift_of(&self, sender_is_us: bool, flags: Flags) -> u8 {
        if !self.ours.scales || !self.theirs.scales || flags.contains(Flags::SYN) {
            0
        } else if sender_is_us {
            self.ours.shift
        } else {
            self.theirs.shift
        }
    }

    fn sent(&mut self, flags: Flags, seq: Seq, ack: Seq, len: u32, window: u16) -> Option<(Law, (u32, u32))> {
        if flags.contains(Flags::RST) {
            return None;
        }
        let shift = self.shift_of(true, flags);
        let broken = self.numbers(flags, seq, len);
        let broken = broken.or_else(|| self.beyond(seq, len));
        let broken = if flags.contains(Flags::ACK) {
            let edge = ack + (u32::from(window) << shift);
            let slack = (1_i32 << shift) - 1;
            // A SYN that is sent again cannot say a window that only a scale can (RFC 7323 §2.2).
            let says_all = !flags.contains(Flags::SYN);
            let retracted = self.theirs.edge.filter(|known| says_all && known.since(edge) > slack);
            let unseen = self.theirs.end.filter(|end| ack.is_after(*end) && !self.blind);
            self.theirs.edge = Some(self.theirs.edge.map_or(edge, |known| known.max(edge)));
            let broken = broken.or_else(|| retracted.map(|known| (Law::EdgeKept, (edge.0, known.0))));
            broken.or_else(|| unseen.map(|end| (Law::AckArrived, (ack.0, end.0))))
        } else {
            broken
        };
        if let Some(window) = self.early.take_if(|_| flags.contains(Flags::SYN)) {
            self.ours.edge = Some(seq + 1 + window);
        }
        self.ours.pass(flags, seq, len);
        broken
    }

    /// Checks the numbers of SYN, FIN and octets against those sent before.
    fn numbers(&self, flags: Flags, seq: Seq, len: u32) -> Option<(Law, (u32, u32))> {
        let ours = &self.ours;
        if flags.contains(Flags::SYN)
            && let Some(syn) = ours.syn.filter(|syn| *syn != seq)
        {
            return Some((Law::SameNumber, (seq.0, syn.0)));
        }
        if let Some(fin) = ours.fin {
            if len > 0 && (seq + len).is_after(fin) {
                return Some((Law::NothingAfterFin, ((seq + len).0, fin.0)));
            }
            if flags.contains(Flags::FIN) && seq + len != fin {
                return Some((Law::SameNumber, ((seq + len).0, fin.0)));
            }
        }
        let fin_first = flags.contains(Flags::FIN) && ours.syn.is_some_and(|syn| !(seq + len).is_after(syn));
        fin_first.then_some((Law::FinAfterSyn, (seq.0, 0)))
    }

    /// Checks what is sent against the furthest edge the peer granted.
    fn beyond(&self, seq: Seq, len: u32) -> Option<(Law, (u32, u32))> {
        let edge = self.ours.edge.filter(|_| !self.blind)?;
        let outside = len > 0 && (seq + len).is_after(edge);
        let probe = len == 1 && !seq.is_after(edge);
        (outside && !probe).then_some((Law::WithinWindow, ((seq + len).0, edge.0)))
    }

    fn received(&mut self, flags: Flags, seq: Seq, ack: Seq, len: u32, window: u16) {
        self.last = Some((flags, ack));
        if flags.contains(Flags::RST) {
            return;
        }
        if flags.contains(Flags::SYN) && self.theirs.syn.is_some_and(|syn| syn != seq) {
            // A SYN of another connection; it is no part of this one.
            return;
        }
        if flags.contains(Flags::SYN) && self.ours.syn.is_none() {
            self.early = Some(u32::from(window));
        } else if flags.contains(Flags::ACK) || flags.contains(Flags::SYN) {
            let shift = self.shift_of(false, flags);
            let base = if flags.contains(Flags::ACK) { Some(ack) } else { self.ours.end };
            if let Some(base) = base.filter(|base| self.ours.end.is_none_or(|end| !base.is_after(end))) {
                let edge = base + (u32::from(window) << shift);
                self.ours.edge = Some(self.ours.edge.map_or(edge, |known| known.max(edge)));
            }
        }
        self.theirs.pass(flags, seq, len);
    }

    fn changed(&mut self, now: Instant, from: State, cause: Cause, to: State) -> Option<(Law, (u32, u32))> {
        let known = self.state.replace(to);
        let timeout = cause == Cause::Timeout && to == State::Closed;
        let edge = EDGES.iter().any(|edge| (edge.from, edge.cause, edge.to) == (from, cause, to));
        if known.is_some_and(|known| known != from) || !(edge || timeout) {
            return Some((Law::Edge, (from as u32, to as u32)));
        }
        if to == State::TimeWait {
            self.waits_since = now;
        }
        let (flags, ack) = self.last?;
        let fin_acked = matches!(
            (from, cause, to),
            (State::FinWait1, Cause::Ack, State::FinWait2)
                | (State::FinWait1, Cause::FinAck, State::TimeWait)
                | (State::Closing, Cause::Ack, State::TimeWait)
                | (State::LastAck, Cause::Ack, State::Closed)
        );
        if fin_acked && self.ours.fin.is_none_or(|fin| !ack.is_after(fin)) {
            return Some((Law::FinAcked, (ack.0, self.ours.fin.map_or(0, |fin| fin.0))));
        }
        if matches!(cause, Cause::Fin | Cause::FinAck) && !flags.contains(Flags::FIN) {
            return Some((Law::FinTaken, (0, 0)));
        }
        let early = cause == Cause::TwoMsl && now.since(self.waits_since) < self.two_msl;
        early.then_some((Law::TwoMsl, (0, 0)))
    }
}

impl Half {
    /// Notes what has passed in this direction.
    fn pass(&mut self, flags: Flags, seq: Seq, len: u32) {
        if flags.contains(Flags::SYN) {
            self.syn = Some(seq);
        }
        if flags.contains(Flags::FIN) {
            self.fin = Some(seq + len);
        }
        let taken = len + u32::from(flags.contains(Flags::SYN)) + u32::from(flags.contains(Flags::FIN));
        let end = seq + taken;
        if taken > 0 {
            self.end = Some(self.end.map_or(end, |known| known.max(end)));
        }
    }
}
