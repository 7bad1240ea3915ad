//! One event as one line, as one end saw it.

use super::{App, Drop, Event, Tick, View};
use crate::tcp::{Flags, Seq, State, Violation};
use core::fmt;

/// What the numbers of a connection's segments mean: where either end began to count, and how its windows are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    ours: Option<Seq>,
    theirs: Option<Seq>,
    scales: (Option<u8>, Option<u8>),
}

impl Ends {
    /// Returns ends whose numbers are not known yet.
    pub const fn new() -> Self {
        Self { ours: None, theirs: None, scales: (None, None) }
    }

    /// Returns the numbers: ours and the peer's, as far as they were seen.
    pub const fn origins(&self) -> (Option<Seq>, Option<Seq>) {
        (self.ours, self.theirs)
    }

    /// Returns the shifts that our SYN offered and the peer's.
    pub const fn scales(&self) -> (Option<u8>, Option<u8>) {
        self.scales
    }

    /// Returns the shift of our windows and that of the peer's; 0 unless both SYNs had one (RFC 7323 §2.2).
    pub const fn shifts(&self) -> (u8, u8) {
        match self.scales {
            (Some(ours), Some(theirs)) => (ours, theirs),
            _ => (0, 0),
        }
    }

    /// Learns the numbers from a segment, best from the SYNs, or from a snapshot, and the shifts from a SYN's options.
    pub fn learn(&mut self, event: &Event) {
        let view = event.view();
        if let Some(View::Snapshot { origins: (ours, theirs), scales, .. }) = view {
            (self.ours, self.theirs, self.scales) = (ours, theirs, scales);
        }
        if let Some(View::Options { sent, scale, .. }) = view {
            let place = if sent { &mut self.scales.0 } else { &mut self.scales.1 };
            *place = scale;
        }
        if let Some(View::Segment { sent, flags, seq, ack, .. }) = view {
            let syn = flags.contains(Flags::SYN);
            let (mine, other) =
                if sent { (&mut self.ours, &mut self.theirs) } else { (&mut self.theirs, &mut self.ours) };
            if syn || mine.is_none() {
                *mine = Some(seq);
            }
            if other.is_none() && flags.contains(Flags::ACK) {
                *other = Some(ack - 1);
            }
        }
    }

    /// Returns the edges of a block in relative numbers: a block that we sent is about the peer's octets.
    pub fn block(&self, sent: bool, left: Seq, right: Seq) -> (u32, u32) {
        let origin = if sent { self.theirs } else { self.ours }.unwrap_or_default();
        (left.0.wrapping_sub(origin.0), right.0.wrapping_sub(origin.0))
    }

    /// Returns a segment's window in octets: a SYN's is not scaled (RFC 7323 §2.2).
    pub(super) const fn window(&self, sent: bool, flags: Flags, window: u16) -> u32 {
        let (ours, theirs) = self.shifts();
        let shift = if flags.contains(Flags::SYN) {
            0
        } else if sent {
            ours
        } else {
            theirs
        };
        // A shift is at most 14 (RFC 7323 §2.3), which the compiler does not see.
        (window as u32) << (shift & 15)
    }

    /// Returns what a segment says in relative numbers.
    pub fn say(&self, event: &Event) -> Option<Said> {
        let Some(View::Segment { sent, flags, seq, ack, len, window, .. }) = event.view() else {
            return None;
        };
        let (mine, other) = if sent { (self.ours, self.theirs) } else { (self.theirs, self.ours) };
        let from = |seq: Seq, origin: Option<Seq>| seq.0.wrapping_sub(origin.unwrap_or_default().0);
        let window = self.window(sent, flags, window);
        Some(Said { flags, seq: from(seq, mine), ack: from(ack, other), len, window })
    }
}

/// What a segment says, in numbers relative to the SYNs and with its window in octets: `PSH,ACK 1:4(3) ack 1 win 4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    flags: Flags,
    seq: u32,
    ack: u32,
    len: u16,
    window: u32,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flags, self.seq)?;
        if self.len > 0 {
            write!(f, ":{}({})", self.seq.wrapping_add(u32::from(self.len)), self.len)?;
        }
        if self.flags.contains(Flags::ACK) {
            write!(f, " ack {}", self.ack)?;
        }
        if !self.flags.contains(Flags::RST) {
            write!(f, " win {}", self.window)?;
        }
        Ok(())
    }
}

/// An event as a line of a one-sided ladder; events without a line print nothing.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a>(pub &'a Event, pub &'a Ends);

impl Line<'_> {
    /// Returns the state after the event, where it tells one.
    pub fn state(&self) -> Option<State> {
        match self.0.view()? {
            View::Segment { states, .. } => Some(states.1),
            View::State { to, .. } => Some(to),
            View::Snapshot { state, .. } => Some(state),
            View::Opened { .. }
            | View::Address { .. }
            | View::Clock { .. }
            | View::Edges { .. }
            | View::Lost { .. }
            | View::Sacked { .. }
            | View::Dropped { .. }
            | View::Options { .. }
            | View::Guarded { .. }
            | View::Vars { .. }
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
        }
    }
}

