//! Gives events their serial and hands them to a sink.

use super::{Call, Drop, Event, Tick, Timer, View};
use crate::tcp::{Cause, Flags, Marks, Segment, Seq, State};
use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};

/// Receives events.
pub trait Sink {
    /// Takes one event; it must not wait.
    fn record(&mut self, event: &Event);

    /// Returns whether anybody listens; when not, events are not even made.
    fn enabled(&self) -> bool {
        true
    }
}

impl Sink for () {
    fn record(&mut self, _event: &Event) {}

    fn enabled(&self) -> bool {
        false
    }
}

impl<S: Sink> Sink for Option<S> {
    fn record(&mut self, event: &Event) {
        if let Some(sink) = self {
            sink.record(event);
        }
    }

    fn enabled(&self) -> bool {
        self.as_ref().is_some_and(Sink::enabled)
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn record(&mut self, event: &Event) {
        (**self).record(event);
    }

    fn enabled(&self) -> bool {
        (**self).enabled()
    }
}

/// A sink and the number of the next event.
#[derive(Debug)]
pub struct Recorder<S> {
    sink: S,
    serial: u32,
}

impl<S: Sink> Recorder<S> {
    /// Returns a recorder whose first event has number 0.
    pub const fn new(sink: S) -> Self {
        Self { sink, serial: 0 }
    }

    /// Returns the sink.
    pub const fn sink(&self) -> &S {
        &self.sink
    }

    /// Returns the sink, to be changed.
    pub const fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Returns the sink for good.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Returns whether anybody listens.
    pub fn enabled(&self) -> bool {
        self.sink.enabled()
    }

    /// Records anything.
    pub fn record(&mut self, now: Instant, flow: u32, view: View) {
        if self.sink.enabled() {
            self.sink.record(&Event::of(view).at(self.serial, flow, now));
            self.serial = self.serial.wrapping_add(1);
        }
    }

    /// Records that a connection begins.
    pub fn opened(&mut self, now: Instant, flow: u32, local: SocketAddr, remote: SocketAddr, active: bool) {
        if self.sink.enabled() {
            let ends = ((local.ip(), local.port()), (remote.ip(), remote.port()));
            for view in View::opening(active, ends.0, ends.1).into_iter().flatten() {
                self.record(now, flow, view);
            }
        }
    }

    /// Records a segment that was sent.
    pub fn sent(&mut self, now: Instant, flow: u32, segment: &Segment, from: State, to: State, marks: Marks) {
        if self.sink.enabled() {
            self.record(now, flow, View::segment(true, segment, (from, to), marks));
            self.options(now, flow, true, segment);
        }
    }

    /// Records a segment that was received.
    pub fn received(
        &mut self,
        now: Instant,
        flow: u32,
        segment: &Segment,
        from: State,
        to: State,
        marks: Marks,
    ) {
        if self.sink.enabled() {
            self.record(now, flow, View::segment(false, segment, (from, to), marks));
            self.options(now, flow, false, segment);
        }
    }

    fn options(&mut self, now: Instant, flow: u32, sent: bool, segment: &Segment) {
        if segment.flags.contains(Flags::SYN) {
            self.record(now, flow, View::Options { sent, mss: segment.mss, scale: segment.scale });
        }
        if segment.sack[0].is_some() {
            self.record(now, flow, View::Sacked { sent, blocks: segment.sack });
        }
    }

    /// Records a segment that reached no connection.
    pub fn dropped(&mut self, now: Instant, flow: u32, segment: &Segment, why: Drop) {
        if self.sink.enabled() {
            self.record(now, flow, View::Dropped { why: why as u8, seq: segment.seq, len: segment.len });
        }
    }

    /// Records a change of state.
    #[expect(clippy::too_many_arguments, reason = "a transition is told with its cause and its variables")]
    pub fn state(
        &mut self,
        now: Instant,
        flow: u32,
        from: State,
        cause: Cause,
        to: State,
        una: Seq,
        rcv_nxt: Seq,
    ) {
        self.record(now, flow, View::State { from, cause, to, una, rcv_nxt });
    }

    /// Records a change of state of a machine above TCP.
    pub fn app(&mut self, now: Instant, flow: u32, machine: u8, states: (u8, u8), reply: u8) {
        self.record(now, flow, View::App { machine, states, reply });
    }

    /// Records a call of the owner's, with the octets it asked for and those it got through.
    pub fn call(&mut self, now: Instant, flow: u32, call: Call, asked: u32, done: u32) {
        self.record(now, flow, View::Call { call, asked, done });
    }

    /// Records what became of a timer.
    pub fn timer(&mut self, now: Instant, flow: u32, timer: Timer, tick: Tick, due: Instant) {
        self.record(now, flow, View::Timer { timer, tick, due, backoff: 0 });
    }

    /// Records a datagram, of the stack itself, from or to `peer`.
    pub fn datagram(&mut self, now: Instant, sent: bool, at: SocketAddr, peer: SocketAddr, len: usize) {
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        let remote = match peer.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        };
        self.record(now, 0, View::Datagram { sent, ports: (at.port(), peer.port()), remote, len });
        if let IpAddr::V6(address) = peer.ip() {
            self.record(now, 0, View::Address { local: false, address });
        }
    }

    /// Records the end of a connection.
    pub fn ended(&mut self, now: Instant, flow: u32, received: u64, sent: u64) {
        self.record(now, flow, View::Ended { received, sent });
    }
}
