//! Connections that are quiet give the memory of their rings back.
//!
//! A ring costs what was touched of it, and a handshake touches a page of each. Once a connection has not been served for
//! [`Config::quiet`](super::Config::quiet) and its rings hold nothing, the kernel gets their pages again; the next octet costs
//! a page fault. A connection that is served stands in a list and is looked at once in that time, so one that is busy
//! costs a look a second, and a packet no more than notes of what was shown, what was said and when.
//!
//! A receive ring that looks empty may hold octets: smoltcp puts what came out of order where it will belong, beyond what
//! it counts. It does not tell, but what it hears and what it says is known: it holds nothing beyond the last octet that it
//! was shown, and what it has acknowledged is counted. So once it has acknowledged all that it was ever shown, it holds
//! nothing out of order ([`Order`]). A segment that it refused is taken for one that it holds; that costs memory only.

use super::{Engine, FlowId};
use core::time::Duration;
use sockhop::tcp::{Flags, Segment, Seq};
use sockhop::time::Instant;
use sockhop::trace::Sink;
use std::collections::VecDeque;

/// Connections that one flush looks at: a system call of about 1 µs for each.
const TURN: usize = 64;

/// Whether smoltcp may hold octets out of order, from what it was shown and what it said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// One past the furthest octet that it was shown, whether it took it or not.
    shown: Option<Seq>,
    /// What it acknowledged last.
    acknowledged: Option<Seq>,
}

impl Order {
    /// Notes a segment that smoltcp is about to see.
    pub(super) fn shows(&mut self, segment: &Segment) {
        if segment.len > 0 {
            let end = segment.end();
            self.shown = Some(self.shown.map_or(end, |shown| shown.max(end)));
        }
    }

    /// Notes a segment that smoltcp has sent.
    pub(super) const fn says(&mut self, segment: &Segment) {
        if segment.flags.contains(Flags::ACK) {
            self.acknowledged = Some(segment.ack);
        }
    }

    /// Returns whether all it was shown is acknowledged, so that it holds nothing beyond what it counts.
    fn is_whole(self) -> bool {
        match (self.shown, self.acknowledged) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(shown), Some(acknowledged)) => !shown.is_after(acknowledged),
        }
    }
}

/// Connections that were served and are to be looked at.
#[derive(Debug)]
pub(super) struct Quiet {
    after: Duration,
    /// In the order in which they were put here.
    listed: VecDeque<(Instant, FlowId)>,
    /// How often rings were given back.
    released: u64,
}

impl Quiet {
    pub(super) const fn new(after: Duration) -> Self {
        Self { after, listed: VecDeque::new(), released: 0 }
    }

    /// Puts a connection here that has been served now and does not stand here yet.
    pub(super) fn list(&mut self, now: Instant, flow: FlowId) {
        self.listed.push_back((now, flow));
    }

    /// Returns when the next connection is to be looked at.
    pub(super) fn next(&self) -> Option<Instant> {
        self.listed.front().map(|(since, _)| *since + self.after)
    }

    fn due(&mut self, now: Instant) -> Option<FlowId> {
        self.next().filter(|at| *at <= now)?;
        self.listed.pop_front().map(|(_, flow)| flow)
    }
}

impl<S: Sink> Engine<S> {
    /// Gives back the rings of connections that have not been served for a while and hold nothing.
    ///
    /// One that holds something leaves the list as well: it is served again before it holds nothing.
    pub(super) fn sweep(&mut self) {
        for _ in 0..TURN {
            let Some(id) = self.quiet.due(self.now) else { return };
            let Some(flow) = self.flows.get_mut(id.slot).filter(|flow| flow.serial == id.serial) else {
                continue;
            };
            if flow.served + self.quiet.after > self.now {
                self.quiet.list(self.now, id);
                continue;
            }
            flow.listed = false;
            let socket = flow.socket_ref();
            if socket.recv_queue() == 0 && socket.send_queue() == 0 && flow.order.is_whole() {
                flow.mapped.release();
                self.quiet.released += 1;
            }
        }
    }

