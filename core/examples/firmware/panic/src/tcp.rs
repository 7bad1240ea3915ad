//! What sees segments: their view, the tracker, the guard, the verdicts, and events.

use core::net::SocketAddr;
use sockhop::relay::{Broken, Relay, Ring, Stream};
use sockhop::tcp::{Empty, Guard, Legality, Rules, Segment, Seq, Tracker, Verdict, is_intact, isn};
use sockhop::time::Instant;
use sockhop::trace::Event;

#[unsafe(no_mangle)]
extern "Rust" fn segment(packet: &[u8]) -> u32 {
    Segment::parse(packet).map_or(0, |segment| segment.seg_len())
}

#[unsafe(no_mangle)]
extern "Rust" fn intact(packet: &[u8]) -> bool {
    is_intact(packet)
}

#[unsafe(no_mangle)]
extern "Rust" fn tracker(tracker: &mut Tracker, segment: &Segment) -> u32 {
    let _ = core::hint::black_box((tracker.sent(segment), tracker.received(segment)));
    tracker.snd_wnd() + tracker.rcv_wnd()
}

#[unsafe(no_mangle)]
extern "Rust" fn guard_new(isn: Seq, rules: Rules) -> Guard {
    Guard::with(isn, rules)
}

#[unsafe(no_mangle)]
extern "Rust" fn guard_ingress(guard: &mut Guard, now: Instant, packet: &mut [u8]) -> Option<Verdict> {
    let segment = Segment::parse(packet).ok()?;
    Some(guard.ingress(now, packet, &segment))
}

#[unsafe(no_mangle)]
extern "Rust" fn guard_egress(guard: &mut Guard, now: Instant, packet: &mut [u8]) -> usize {
    Segment::parse(packet).map_or(0, |segment| guard.egress(now, packet, &segment))
}

#[unsafe(no_mangle)]
extern "Rust" fn guard_tick(guard: &mut Guard, now: Instant, queued: bool) -> bool {
    let _ = core::hint::black_box((guard.tick_at(queued), guard.acted()));
    guard.tick(now, queued).is_some()
}

#[unsafe(no_mangle)]
extern "Rust" fn empty(empty: &Empty, from: SocketAddr, to: SocketAddr, out: &mut [u8]) -> usize {
    empty.write(from, to, out)
}

#[unsafe(no_mangle)]
extern "Rust" fn number(
    key: &[u64; 2],
    local: SocketAddr,
    remote: SocketAddr,
    now: Instant,
    after: Option<Seq>,
) -> Seq {
    isn(key, local, remote, now, after)
}

#[unsafe(no_mangle)]
extern "Rust" fn event(octets: &[u8; 32]) -> [u8; 32] {
    let event = Event::decode(octets);
    match event.view() {
        Some(view) => Event::of(view).at(event.serial(), event.flow(), event.time()).encode(),
        None => event.encode(),
    }
}

#[unsafe(no_mangle)]
extern "Rust" fn legality(legality: &mut Legality, event: &Event) -> bool {
    legality.see(event).is_some()
}

/// A stream that does whatever its maker says.
pub struct Any<'a> {
    octets: &'a mut [u8],
    count: usize,
    how: nb::Result<usize, Broken>,
}

impl Stream for Any<'_> {
    fn read(&mut self, _: &mut [u8]) -> nb::Result<usize, Broken> {
        self.how.clone()
    }

    fn write(&mut self, _: &[u8]) -> nb::Result<usize, Broken> {
        self.how.clone()
    }

    fn close(&mut self) {
        self.count = 0;
    }

    fn abort(&mut self) {
        self.count = 0;
    }
}

impl Ring for Any<'_> {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        self.how.clone()?;
        let (taken, result) = take(self.octets);
        self.count = taken;
        Ok(Some(result))
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        self.how.clone()?;
        let (filled, result) = fill(self.octets);
        self.count = filled;
        Ok(result)
    }

    fn unsent(&self) -> usize {
        self.count
    }
}

#[unsafe(no_mangle)]
extern "Rust" fn relay(relay: &mut Relay, a: &mut Any<'_>, b: &mut Any<'_>) -> usize {
    relay.pump(a, b)
}
