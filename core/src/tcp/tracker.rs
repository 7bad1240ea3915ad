//! The variables of one end of a connection, from the segments that pass (RFC 9293 §3.3.1).
//!
//! The tracker stands between the wire and a stack and sees what the stack's peer sees, in the order in which the
//! stack does. It believes what the stack believes: an acknowledgment counts only if the segment is acceptable,
//! and a retransmission timeout takes SND.NXT back to SND.UNA.

use super::{Cause, Flags, Segment, Seq, State};

/// What is remarkable about a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Marks(pub u16);

impl Marks {
    /// Sent before.
    pub const RETRANSMIT: Self = Self(1);
    /// Sent before, and three duplicate acknowledgments asked for it.
    pub const FAST: Self = Self(1 << 1);
    /// One octet into a closed window.
    pub const PROBE: Self = Self(1 << 2);
    /// Acknowledges nothing new, with nothing else to say.
    pub const DUPLICATE_ACK: Self = Self(1 << 3);
    /// Fills the peer's window to its edge.
    pub const WINDOW_FULL: Self = Self(1 << 4);
    /// Says nothing but that the window has grown.
    pub const WINDOW_UPDATE: Self = Self(1 << 5);
    /// Closes the window.
    pub const ZERO_WINDOW: Self = Self(1 << 6);
    /// Opens a window that was closed.
    pub const REOPEN: Self = Self(1 << 7);
    /// Begins beyond what was expected next.
    pub const OUT_OF_ORDER: Self = Self(1 << 8);
    /// Not acceptable (RFC 9293 §3.10.7.4), or beyond the window.
    pub const REFUSED: Self = Self(1 << 9);
    /// Acknowledges the FIN of the other side.
    pub const ACKS_FIN: Self = Self(1 << 10);

    const NAMES: [(Self, &'static str); 11] = [
        (Self::FAST, "fast retransmit"),
        (Self::RETRANSMIT, "retransmit"),
        (Self::PROBE, "zero-window probe"),
        (Self::DUPLICATE_ACK, "duplicate ACK"),
        (Self::WINDOW_FULL, "window full"),
        (Self::WINDOW_UPDATE, "window update"),
        (Self::ZERO_WINDOW, "zero window"),
        (Self::REOPEN, "window reopened"),
        (Self::OUT_OF_ORDER, "out of order"),
        (Self::REFUSED, "refused"),
        (Self::ACKS_FIN, "acks FIN"),
    ];

    /// Returns whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn add(&mut self, other: Self, when: bool) {
        if when {
            self.0 |= other.0;
        }
    }
}

impl core::fmt::Display for Marks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut comma = "";
        for (mark, name) in Self::NAMES {
            let said_better = mark == Self::RETRANSMIT && self.contains(Self::FAST);
            if self.contains(mark) && !said_better {
                write!(f, "{comma}{name}")?;
                comma = ", ";
            }
        }
        Ok(())
    }
}

/// What a segment did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What is remarkable about it.
    pub marks: Marks,
    /// The state before, the cause, and the state after, as far as the wire shows them.
    pub change: Option<(State, Cause, State)>,
}

/// The variables of one end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracker {
    state: State,
    iss: Seq,
    irs: Seq,
    una: Seq,
    nxt: Seq,
    max: Seq,
    wnd: u32,
    rcv_nxt: Seq,
    rcv_edge: Seq,
    /// One past our FIN, once it was sent.
    fin: Option<Seq>,
    /// The peer's FIN, while octets before it are missing.
    early_fin: Option<Seq>,
    our_shift: Option<u8>,
    their_shift: Option<u8>,
    duplicates: u8,
    /// The third duplicate came, and the segment it asks for was not sent yet.
    fast: bool,
    scaled: bool,
}

impl Tracker {
    /// Returns a tracker that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a tracker of a connection that is seen from the middle, where `first` is the first segment seen; `sent` says
    /// whether our end sent it.
    ///
    /// Windows are taken to be wide open until one is told, since nobody knows how they are scaled.
    pub fn midway(first: &Segment, sent: bool) -> Self {
        let (ours, theirs) = if sent { (first.seq, first.ack) } else { (first.ack, first.seq) };
        Self {
            state: State::Established,
            iss: ours - 1,
            irs: theirs - 1,
            una: ours,
            nxt: ours,
            max: ours,
            wnd: u32::from(u16::MAX),
            rcv_nxt: theirs,
            rcv_edge: theirs + (1 << 30),
            our_shift: Some(14),
            their_shift: Some(14),
            scaled: true,
            ..Self::default()
        }
    }

