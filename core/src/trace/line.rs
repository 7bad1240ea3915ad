//! One event as one line, as one end saw it.

use super::{App, Event, View};
use crate::tcp::{Flags, Seq, State};
use core::fmt;

/// The numbers that sequence numbers of a connection are counted from: ours and the peer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    ours: Option<Seq>,
    theirs: Option<Seq>,
}

impl Ends {
    /// Returns ends whose numbers are not known yet.
    pub const fn new() -> Self {
        Self { ours: None, theirs: None }
    }

    /// Learns the numbers from a segment, best from the SYNs.
    pub fn learn(&mut self, event: &Event) {
        if let Some(View::Segment { sent, flags, seq, ack, .. }) = event.view() {
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

    /// Returns what a segment says in relative numbers.
    pub fn say(&self, event: &Event) -> Option<Said> {
        let Some(View::Segment { sent, flags, seq, ack, len, window, .. }) = event.view() else {
            return None;
        };
        let (mine, other) = if sent { (self.ours, self.theirs) } else { (self.theirs, self.ours) };
        let from = |seq: Seq, origin: Option<Seq>| seq.0.wrapping_sub(origin.unwrap_or_default().0);
        Some(Said { flags, seq: from(seq, mine), ack: from(ack, other), len, window })
    }
}

/// What a segment says, in numbers relative to the SYNs: `PSH,ACK 1:4(3) ack 1 win 4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    flags: Flags,
    seq: u32,
    ack: u32,
    len: u16,
    window: u16,
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
            View::Opened { .. }
            | View::Address { .. }
            | View::Lost { .. }
            | View::Dropped { .. }
            | View::Options { .. }
            | View::Guarded { .. }
            | View::App { .. }
            | View::Ended { .. } => None,
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(view) = self.0.view() else { return Ok(()) };
        let (time, flow) = (self.0.time(), self.0.flow());
        match view {
            View::Segment { sent, marks, .. } => {
                let Some(said) = self.1.say(self.0) else { return Ok(()) };
                let (left, right) = if sent { ("├──", "─▶") } else { ("◀──", "─┤") };
                write!(f, "{time:>10} #{flow:<4} {left} {said} {right}")?;
                if marks.0 == 0 { Ok(()) } else { write!(f, "  {marks}") }
            }
            View::State { from, cause, to, .. } => {
                write!(f, "{time:>10} #{flow:<4} │ {from} → {to} [{cause}]")
            }
            View::Opened { active, ports, addresses } => {
                write!(f, "{time:>10} #{flow:<4} ┌ ")?;
                let role = if active { "to" } else { "from" };
                match addresses {
                    Some((local, remote)) => {
                        write!(f, "{local}:{} {role} {remote}:{}", ports.0, ports.1)
                    }
                    None => write!(f, "port {} {role} port {}", ports.0, ports.1),
                }
            }
            View::Address { local, address } => {
                let whose = if local { "local" } else { "remote" };
                write!(f, "{time:>10} #{flow:<4} │ {whose} address {address}")
            }
            View::Ended { received, sent } => {
                write!(f, "{time:>10} #{flow:<4} └ {received} B received, {sent} B sent")
            }
            View::Lost { events } => write!(f, "{time:>10}       ⚠ {events} events lost"),
            View::Dropped { seq, len, .. } => {
                write!(f, "{time:>10}       ✗ a segment of no connection, seq {seq}, {len} B")
            }
            View::Options { .. } => Ok(()),
            View::Guarded { rule, .. } => write!(f, "{time:>10} #{flow:<4} │ guard: {rule}"),
            View::App { .. } => write!(f, "{time:>10} #{flow:<4} │ {}", AppLine(self.0)),
        }
    }
}

/// What a machine above TCP did: `socks5 Refusing (5)`; prints nothing for other events.
#[derive(Clone, Copy, Debug)]
pub struct AppLine<'a>(pub &'a Event);

impl fmt::Display for AppLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(View::App { machine, states: (_, to), reply }) = self.0.view() else { return Ok(()) };
        match App::from_u8(machine) {
            Some(app) => {
                write!(f, "{app} ")?;
                app.write_state(to, f)?;
            }
            None => write!(f, "machine {machine} {to}")?,
        }
        if reply == 0 { Ok(()) } else { write!(f, " ({reply})") }
    }
}
