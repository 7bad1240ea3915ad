//! The relay between two streams in memory, which cost next to nothing themselves.

use super::{Case, Work};
use core::hint::black_box;
use sockhop::relay::{Broken, Relay, Ring, Stream};

/// The cases.
pub const CASES: &[Case] = &[
    Case { name: "relay_both_ways", times: 1_000, make: both_ways },
    Case { name: "relay_nothing_to_do", times: 1_000, make: nothing },
    Case { name: "relay_to_its_end", times: 1_000, make: || Box::new(to_the_end) },
];

/// A stream in which so many octets have arrived; it takes all that it is given.
struct Full {
    arrived: usize,
    over: bool,
    octets: [u8; 1_460],
}

impl Full {
    const fn of(arrived: usize) -> Self {
        Self { arrived, over: false, octets: [7; 1_460] }
    }
}

impl Stream for Full {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        if self.arrived == 0 && !self.over {
            return Err(nb::Error::WouldBlock);
        }
        let count = self.arrived.min(into.len());
        into[..count].copy_from_slice(&self.octets[..count]);
        self.arrived -= count;
        Ok(count)
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        Ok(black_box(from).len())
    }

    fn close(&mut self) {}

    fn abort(&mut self) {}
}

impl Ring for Full {
    fn with_received<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> nb::Result<Option<R>, Broken> {
        if self.arrived == 0 {
            return if self.over { Ok(None) } else { Err(nb::Error::WouldBlock) };
        }
        let (taken, result) = take(&self.octets[..self.arrived]);
        self.arrived -= taken;
        Ok(Some(result))
    }

    fn with_space<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> nb::Result<R, Broken> {
        Ok(fill(&mut self.octets).1)
    }

    fn unsent(&self) -> usize {
        0
    }
}

/// A segment's octets in each direction.
fn both_ways() -> Work {
    let (mut relay, mut a, mut b) = (Relay::new(), Full::of(0), Full::of(0));
    Box::new(move || {
        (a.arrived, b.arrived) = (1_460, 1_460);
        assert_eq!(relay.pump(&mut a, &mut b), 2_920);
    })
}

/// Neither side has anything.
fn nothing() -> Work {
    let (mut relay, mut a, mut b) = (Relay::new(), Full::of(0), Full::of(0));
    Box::new(move || assert_eq!(black_box(&mut relay).pump(&mut a, &mut b), 0))
}

/// A segment's octets and a FIN in each direction.
fn to_the_end() {
    let (mut relay, mut a, mut b) = (Relay::new(), Full::of(1_460), Full::of(1_460));
    (a.over, b.over) = (true, true);
    relay.pump(&mut a, &mut b);
    assert_eq!(relay.state(), sockhop::relay::State::Done);
}
