//! Two stacks on a simulated link with a virtual clock: the same seed gives the same trace, octet for octet.
//!
//! A direction loses, delays, repeats, reorders and damages packets, has a bandwidth with a queue in front, and can
//! be cut for a while. The clock jumps from one event to the next, so a minute of TIME-WAIT costs nothing.
//!
//! ```
//! use sockhop::tcp::State;
//! use sockhop_hosted::engine::{Config, Engine};
//! use sockhop_hosted::link::{Link, Path, Pipe};
//!
//! let end = |ip: &str, seed| {
//!     let address = (ip.parse().expect("an address"), 24);
//!     Engine::new(Config::new(vec![address], 1_500, [seed, 0]), ())
//! };
//! let pipe = |seed| Pipe::new(Path::default(), seed);
//! let mut link = Link::new(end("10.0.0.1", 1), end("10.0.0.2", 2), pipe(3), pipe(4));
//! let at = "10.0.0.2:80".parse().expect("an address");
//! link.b.listen(at, Default::default());
//! let flow = link.a.connect(link.now(), "10.0.0.1:0".parse().expect("an address"), at).expect("there is room");
//! while link.a.state(flow) != State::Established {
//!     link.settle();
//!     assert!(link.advance(None), "it does not stand still");
//! }
//! ```

use crate::engine::{Engine, Wire};
use core::cmp::Reverse;
use core::time::Duration;
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::collections::BinaryHeap;

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
        if bound == 0 { 0 } else { (self.roll() >> 11) % bound }
    }

    /// Returns whether something that happens `per_mille` times in a thousand happens.
    pub fn happens(&mut self, per_mille: u16) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }
}

/// A stretch of time, from and to, counted from the clock's origin.
pub type Stretch = (Duration, Duration);

/// What one direction does to packets; rates are in thousandths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// The time from one end to the other.
    pub delay: Duration,
    /// What some packets take longer, at most.
    pub jitter: Duration,
    /// How many are lost.
    pub loss: u16,
    /// How many come twice.
    pub duplicate: u16,
    /// How many take up to four times the delay and the jitter longer, and so come out of order.
    pub reorder: u16,
    /// How many have one bit turned.
    pub corrupt: u16,
    /// Octets a second; 0 is no limit.
    pub bandwidth: u64,
    /// Octets that may wait for the bandwidth before packets are dropped; 0 is no limit.
    pub queue: u64,
    /// Packets, counted from 0, that are lost whatever the dice say.
    pub lose: Vec<u64>,
    /// Packets, counted from 0, that take so much longer whatever the dice say.
    pub late: Vec<(u64, Duration)>,
    /// Packets, counted from 0, of which a copy comes so much after them.
    pub copies: Vec<(u64, Duration)>,
    /// While the direction is cut, and everything is lost.
    pub cuts: Vec<Stretch>,
    /// While the sender's device does not transmit; what it holds leaves at the end.
    pub stalls: Vec<Stretch>,
    /// From when packets longer than so many octets are lost.
    pub narrow: Option<(Duration, usize)>,
}

impl Path {
    /// Returns the path as it is once nothing goes wrong any more.
    pub fn healed(&self) -> Self {
        Self { delay: self.delay, bandwidth: self.bandwidth, ..Self::default() }
    }
}

/// One direction of a link, with the packets under way.
#[derive(Debug)]
pub struct Pipe {
    path: Path,
    heals: Option<Instant>,
    dice: Dice,
    now: Instant,
    count: u64,
    lost: u64,
    octets: u64,
    longest: usize,
    /// Until when the bandwidth is taken.
    busy: Instant,
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    order: u64,
}