    /// Returns how many octets of the rings' pages are in memory; the kernel is asked for each connection.
    pub fn resident(&self) -> usize {
        self.flows.iter().map(|(_, flow)| flow.mapped.resident()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::memory::pattern;
    use crate::engine::{Config, Event};
    use crate::link::{Dice, Link, Path, Pipe};
    use core::net::{IpAddr, SocketAddr};
    use sockhop::relay::Ring;

    const PAGE: usize = 4_096;

    /// A connection from A to B over a link.
    struct Pair {
        link: Link<()>,
        a: FlowId,
        b: FlowId,
        sent: u64,
        heard: u64,
        wrong: u64,
    }

    impl Pair {
        fn open(quiet: Duration, there: Path, seed: u64) -> Self {
            let end = |last: u8| {
                let ip = IpAddr::from([10, 0, 0, last]);
                let mut config = Config::new(vec![(ip, 24)], 1_500, [seed, u64::from(last)]);
                config.quiet = quiet;
                config.limits.ring = (8 * PAGE, 8 * PAGE);
                (Engine::new(config, ()), SocketAddr::new(ip, if last == 2 { 80 } else { 0 }))
            };
            let ((mut a, here), (mut b, at)) = (end(1), end(2));
            b.listen(at, 1);
            let a_flow = a.connect(Instant::ZERO, here, at).unwrap();
            let back = Path { delay: there.delay, ..Path::default() };
            let mut link = Link::new(a, b, Pipe::new(there, seed), Pipe::new(back, !seed));
            loop {
                link.settle();
                while link.a.next_event().is_some() {}
                while let Some(event) = link.b.next_event() {
                    if let Event::Opened { flow, .. } = event {
                        return Self { link, a: a_flow, b: flow, sent: 0, heard: 0, wrong: 0 };
                    }
                }
                assert!(link.advance(None), "it does not open");
            }
        }

        /// Writes what fits of so many octets of the pattern.
        fn write(&mut self, most: u64) {
            let sent = self.sent;
            let mut stream = self.link.a.stream(self.a).unwrap();
            let count = stream.with_space(|space| {
                let count = space.len().min(usize::try_from(most).unwrap());
                space[..count].iter_mut().zip(sent..).for_each(|(place, at)| *place = pattern(at));
                (count, count as u64)
            });
            self.sent += count.unwrap_or(0);
        }

        /// Reads all that has come, and holds it against the pattern.
        fn read(&mut self) {
            let mut heard = self.heard;
            let mut wrong = 0;
            let mut stream = self.link.b.stream(self.b).unwrap();
            while let Ok(Some(())) = stream.with_received(|octets| {
                for octet in octets {
                    wrong += u64::from(*octet != pattern(heard));
                    heard += 1;
                }
                (octets.len(), ())
            }) {}
            (self.heard, self.wrong) = (heard, self.wrong + wrong);
        }

        /// Lets so much time pass, and reads what comes.
        fn pass(&mut self, time: Duration) {
            let end = self.link.now() + time;
            while self.link.now() < end {
                self.link.settle();
                if self.link.b.flows[self.b.slot()].socket_ref().recv_queue() > 0 {
                    self.read();
                    self.link.settle();
                }
                self.drain();
                assert!(self.link.advance(Some(end)));
            }
            self.link.settle();
        }

        /// Forgets events, which would keep the clock where it is.
        fn drain(&mut self) {
            while self.link.a.next_event().is_some() || self.link.b.next_event().is_some() {}
        }

        fn resident(&self) -> (usize, usize) {
            (self.link.a.resident(), self.link.b.resident())
        }

        /// Sends so much over the link; `anyway` gives back whatever looks empty at B, order or not, after each step.
        fn carry(&mut self, octets: u64, anyway: bool) {
            while self.heard < octets {
                self.write(octets - self.sent);
                self.link.settle();
                if anyway {
                    let flow = &mut self.link.b.flows[self.b.slot()];
                    if flow.socket_ref().recv_queue() == 0 {
                        flow.mapped.release();
                    }
                }
                self.read();
                self.link.settle();
                self.drain();
                assert!(self.link.advance(None), "{} of {octets}", self.heard);
            }
        }
    }

    fn lan() -> Path {
        Path { delay: Duration::from_millis(1), ..Path::default() }
    }

    /// A path that loses and reorders as the dice will.
    fn bad(seed: u64) -> Path {
        let mut dice = Dice::new(seed);
        let mut some = |most: u64| u16::try_from(dice.below(most)).unwrap();
        let (loss, reorder, duplicate) = (some(100), some(300), some(50));
        let delay = Duration::from_millis(1 + u64::from(some(50)));
        Path { delay, jitter: delay, loss, reorder, duplicate, ..Path::default() }
    }

    #[test]
    fn a_quiet_connection_keeps_no_page_and_goes_on_where_it_was() {
        let mut pair = Pair::open(Duration::from_secs(1), lan(), 1);
        pair.write(3);
        pair.pass(Duration::from_millis(500));
        assert_eq!(pair.resident(), (PAGE, PAGE), "a page of the send ring here, of the receive ring there");
        pair.pass(Duration::from_millis(2_000));
        assert_eq!(pair.resident(), (0, 0));
        assert_eq!((pair.link.a.load().flows, pair.link.b.load().flows), (1, 1));
        pair.write(10_000);
        pair.pass(Duration::from_millis(500));
        assert_eq!((pair.heard, pair.wrong), (10_003, 0));
    }

    #[test]
    fn a_busy_connection_is_never_given_back() {
        let mut pair = Pair::open(Duration::from_secs(1), lan(), 2);
        for _ in 0..100 {
            pair.write(1);
            pair.pass(Duration::from_millis(100));
        }
        assert_eq!((pair.link.a.quiet.released, pair.link.b.quiet.released), (0, 0));
        assert_eq!((pair.heard, pair.link.b.quiet.listed.len()), (100, 1), "it stands there once");
    }

    #[test]
    fn a_connection_that_is_quiet_for_good_is_looked_at_no_more() {
        let mut pair = Pair::open(Duration::from_secs(1), lan(), 3);
        pair.pass(Duration::from_secs(3));
        assert_eq!((pair.link.a.quiet.next(), pair.link.b.quiet.next()), (None, None));
    }

    #[test]
    fn octets_that_wait_for_one_before_them_keep_their_page() {
        // A's SYN is packet 0, its acknowledgment packet 1; packet 2 is the first with octets.
        let mut pair = Pair::open(Duration::ZERO, Path { lose: vec![2], ..lan() }, 4);
        pair.write(100);
        pair.link.settle();
        pair.write(100);
        pair.pass(Duration::from_millis(10));
        assert_eq!((pair.heard, pair.link.b.flows[pair.b.slot()].socket_ref().recv_queue()), (0, 0));
        assert_eq!(pair.link.b.resident(), PAGE, "the second hundred stands in a ring that looks empty");
        pair.pass(Duration::from_secs(5));
        assert_eq!((pair.heard, pair.wrong, pair.resident()), (200, 0, (0, 0)));
    }

    #[test]
    fn what_comes_over_a_bad_link_is_what_was_sent_although_rings_are_given_back_at_every_chance() {
        let mut released = 0;
        for seed in 0..60 {
            let mut pair = Pair::open(Duration::ZERO, bad(seed), seed);
            pair.carry(60_000, false);
            assert_eq!((pair.heard, pair.wrong), (60_000, 0), "seed {seed}");
            released += pair.link.b.quiet.released;
        }
        assert!(released > 1_000, "{released} times");
    }

    #[test]
    fn without_heed_of_the_order_the_same_links_lose_octets() {
        let loses = |seed: &u64| {
            let mut pair = Pair::open(Duration::from_secs(1 << 20), bad(*seed), *seed);
            pair.carry(60_000, true);
            pair.wrong > 0
        };
        let losing = (0..60).filter(loses).count();
        assert!(losing > 30, "{losing} of 60 seeds");
    }

    #[test]
    fn order_is_whole_again_once_the_last_octet_shown_is_acknowledged_over_the_wrap() {
        let segment = |seq, len, ack| Segment { len, flags: Flags::ACK, ..bare(seq, ack) };
        let mut order = Order::default();
        order.says(&segment(0, 0, u32::MAX - 9));
        assert!(order.is_whole());
        order.shows(&segment(5, 10, 0));
        order.says(&segment(0, 0, u32::MAX - 9));
        assert!(!order.is_whole(), "what is before it has not come");
        order.shows(&segment(u32::MAX - 9, 10, 0));
        order.says(&segment(0, 0, 0));
        assert!(!order.is_whole());
        order.shows(&segment(0, 5, 0));
        order.says(&segment(0, 0, 15));
        assert!(order.is_whole());
    }

    fn bare(seq: u32, ack: u32) -> Segment {
        let mut packet = [0; sockhop::tcp::EMPTY];
        let empty = sockhop::tcp::Empty { seq: Seq(seq), ack: Seq(ack), flags: Flags::ACK, window: 0 };
        let length = empty.write("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap(), &mut packet);
        Segment::parse(&packet[..length]).unwrap()
    }
}
