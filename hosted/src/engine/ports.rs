//! Ports for what we begin: dials, listeners for one peer and associations draw from one range (RFC 6056).

use core::hash::{BuildHasher, Hash};
use core::ops::RangeInclusive;

/// The dynamic ports (RFC 6335 §6).
const RANGE: RangeInclusive<u16> = 49_152..=65_535;
const COUNT: u16 = *RANGE.end() - *RANGE.start() + 1;

/// Chooses ports so that nobody outside can tell the next one.
#[derive(Debug)]
pub(super) struct Ports<H> {
    keyed: H,
    drawn: u64,
}

impl<H: BuildHasher> Ports<H> {
    /// Returns a chooser whose choices follow from the key of `keyed`.
    pub(super) const fn new(keyed: H) -> Self {
        Self { keyed, drawn: 0 }
    }

    /// Begins where the others of so many choosers with the same key do not come soon.
    pub(super) fn begin_at(&mut self, number: usize, of: usize) {
        self.drawn = (number * usize::from(COUNT) / of) as u64;
    }

    /// Returns a port that `is_free`, for a connection to `peer` or for whoever comes; `None` when all are taken.
    ///
    /// Each peer has a beginning of its own in the range, and each draw goes one further (RFC 6056 §3.3.3): a peer
    /// sees its ports rise and be reused as late as can be, and learns nothing of those of others.
    pub(super) fn draw(&mut self, peer: impl Hash, is_free: impl Fn(u16) -> bool) -> Option<u16> {
        let begin = self.keyed.hash_one(peer);
        (0..COUNT).find_map(|_| {
            let place = begin.wrapping_add(self.drawn) % u64::from(COUNT);
            self.drawn = self.drawn.wrapping_add(1);
            let port = RANGE.start() + u16::try_from(place).unwrap_or(0);
            is_free(port).then_some(port)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::BuildHasherDefault;
    use std::collections::HashSet;
    use std::hash::DefaultHasher;

    #[test]
    fn every_port_of_the_range_is_drawn_before_one_comes_again_and_none_beyond() {
        let mut ports = Ports::new(BuildHasherDefault::<DefaultHasher>::new());
        let mut taken = HashSet::new();
        for _ in 0..COUNT {
            let port = ports.draw("peer", |port| !taken.contains(&port)).unwrap();
            assert!(RANGE.contains(&port) && taken.insert(port));
        }
        assert_eq!(ports.draw("peer", |port| !taken.contains(&port)), None);
        assert_eq!(ports.draw("peer", |port| port == 50_000), Some(50_000));
    }

    #[test]
    fn two_peers_begin_at_different_places() {
        let mut ports = Ports::new(BuildHasherDefault::<DefaultHasher>::new());
        let (one, other) = (ports.draw(1, |_| true).unwrap(), ports.draw(2, |_| true).unwrap());
        assert!(one.abs_diff(other) > 1, "{one} and {other} follow each other");
    }
}