impl Pipe {
    /// Returns an empty direction.
    pub const fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            heals: None,
            dice: Dice::new(seed),
            now: Instant::ZERO,
            count: 0,
            lost: 0,
            octets: 0,
            longest: 0,
            busy: Instant::ZERO,
            under_way: BinaryHeap::new(),
            order: 0,
        }
    }

    /// Sees to it that nothing goes wrong from `at` on.
    #[must_use]
    pub const fn healing(mut self, at: Instant) -> Self {
        self.heals = Some(at);
        self
    }

    /// Returns how many packets went in and how many of them were lost.
    pub const fn counts(&self) -> (u64, u64) {
        (self.count, self.lost)
    }

    /// Returns how many octets went in, headers included.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Returns the length of the longest packet that went in, in octets.
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// Returns a packet that has come out by now, and lets what goes in next do so at this time.
    pub fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.now = now;
        let Reverse((at, ..)) = self.under_way.peek()?;
        if *at > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((.., packet))| packet)
    }

    /// Returns when the next packet comes out.
    pub fn next(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, ..))| *at)
    }

    fn within(&self, stretches: &[Stretch]) -> Option<Instant> {
        let now = self.now.since(Instant::ZERO);
        let stretch = stretches.iter().find(|(from, to)| *from <= now && now < *to);
        stretch.map(|(_, to)| Instant::ZERO + *to)
    }

    fn is_lost(&mut self, number: u64, length: usize) -> bool {
        let narrow =
            self.path.narrow.is_some_and(|(from, most)| self.now >= Instant::ZERO + from && length > most);
        self.path.lose.contains(&number)
            || self.within(&self.path.cuts).is_some()
            || narrow
            || self.dice.happens(self.path.loss)
    }

    /// Returns when a packet of this length has passed the bandwidth; `None` when the queue is full.
    fn passes(&mut self, length: usize) -> Option<Instant> {
        let leaves = self.within(&self.path.stalls).unwrap_or(self.now);
        if self.path.bandwidth == 0 {
            return Some(leaves);
        }
        let begins = self.busy.max(leaves);
        let waiting = begins.since(self.now).as_micros() * u128::from(self.path.bandwidth) / 1_000_000;
        if self.path.queue > 0 && waiting > u128::from(self.path.queue) {
            return None;
        }
        let micros = 1_000_000 * length as u64 / self.path.bandwidth;
        self.busy = begins + Duration::from_micros(micros);
        Some(self.busy)
    }

    fn put(&mut self, leaves: Instant, mut packet: Vec<u8>) {
        let mut late = Duration::from_micros(self.dice.below(micros(self.path.jitter)));
        if self.dice.happens(self.path.reorder) {
            late += Duration::from_micros(self.dice.below(4 * micros(self.path.delay + self.path.jitter)));
        }
        if self.dice.happens(self.path.corrupt) {
            let bit = usize::try_from(self.dice.below(8 * packet.len() as u64)).unwrap_or(0);
            packet[bit / 8] ^= 1 << (bit % 8);
        }
        self.order += 1;
        self.under_way.push(Reverse((leaves + self.path.delay + late, self.order, packet)));
    }
}

impl Wire for Pipe {
    fn transmit(&mut self, packet: &[u8]) {
        if self.heals.is_some_and(|at| at <= self.now) {
            self.path = self.path.healed();
            self.heals = None;
        }
        let number = self.count;
        self.count += 1;
        self.octets += packet.len() as u64;
        self.longest = self.longest.max(packet.len());
        let passes = if self.is_lost(number, packet.len()) { None } else { self.passes(packet.len()) };
        let Some(leaves) = passes else {
            self.lost += 1;
            return;
        };
        if self.dice.happens(self.path.duplicate) {
            self.put(leaves, packet.to_vec());
        }
        if let Some(later) = told(&self.path.copies, number) {
            self.put(leaves + later, packet.to_vec());
        }
        let late = told(&self.path.late, number).unwrap_or_default();
        self.put(leaves + late, packet.to_vec());
    }
}

/// Returns the time that a list has for this packet.
fn told(list: &[(u64, Duration)], number: u64) -> Option<Duration> {
    list.iter().find(|(at, _)| *at == number).map(|(_, time)| *time)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
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
        while let Some(mut packet) = self.there.arrived(self.now) {
            self.b.ingress(self.now, &mut packet, &mut self.back);
            see(&self.a, &self.b);
        }
        while let Some(mut packet) = self.back.arrived(self.now) {
            self.a.ingress(self.now, &mut packet, &mut self.there);
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
    ///
    /// What was written to a connection leaves with [`settle`](Self::settle): without it the clock stands still.
    pub fn advance(&mut self, until: Option<Instant>) -> bool {
        let next = [self.next(), until].into_iter().flatten().min();
        if let Some(next) = next {
            self.now = self.now.max(next);
        }
        next.is_some()
    }
}