impl fmt::Display for Line<'_> {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(view) = self.0.view() else { return Ok(()) };
        let (time, flow) = (self.0.time(), self.0.flow());
        if matches!(view, View::Options { .. } | View::Vars { .. } | View::Queues { .. } | View::Edges { .. })
        {
            // They explain other events; views that draw windows read them.
            return Ok(());
        }
        write!(f, "{time:>10} ")?;
        if flow == 0 {
            write!(f, "{:5} ", "")?
        } else {
            write!(f, "#{flow:<4} ")?
        }
        match view {
            View::Segment { sent, marks, .. } => {
                let Some(said) = self.1.say(self.0) else { return Ok(()) };
                let (left, right) = if sent { ("├──", "─▶") } else { ("◀──", "─┤") };
                write!(f, "{left} {said} {right}")?;
                if marks.0 == 0 { Ok(()) } else { write!(f, "  {marks}") }
            }
            View::State { from, cause, to, .. } => write!(f, "│ {from} → {to} [{cause}]"),
            View::Opened { active, ports, addresses } => {
                let role = if active { "to" } else { "from" };
                match addresses {
                    Some((local, remote)) => write!(f, "┌ {local}:{} {role} {remote}:{}", ports.0, ports.1),
                    None => write!(f, "┌ port {} {role} port {}", ports.0, ports.1),
                }
            }
            View::Address { local, address } => {
                write!(f, "│ {} address {address}", if local { "local" } else { "remote" })
            }
            View::Ended { received, sent } => write!(f, "└ {received} B received, {sent} B sent"),
            View::Clock { unix } => {
                write!(f, "  {}.{:06} s since 1970", unix / 1_000_000_000, unix / 1_000 % 1_000_000)
            }
            View::Lost { events } => write!(f, "⚠ {events} events lost"),
            View::Snapshot { state, .. } => write!(f, "│ {state}, as it stood when events were lost"),
            View::Sacked { sent, blocks } => {
                let mut word = "│ holds";
                for (left, right) in blocks.into_iter().flatten() {
                    let (left, right) = self.1.block(sent, left, right);
                    write!(f, "{word} {left}:{right}")?;
                    word = " and";
                }
                f.write_str(" out of order")
            }
            View::Dropped { why, seq, len } => {
                let why = Drop::from_u8(why).map_or("dropped", Drop::name);
                write!(f, "✗ {why}: a segment, seq {seq}, {len} B")
            }
            View::Guarded { rule, .. } => write!(f, "│ guard: {rule}"),
            View::Timer { timer, tick, due, .. } => match tick {
                Tick::Set => write!(f, "│ {timer} timer set, due at {due}"),
                Tick::Expired | Tick::Cancelled => write!(f, "│ {timer} timer {tick}"),
            },
            View::Call { .. } | View::Blocked { .. } | View::App { .. } | View::Transfer { .. } => {
                write!(f, "│ {}", AppLine(self.0))
            }
            View::Datagram { sent, ports, remote, len } => {
                write!(f, "{} datagram of {len} B", if sent { "├──" } else { "◀──" })?;
                write!(f, " {} port {} ", if sent { "from" } else { "to" }, ports.0)?;
                f.write_str(if sent { "to " } else { "from " })?;
                match remote {
                    Some(remote) => write!(f, "{remote}:{}", ports.1),
                    None => write!(f, "port {}", ports.1),
                }
            }
            View::Icmp { six, kind, code, .. } => {
                write!(f, "◀── ICMP{} type {kind} code {code}", if six { "v6" } else { "" })
            }
            View::Verdict { law, accused, found } => {
                write!(f, "✗ {}", Violation { law, serial: accused, found })
            }
            View::Options { .. } | View::Vars { .. } | View::Queues { .. } | View::Edges { .. } => Ok(()),
        }
    }
}

/// What the owner of a connection or a machine above TCP did, without its time: `socks5 Refusing (5)`,
/// `close()`, `256 B wait: peer window`; prints nothing for other events.
#[derive(Clone, Copy, Debug)]
pub struct AppLine<'a>(pub &'a Event);

impl fmt::Display for AppLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.view() {
            Some(View::App { machine, states: (_, to), reply }) => {
                match App::from_u8(machine) {
                    Some(app) => {
                        write!(f, "{app} ")?;
                        app.write_state(to, f)?;
                    }
                    None => write!(f, "machine {machine} {to}")?,
                }
                if reply == 0 { Ok(()) } else { write!(f, " ({reply})") }
            }
            Some(View::Call { call, asked, done }) => match (asked, done) {
                (0, 0) => call.fmt(f),
                (asked, done) if asked == done => write!(f, "{call} {done} B"),
                (asked, done) => write!(f, "{call} {done} of {asked} B"),
            },
            Some(View::Blocked { on: true, why, waiting, .. }) => write!(f, "{waiting} B wait: {why}"),
            Some(View::Blocked { on: false, why, micros, .. }) => {
                let (seconds, millis) = (micros / 1_000_000, micros / 1_000 % 1_000);
                write!(f, "waited {seconds}.{millis:03} s: {why}")
            }
            Some(View::Transfer { sending, done, total, .. }) => {
                write!(f, "{} {done} of {total} B", if sending { "sends" } else { "receives" })
            }
            _ => Ok(()),
        }
    }
}