    /// Returns the state as the wire shows it; a close that has sent no FIN yet does not show.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns our initial sequence number.
    pub const fn iss(&self) -> Seq {
        self.iss
    }

    /// Returns the peer's initial sequence number.
    pub const fn irs(&self) -> Seq {
        self.irs
    }

    /// Returns SND.UNA, the oldest number that is not acknowledged.
    pub const fn snd_una(&self) -> Seq {
        self.una
    }

    /// Returns SND.NXT as the stack believes it: a retransmission timeout takes it back.
    pub const fn snd_nxt(&self) -> Seq {
        self.nxt
    }

    /// Returns the number after the highest ever sent.
    pub const fn snd_max(&self) -> Seq {
        self.max
    }

    /// Returns SND.WND, the peer's window in octets.
    pub const fn snd_wnd(&self) -> u32 {
        self.wnd
    }

    /// Returns RCV.NXT, the next number expected; what is held out of order does not count.
    pub const fn rcv_nxt(&self) -> Seq {
        self.rcv_nxt
    }

    /// Returns RCV.WND, what is left of the window last advertised, in octets.
    pub fn rcv_wnd(&self) -> u32 {
        u32::try_from(self.rcv_edge.since(self.rcv_nxt)).unwrap_or(0)
    }

    /// Returns the edge of the window last advertised.
    pub const fn rcv_edge(&self) -> Seq {
        self.rcv_edge
    }

    /// Returns the number after our FIN, once the stack believes to have sent it.
    pub const fn fin(&self) -> Option<Seq> {
        self.fin
    }

    /// Returns how many duplicate acknowledgments the stack has counted in a row.
    pub const fn duplicates(&self) -> u8 {
        self.duplicates
    }

    /// Returns the shift of the windows we send; 0 unless both sides agreed.
    pub fn our_shift(&self) -> u8 {
        self.shift(self.our_shift)
    }

    /// Returns the shift of the windows the peer sends; 0 unless both sides agreed.
    pub fn their_shift(&self) -> u8 {
        self.shift(self.their_shift)
    }

    /// Notes a segment that the stack sends.
    pub fn sent(&mut self, segment: &Segment) -> Note {
        let before = self.state;
        let mut marks = Marks::default();
        let flags = segment.flags;
        if flags.contains(Flags::RST) {
            // Without an ACK it answers a segment of nobody's (RFC 9293 §3.10.7.1); the connection goes on.
            if flags.contains(Flags::ACK) {
                self.state = State::Closed;
            }
            return self.noted(marks, before, Cause::Abort);
        }
        if flags.contains(Flags::SYN) {
            self.sent_syn(segment);
        }
        self.count_sent(segment, &mut marks);
        if flags.contains(Flags::ACK) {
            // What the stack acknowledges is what it has: held octets count from here on.
            let shift = if flags.contains(Flags::SYN) { 0 } else { self.shift(self.our_shift) };
            self.rcv_nxt = if before == State::Closed { segment.ack } else { self.rcv_nxt.max(segment.ack) };
            if !marks.contains(Marks::PROBE) {
                // smoltcp forgets what window it advertised with a probe.
                self.rcv_edge = segment.ack + (u32::from(segment.window) << shift);
            }
            if self.early_fin.is_some_and(|fin| segment.ack.is_after(fin)) {
                self.early_fin = None;
                self.state = after(self.state, false, true);
            }
        }
        if flags.contains(Flags::FIN) {
            self.fin = Some(segment.end());
            self.state = match self.state {
                State::Established | State::SynReceived => State::FinWait1,
                State::CloseWait => State::LastAck,
                other => other,
            };
        }
        marks.add(Marks::ZERO_WINDOW, segment.window == 0 && flags.contains(Flags::ACK));
        let cause = if flags.contains(Flags::SYN) { Cause::Connect } else { Cause::Close };
        self.noted(marks, before, cause)
    }

    fn sent_syn(&mut self, segment: &Segment) {
        self.our_shift = segment.scale;
        if !segment.flags.contains(Flags::ACK) {
            // Until the peer's number is known, the edge is a distance.
            self.rcv_edge = Seq(u32::from(segment.window));
        }
        if matches!(self.state, State::Closed | State::Listen) {
            self.iss = segment.seq;
            self.una = segment.seq;
            self.nxt = segment.seq;
            self.max = segment.seq;
        }
        self.state = match self.state {
            State::Closed => State::SynSent,
            State::Listen => State::SynReceived,
            other => other,
        };
        self.agree_on_scaling();
    }

