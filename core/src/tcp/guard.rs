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

use super::edit::{Empty, rewrite};
use super::{Flags, Marks, Rule, Rules, Segment, Seq, State, Tracker};
use crate::time::Instant;
use core::time::Duration;

/// How long a connection with something to do stays silent before smoltcp is shown the peer's last word again.
const STALL: Duration = Duration::from_secs(3);
/// How long after that it is made to retransmit; longer than its longest retransmission timeout.
const STALL_AGAIN: Duration = Duration::from_secs(61);
/// The longest time between two FINs of the guard's.
const FIN_LONGEST: Duration = Duration::from_secs(61);
/// How long nothing may be heard of a peer before it is asked whether it is there.
const ASK: Duration = Duration::from_secs(75);
/// How long nothing may be heard of a peer whose FIN is awaited before it is reminded.
const NUDGE: Duration = Duration::from_secs(10);
/// How often it is reminded, each time after twice the time.
const NUDGES: u8 = 6;
/// The time in which answers are counted: challenges, one; equal acknowledgments, two (RFC 5961 §7).
const SECOND: Duration = Duration::from_secs(1);
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

/// One connection's guard: 168 octets, its tracker included.
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
        if inner != *segment {
            rewrite(packet, segment, &inner);
        }
        Verdict::Pass
    }

    /// Takes a segment before the connection stands.
    fn opening(&mut self, now: Instant, inner: &Segment) {
        let before = self.tracker.state();
        self.tracker.received(inner);
        if inner.flags.contains(Flags::SYN) {
            self.mss = inner.mss.filter(|mss| *mss > 0).unwrap_or(DEFAULT_MSS);
            self.highest = self.tracker.rcv_nxt();
        }
        if before == State::SynSent && self.tracker.state() != State::SynSent {
            // A window in a SYN is never scaled (RFC 7323 §2.2).
            self.edge = self.tracker.iss() + 1 + u32::from(inner.window);
        }
        (self.heard, self.kept, self.mark) = (now, now, now);
    }

    /// Drops or answers what must not reach smoltcp: blind attacks, and what its checks let through.
    fn judge(&mut self, now: Instant, inner: &Segment) -> Option<Verdict> {
        let (state, flags) = (self.tracker.state(), inner.flags);
        if flags.contains(Flags::RST) {
            return self.judge_reset(now, inner, state);
        }
        if state == State::SynReceived {
            // smoltcp resets a wrong acknowledgment here, and answers a repeated SYN.
            return None;
        }
        if flags.contains(Flags::SYN) && self.has(Rule::Syn) {
            self.act(Rule::Syn);
            return Some(self.challenge(now));
        }
        let beyond = flags.contains(Flags::ACK) && inner.ack.is_after(self.max);
        if beyond && self.has(Rule::AckMax) {
            self.act(Rule::AckMax);
            return Some(self.challenge(now));
        }
        None
    }

    /// RFC 5961 §3.2 and RFC 1337: only the exact next number resets, and nothing does in TIME-WAIT.
    fn judge_reset(&mut self, now: Instant, inner: &Segment, state: State) -> Option<Verdict> {
        if !self.has(Rule::Reset) {
            return None;
        }
        if state == State::TimeWait {
            self.act(Rule::Reset);
            return Some(Verdict::Drop);
        }
        if inner.seq == self.tracker.rcv_nxt() {
            return None;
        }
        self.act(Rule::Reset);
        Some(if self.tracker.acceptable(inner) { self.challenge(now) } else { Verdict::Drop })
    }

    /// Returns the challenge ACK of RFC 5961, at most one a second.
    fn challenge(&mut self, now: Instant) -> Verdict {
        if self.challenged.is_some_and(|at| now.since(at) < SECOND) {
            return Verdict::Drop;
        }
        self.challenged = Some(now);
        Verdict::Answer(self.acknowledgment(self.next_seq()))
    }

    /// Changes what smoltcp would misunderstand.
    fn mend(&mut self, inner: &mut Segment) {
        let flags = inner.flags;
        if !flags.contains(Flags::ACK) || flags.intersects(Flags::SYN | Flags::RST) {
            return;
        }
        self.renew_old_acknowledgment(inner);
        self.accept_rewound_number(inner);
        if flags.contains(Flags::FIN) && self.has(Rule::FinIn) {
            // The octets before it are cut at the edge, so it does not come next (RFC 9293 §3.10.7.4).
            let beyond = (inner.seq + inner.len).is_after(self.tracker.rcv_edge());
            if beyond {
                inner.flags = Flags(flags.0 & !Flags::FIN.0);
                self.act(Rule::FinIn);
            }
        }
        if self.tracker.acceptable(inner) && !self.tracker.snd_una().is_after(inner.ack) {
            self.hold_edge(inner);
        }
    }

    /// smoltcp drops the octets of a segment whose acknowledgment is old (RFC 9293 §3.10.7.4 keeps them).
    fn renew_old_acknowledgment(&mut self, inner: &mut Segment) {
        let late = self.tracker.snd_una().since(inner.ack);
        let carries = inner.len > 0 || inner.flags.contains(Flags::FIN);
        if self.has(Rule::OldAck) && carries && late > 0 && late <= self.most(self.tracker.their_shift()) {
            inner.ack = self.tracker.snd_una();
            inner.window = self.window_left();
            self.act(Rule::OldAck);
        }
    }

    /// A peer that has taken its SND.NXT back acknowledges with a number that is not acceptable.
    fn accept_rewound_number(&mut self, inner: &mut Segment) {
        let bare = inner.len == 0 && !inner.flags.contains(Flags::FIN);
        let advances = inner.ack.is_after(self.tracker.snd_una());
        if !self.has(Rule::AckSeq) || !bare || !advances || self.tracker.acceptable(inner) {
            return;
        }
        let behind = self.tracker.rcv_nxt().since(inner.seq);
        let below_edge = !inner.seq.is_after(self.tracker.rcv_edge());
        if behind <= self.most(self.tracker.our_shift()) && below_edge {
            inner.seq = self.tracker.rcv_nxt();
            self.act(Rule::AckSeq);
        }
    }

    /// Shows an edge that never moves left, and no closed window while something is in flight.
    fn hold_edge(&mut self, inner: &mut Segment) {
        let shift = self.tracker.their_shift();
        let granted = inner.ack + (u32::from(inner.window) << shift);
        if self.edge.is_after(granted) {
            if self.has(Rule::Edge) {
                let left = self.edge.since(inner.ack).unsigned_abs() >> shift;
                inner.window = u16::try_from(left).unwrap_or(u16::MAX);
                self.act(Rule::Edge);
            }
        } else {
            self.edge = granted;
        }
        if inner.window == 0 && self.tracker.snd_nxt().is_after(inner.ack) && self.has(Rule::One) {
            inner.window = 1;
            self.act(Rule::One);
        }
    }

    /// Returns whether smoltcp would take this for another duplicate acknowledgment and retransmit to no good.
    fn is_one_duplicate_too_many(&mut self, inner: &Segment) -> bool {
        let una = self.tracker.snd_una();
        let in_order = inner.flags.contains(Flags::FIN) && inner.seq == self.tracker.rcv_nxt();
        let duplicate = inner.flags.contains(Flags::ACK)
            && !inner.flags.intersects(Flags::SYN | Flags::RST)
            && inner.len == 0
            && !in_order
            && inner.ack == una
            && self.tracker.snd_nxt().is_after(una)
            && u32::from(inner.window) << self.tracker.their_shift() == self.tracker.snd_wnd();
        if !duplicate || self.tracker.duplicates() == 0 {
            return false;
        }
        if self.is_fin_alone() {
            if self.has(Rule::FinDup) {
                self.act(Rule::FinDup);
                return true;
            }
        } else if self.edge.since(una) < i32::from(self.mss) && self.has(Rule::OverDup) {
            self.act(Rule::OverDup);
            return true;
        }
        false
    }

    /// Notes what smoltcp is about to see.
    fn heed(&mut self, now: Instant, inner: &Segment) {
        let (una, edge) = (self.tracker.snd_una(), self.edge);
        let plausible = inner.seq.since(self.tracker.rcv_nxt()).unsigned_abs() <= 0xffff << 14;
        if plausible && inner.flags.contains(Flags::ACK) {
            (self.heard, self.kept, self.nudges) = (now, now, 0);
        }
        if inner.len > 0 && self.tracker.acceptable(inner) {
            self.highest = self.highest.max(inner.end());
        }
        let before = self.tracker.state();
        self.tracker.received(inner);
        let answers = inner.flags.contains(Flags::ACK) && !inner.flags.contains(Flags::SYN);
        if before == State::SynReceived && answers {
            self.edge = self.edge.max(inner.ack + (u32::from(inner.window) << self.tracker.their_shift()));
        }
        if self.tracker.snd_una() != una || self.edge != edge {
            self.gap = u32::try_from(now.since(self.mark).as_micros()).unwrap_or(u32::MAX);
            (self.mark, self.stalled, self.burst, self.fins) = (now, None, 0, 0);
        }
    }

    /// Judges a segment from smoltcp; changes the packet and returns its new length, 0 if it is swallowed.
    ///
    /// It has to be called before the next segment from the wire is judged.
    pub fn egress(&mut self, now: Instant, packet: &mut [u8], segment: &Segment) -> usize {
        let mut out = *segment;
        let before = self.tracker.state();
        if segment.flags.contains(Flags::SYN) {
            self.open(segment, before);
        } else if segment.flags.contains(Flags::RST) {
            if before == State::SynSent && segment.ack.0 == 0 && self.has(Rule::Seq) {
                // smoltcp resets a peer that it has never heard; RFC 9293 §3.10.5 sends nothing.
                self.tracker.sent(segment);
                self.act(Rule::Seq);
                return 0;
            }
            self.tracker.sent(segment);
            // One without an ACK answers a segment of nobody's with that segment's own number.
            let synchronized = !matches!(before, State::Closed | State::Listen | State::SynSent);
            if synchronized && segment.flags.contains(Flags::ACK) && self.has(Rule::Seq) {
                out.seq = self.next_seq();
            }
        } else if segment.seg_len() == 0 {
            if self.is_repeated_too_often(now, segment) {
                // smoltcp goes on as if it had been sent.
                self.tracker.sent(segment);
                return 0;
            }
            self.tracker.sent(segment);
            if self.has(Rule::Seq) && out.seq != self.next_seq() {
                out.seq = self.next_seq();
                self.act(Rule::Seq);
            }
        } else {
            self.trim(&mut out);
            let probe = self.tracker.sent(segment).marks.contains(Marks::PROBE);
            if probe && self.has(Rule::Trim) {
                // smoltcp forgets the window of a probe, and would refuse what it lets the peer send.
                out.window = self.acknowledgment(out.seq).window.min(segment.window);
            }
            if out.seg_len() > 0 {
                self.max = self.max.max(out.end());
                self.mark = now;
            }
        }
        if segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::RST) {
            self.acknowledged(now, (segment.ack, out.window));
        }
        out.seq = out.seq + self.offset;
        if out == *segment {
            (packet.len()).min(usize::from(segment.header) + segment.len as usize)
        } else {
            rewrite(packet, segment, &out)
        }
    }

    /// Takes our own SYN: the first of them fixes the numbers of the wire.
    fn open(&mut self, segment: &Segment, before: State) {
        let first = matches!(before, State::Closed | State::Listen);
        if first && self.has(Rule::Isn) {
            self.offset = self.isn.0.wrapping_sub(segment.seq.0);
        }
        self.tracker.sent(segment);
        if first {
            self.max = segment.end();
            // Derived here and nowhere else: a SYN-ACK that is repeated after octets were acknowledged says nothing new.
            self.edge = segment.seq + 1 + self.tracker.snd_wnd();
        }
        if let Some(mss) = segment.mss.filter(|_| first && self.tracker.state() == State::SynReceived) {
            self.mss = self.mss.min(mss);
        }
    }

    /// Keeps what is sent inside of what the peer granted, and a FIN away from where it would be misread.
    fn trim(&mut self, out: &mut Segment) {
        let room = self.edge.since(out.seq);
        if !self.has(Rule::Trim) || self.tracker.state() == State::SynSent {
            return;
        }
        let bare = Flags(out.flags.0 & !(Flags::FIN.0 | Flags::PSH.0));
        let len = i32::try_from(out.len).unwrap_or(i32::MAX);
        let slack = (1_i32 << self.tracker.their_shift()) - 1;
        if room < 0 {
            (out.seq, out.len, out.flags) = (self.tracker.snd_una() - 1, 0, bare);
        } else if len > room.max(1) {
            // One octet beyond a closed window is a probe (RFC 9293 §3.8.6.1).
            (out.len, out.flags) = (room.unsigned_abs().max(1), bare);
        } else if len > room && out.flags.contains(Flags::FIN) {
            out.flags = bare;
        } else if out.flags.contains(Flags::FIN) && len > 0 && slack > 0 && room - len <= slack {
            // A peer with a shift may take as much back as its shift hides.
            out.flags = bare;
        } else {
            return;
        }
        self.act(Rule::Trim);
    }

    /// Returns whether this is the third equal acknowledgment within a second, with no hole to tell of.
    fn is_repeated_too_often(&mut self, now: Instant, segment: &Segment) -> bool {
        let same = (segment.ack, segment.window) == self.last && now.since(self.last_since) < SECOND;
        let hole = self.highest.is_after(self.tracker.rcv_nxt());
        let excess = same && !hole && self.repeats >= 2 && self.has(Rule::Damp);
        if excess {
            self.act(Rule::Damp);
        }
        excess
    }

    fn acknowledged(&mut self, now: Instant, last: (Seq, u16)) {
        if last == self.last && now.since(self.last_since) < SECOND {
            self.repeats = self.repeats.saturating_add(1);
        } else {
            (self.last, self.last_since, self.repeats) = (last, now, 1);
        }
    }

    /// Does what time demands; `queued` says whether smoltcp has octets or a FIN that are not acknowledged.
    pub fn tick(&mut self, now: Instant, queued: bool) -> Option<Inject> {
        if !self.is_synchronized() {
            return None;
        }
        if self.is_fin_alone() {
            if self.has(Rule::FinKeep) && self.fin_at() <= now {
                return Some(self.repeat_fin(now));
            }
        } else if (queued || self.max != self.tracker.snd_una()) && self.stall_at() <= now {
            return self.wake(now);
        }
        if self.nudge_at().is_some_and(|at| at <= now) {
            self.nudges += 1;
            self.act(Rule::Nudge);
            return Some(Inject::Wire(self.acknowledgment(self.next_seq())));
        }
        if self.has(Rule::KeepAlive) && self.kept + ASK <= now {
            self.kept = now;
            self.act(Rule::KeepAlive);
            return Some(Inject::Wire(self.acknowledgment(self.tracker.snd_una() - 1)));
        }
        None
    }

    /// Returns when [`tick`](Self::tick) has to be called next, if nothing comes before.
    pub fn tick_at(&self, queued: bool) -> Option<Instant> {
        if !self.is_synchronized() {
            return None;
        }
        let mut at = self.has(Rule::KeepAlive).then(|| self.kept + ASK);
        let mut sooner = |other: Option<Instant>| at = [at, other].into_iter().flatten().min();
        if self.is_fin_alone() {
            sooner(self.has(Rule::FinKeep).then(|| self.fin_at()));
        } else if queued || self.max != self.tracker.snd_una() {
            sooner(self.has(Rule::Stall).then(|| self.stall_at()));
        }
        sooner(self.nudge_at());
        at
    }

    const fn is_synchronized(&self) -> bool {
        matches!(
            self.tracker.state(),
            State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
        )
    }

    /// Returns whether our FIN is all that the peer has not acknowledged.
    fn is_fin_alone(&self) -> bool {
        self.tracker.fin() == Some(self.tracker.snd_una() + 1)
    }

    /// Returns when the FIN is sent again: at once if it never was.
    fn fin_at(&self) -> Instant {
        if self.tracker.fin().is_some_and(|end| end.is_after(self.max)) {
            return Instant::ZERO;
        }
        let once = STALL.max(Duration::from_micros(2 * u64::from(self.gap)) + SECOND);
        self.mark + once.saturating_mul(1 << self.fins.min(6)).min(FIN_LONGEST)
    }

    fn repeat_fin(&mut self, now: Instant) -> Inject {
        let una = self.tracker.snd_una();
        self.act(Rule::FinKeep);
        self.max = self.max.max(una + 1);
        self.mark = now;
        self.fins = self.fins.saturating_add(1);
        let mut fin = self.acknowledgment(una);
        fin.flags = Flags::FIN | Flags::ACK;
        Inject::Wire(fin)
    }

    fn stall_at(&self) -> Instant {
        match self.stalled {
            None => self.mark + STALL,
            Some(_) if self.burst > 0 => Instant::ZERO,
            Some(at) => (at + STALL_AGAIN).max(self.mark + STALL),
        }
    }

    /// Shows smoltcp the peer's last word again: once, which lets it send or probe, then so often that it repeats
    /// its oldest segment.
    fn wake(&mut self, now: Instant) -> Option<Inject> {
        if !self.has(Rule::Stall) {
            return None;
        }
        self.act(Rule::Stall);
        let mut window = self.window_left();
        match (self.stalled, self.burst) {
            (None, _) => self.stalled = Some(now),
            (Some(_), 0) => {
                self.stalled = Some(now);
                self.burst = 4;
                // A window that differs lets smoltcp count its duplicates from the beginning.
                window = if window == u16::MAX { window - 1 } else { window + 1 };
            }
            (Some(_), _) => self.burst -= 1,
        }
        let (seq, ack) = (self.tracker.rcv_nxt(), self.tracker.snd_una());
        let repeated = Empty { seq, ack, flags: Flags::ACK, window };
        self.tracker.received(&repeated.segment());
        Some(Inject::Stack(repeated))
    }

    fn nudge_at(&self) -> Option<Instant> {
        let awaits = matches!(self.tracker.state(), State::Established | State::FinWait1 | State::FinWait2);
        (awaits && self.nudges < NUDGES && self.has(Rule::Nudge))
            .then(|| self.heard + NUDGE * (1 << self.nudges))
    }

    /// Returns the number that a segment without octets has (RFC 9293 §3.10.7.4 makes the peer accept no other).
    fn next_seq(&self) -> Seq {
        self.max.min(self.edge.max(self.tracker.snd_una()))
    }

    /// Returns an acknowledgment for the wire with this number of smoltcp's.
    fn acknowledgment(&self, seq: Seq) -> Empty {
        let window = self.tracker.rcv_wnd() >> self.tracker.our_shift();
        Empty {
            seq: seq + self.offset,
            ack: self.tracker.rcv_nxt(),
            flags: Flags::ACK,
            window: u16::try_from(window).unwrap_or(u16::MAX),
        }
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
