//! Two stacks on a simulated link with a virtual clock: the same seed gives the same trace, octet for octet.
//!
//! A direction delays each packet and loses some. The clock jumps from one event to the next, so a minute of
//! TIME-WAIT costs nothing.

use crate::engine::{Engine, Wire};
use core::time::Duration;
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::collections::VecDeque;

/// A small generator of reproducible randomness (xorshift64*), for simulations only.
#[derive(Clone, Copy, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Returns a generator for this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6a09_e667_f3bc_c909 | 1)
    }

    /// Returns the next 64 bits.
    pub const fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below `bound`, or 0 for a bound of 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.roll() % bound }
    }
}

/// What one direction does to packets.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// The time from one end to the other.
    pub delay: Duration,
    /// Of a thousand packets, how many are lost.
    pub loss: u16,
    /// Packets, counted from 0, that are lost whatever the dice say.
    pub lose: Vec<u64>,
}

/// One direction of a link, with the packets under way.
#[derive(Debug)]
pub struct Pipe {
    path: Path,
    dice: Dice,
    now: Instant,
    count: u64,
    lost: u64,
    under_way: VecDeque<(Instant, Vec<u8>)>,
}

impl Pipe {
    /// Returns an empty direction.
    pub const fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            dice: Dice::new(seed),
            now: Instant::ZERO,
            count: 0,
            lost: 0,
            under_way: VecDeque::new(),
        }
    }

    /// Returns how many packets went in and how many of them were lost.
    pub const fn counts(&self) -> (u64, u64) {
        (self.count, self.lost)
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.now = now;
        if self.under_way.front()?.0 <= now {
            self.under_way.pop_front().map(|(_, packet)| packet)
        } else {
            None
        }
    }

    fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }
}

impl Wire for Pipe {
    fn transmit(&mut self, packet: &[u8]) {
        let number = self.count;
        self.count += 1;
        if self.path.lose.contains(&number) || self.dice.below(1_000) < u64::from(self.path.loss) {
            self.lost += 1;
            return;
        }
        self.under_way.push_back((self.now + self.path.delay, packet.to_vec()));
    }
}

/// Two engines, A and B, and the link between them.
#[derive(Debug)]
pub struct Link<S: Sink> {
    /// One end.
    pub a: Engine<S>,
    /// The other end.
    pub b: Engine<S>,
    /// From A to B.
    pub there: Pipe,
    /// From B to A.
    pub back: Pipe,
    now: Instant,
}

impl<S: Sink> Link<S> {
    /// Returns two engines joined by two directions; the clock stands at its origin.
    pub const fn new(a: Engine<S>, b: Engine<S>, there: Pipe, back: Pipe) -> Self {
        Self { a, b, there, back, now: Instant::ZERO }
    }

    /// Returns the virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Lets both engines take what has arrived and send what they have, at the present moment.
    pub fn settle(&mut self) {
        self.settle_watched(|_, _| {});
    }

    /// Does the same, and shows both engines after each packet.
    pub fn settle_watched(&mut self, mut see: impl FnMut(&Engine<S>, &Engine<S>)) {
        self.there.now = self.now;
        self.back.now = self.now;
        while let Some(packet) = self.there.arrived(self.now) {
            self.b.ingress(self.now, &packet, &mut self.back);
            see(&self.a, &self.b);
        }
        while let Some(packet) = self.back.arrived(self.now) {
            self.a.ingress(self.now, &packet, &mut self.there);
            see(&self.a, &self.b);
        }
        self.a.flush(self.now, &mut self.there);
        self.b.flush(self.now, &mut self.back);
        see(&self.a, &self.b);
    }

    /// Returns when something happens next by itself; `None` is a standstill.
    pub fn next(&self) -> Option<Instant> {
        [self.a.poll_at(), self.b.poll_at(), self.there.next(), self.back.next()].into_iter().flatten().min()
    }

    /// Moves the clock to the next event, or to `until` if that comes first; `false` at a standstill.
    pub fn advance(&mut self, until: Option<Instant>) -> bool {
        let next = [self.next(), until].into_iter().flatten().min();
        if let Some(next) = next {
            self.now = self.now.max(next);
        }
        next.is_some()
    }
}