    /// Scaling holds only when both SYNs offered it (RFC 7323 §2.2).
    fn agree_on_scaling(&mut self) {
        self.scaled = self.our_shift.is_some() && self.their_shift.is_some();
    }

    fn shift(&self, shift: Option<u8>) -> u8 {
        if self.scaled { shift.unwrap_or(0) } else { 0 }
    }

    fn count_sent(&mut self, segment: &Segment, marks: &mut Marks) {
        let (end, long) = (segment.end(), segment.seg_len());
        if long == 0 {
            // smoltcp puts its SND.NXT into an empty acknowledgment.
            self.nxt = if segment.seq.is_after(self.max) { self.nxt } else { segment.seq };
            return;
        }
        let probe =
            self.wnd == 0 && segment.len == 1 && segment.seq == self.nxt && self.state != State::SynSent;
        marks.add(Marks::PROBE, probe);
        if probe {
            // smoltcp does not count the probe's octet as sent; the peer may take it all the same.
            self.max = self.max.max(end);
            return;
        }
        let again = self.max.is_after(segment.seq);
        let fast = again && segment.seq == self.una && self.fast;
        marks.add(Marks::RETRANSMIT, again);
        marks.add(Marks::FAST, fast);
        let edge = self.una + self.wnd;
        marks.add(Marks::WINDOW_FULL, end == edge && segment.len > 0);
        let rewound = segment.seq == self.una && !fast;
        self.nxt = if rewound { end } else { self.nxt.max(end) };
        self.fast &= !fast;
        self.max = self.max.max(end);
    }

    /// Notes a segment that the stack receives.
    pub fn received(&mut self, segment: &Segment) -> Note {
        let before = self.state;
        let mut marks = Marks::default();
        match before {
            State::Closed | State::Listen => return self.received_first(segment, before),
            State::SynSent => return self.received_in_syn_sent(segment),
            _ => {}
        }
        if segment.flags.contains(Flags::SYN) || !self.acceptable(segment) {
            marks.add(Marks::REFUSED, true);
            return self.noted(marks, before, Cause::Ack);
        }
        if segment.flags.contains(Flags::RST) {
            self.state = State::Closed;
            return self.noted(marks, before, Cause::Rst);
        }
        // smoltcp drops what comes with an old acknowledgment, octets and all.
        let ack = segment.ack;
        if !segment.flags.contains(Flags::ACK) || ack.is_after(self.max) || self.una.is_after(ack) {
            marks.add(Marks::REFUSED, true);
            return self.noted(marks, before, Cause::Ack);
        }
        let ended = matches!(before, State::CloseWait | State::Closing | State::LastAck | State::TimeWait);
        if ended && segment.flags.contains(Flags::FIN) && !segment.seq.is_after(self.rcv_nxt) {
            // smoltcp drops a second FIN whole.
            marks.add(Marks::REFUSED, true);
            return self.noted(marks, before, Cause::Ack);
        }
        let fin_acked = self.take_acknowledgment(segment, &mut marks);
        let fin = self.take_octets(segment, &mut marks);
        let cause = match (fin_acked, fin) {
            (true, true) => Cause::FinAck,
            (false, true) => Cause::Fin,
            (_, false) => Cause::Ack,
        };
        self.state = after(self.state, fin_acked, fin);
        self.noted(marks, before, cause)
    }

    fn received_first(&mut self, segment: &Segment, before: State) -> Note {
        let flags = segment.flags;
        if flags.contains(Flags::SYN) && !flags.intersects(Flags::ACK | Flags::RST) {
            // The SYN-ACK to come fixes the numbers of our side.
            *self = Self { state: State::Listen, ..Self::default() };
            self.received_syn(segment);
            self.rcv_edge = self.rcv_nxt;
            return Note { marks: Marks::default(), change: Some((before, Cause::Syn, State::SynReceived)) };
        }
        Note::default()
    }

    fn received_syn(&mut self, segment: &Segment) {
        self.irs = segment.seq;
        self.rcv_nxt = segment.seq + 1;
        self.their_shift = segment.scale;
        self.wnd = u32::from(segment.window);
        self.agree_on_scaling();
    }

    fn received_in_syn_sent(&mut self, segment: &Segment) -> Note {
        let (flags, before) = (segment.flags, self.state);
        let acked = flags.contains(Flags::ACK) && segment.ack == self.max;
        if flags.contains(Flags::ACK) && !acked {
            return Note { marks: Marks::REFUSED, change: None };
        }
        if flags.contains(Flags::RST) {
            if acked {
                self.state = State::Closed;
            }
            return self.noted(Marks::default(), before, Cause::Rst);
        }
        if !flags.contains(Flags::SYN) {
            return Note::default();
        }
        self.received_syn(segment);
        self.rcv_edge = segment.seq + self.rcv_edge.0;
        if acked {
            self.una = segment.ack;
            self.state = State::Established;
            return self.noted(Marks::default(), before, Cause::SynAck);
        }
        self.state = State::SynReceived;
        self.noted(Marks::default(), before, Cause::Syn)
    }

    /// The test of RFC 9293 §3.10.7.4, table 6, with the edge last advertised.
    ///
    /// Like smoltcp it counts octets only: a FIN alone is a segment without length.
    pub(super) fn acceptable(&self, segment: &Segment) -> bool {
        let window = self.rcv_edge.since(self.rcv_nxt).max(0);
        let inside = |seq: Seq| seq.since(self.rcv_nxt) >= 0 && seq.since(self.rcv_nxt) < window;
        match (segment.len, window) {
            (0, 0) => segment.seq == self.rcv_nxt,
            (0, _) => inside(segment.seq),
            (_, 0) => false,
            (len, _) => inside(segment.seq) || inside(segment.seq + (len - 1)),
        }
    }

    /// Takes ACK and window; returns whether our FIN is acknowledged now and was not before.
    fn take_acknowledgment(&mut self, segment: &Segment, marks: &mut Marks) -> bool {
        let window = u32::from(segment.window) << self.shift(self.their_shift);
        let advanced = segment.ack.is_after(self.una);
        let outstanding = self.max.is_after(self.una);
        let bare = segment.seg_len() == 0;
        let same = window == self.wnd;
        marks.add(Marks::REOPEN, self.wnd == 0 && window > 0);
        marks.add(Marks::ZERO_WINDOW, window == 0);
        marks.add(Marks::WINDOW_UPDATE, bare && !advanced && window > self.wnd);
        marks.add(Marks::DUPLICATE_ACK, bare && !advanced && same && outstanding);
        // smoltcp counts a lone FIN too, and only what it believes to have sent as outstanding.
        if segment.len == 0 && !advanced && same && self.nxt.is_after(segment.ack) {
            self.duplicates = self.duplicates.saturating_add(1);
            self.fast |= self.duplicates == 3;
        } else {
            self.duplicates = 0;
            self.fast &= !advanced;
        }
        let fin_acked = self.fin == Some(segment.ack) && advanced;
        marks.add(Marks::ACKS_FIN, fin_acked);
        self.una = segment.ack;
        self.nxt = self.nxt.max(segment.ack);
        self.wnd = window;
        fin_acked
    }

    /// Takes what is in order; returns whether that includes the peer's FIN.
    fn take_octets(&mut self, segment: &Segment, marks: &mut Marks) -> bool {
        let receiving =
            matches!(self.state, State::SynReceived | State::Established | State::FinWait1 | State::FinWait2);
        if !receiving || segment.seg_len() == 0 {
            return false;
        }
        marks.add(Marks::OUT_OF_ORDER, segment.seq.is_after(self.rcv_nxt));
        let fin = segment.flags.contains(Flags::FIN);
        if segment.seq.is_after(self.rcv_nxt) {
            if fin {
                self.early_fin = Some(segment.end() - 1);
            }
            return false;
        }
        let octets_end = (segment.seq + segment.len).min(self.rcv_edge);
        self.rcv_nxt = self.rcv_nxt.max(octets_end);
        let ends = fin && self.rcv_nxt == segment.seq + segment.len;
        if ends {
            self.rcv_nxt = self.rcv_nxt + 1;
        }
        ends
    }

    fn noted(&self, marks: Marks, before: State, cause: Cause) -> Note {
        Note { marks, change: (before != self.state).then_some((before, cause, self.state)) }
    }
}

/// Returns the state after an acceptable segment that acknowledged our FIN or SYN, or brought the peer's FIN.
const fn after(state: State, fin_acked: bool, fin: bool) -> State {
    match (state, fin_acked, fin) {
        (State::SynReceived | State::Established, _, true) => State::CloseWait,
        (State::SynReceived, _, false) => State::Established,
        (State::FinWait1, true, true) | (State::FinWait2, _, true) | (State::Closing, true, _) => {
            State::TimeWait
        }
        (State::FinWait1, true, false) => State::FinWait2,
        (State::FinWait1, false, true) => State::Closing,
        (State::LastAck, true, _) => State::Closed,
        (other, _, _) => other,
    }
}
