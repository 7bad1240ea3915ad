//! The octets that all rings together may hold.

/// The smallest ring, and the largest whose window needs no scale.
pub(super) const RING: (usize, usize) = (4_096, 65_535);
/// The largest ring, in octets: more than that in flight no path of a TUN's needs.
pub const LARGEST: usize = 1 << 19;
/// The n-th flow gets at most the budget's `1 / (SHARE * n)`.
///
/// The k-th oldest flow came when there were at least k, so all together hold at most the sum of `1 / (SHARE * k)`, which
/// is less than one for up to 90,000 flows: nobody's large rings keep others out.
const SHARE: usize = 12;

/// What is left of the octets for rings.
#[derive(Debug)]
pub(super) struct Budget {
    total: usize,
    used: usize,
    flows: usize,
    ring: (usize, usize),
}

impl Budget {
    pub(super) fn new(total: usize, (least, most): (usize, usize)) -> Self {
        let most = most.clamp(1, LARGEST);
        Self { total, used: 0, flows: 0, ring: (least.clamp(1, most), most) }
    }

    /// Returns the size of each of a new flow's two rings, less as there are more flows; `None` when nothing is left.
    pub(super) fn take(&mut self) -> Option<usize> {
        let left = self.total - self.used;
        let (least, mut size) = self.ring;
        let share = self.total / (SHARE * (self.flows + 1));
        while size > least && 2 * size > share.min(left) {
            size /= 2;
        }
        let size = size.max(least);
        if 2 * size > left {
            return None;
        }
        self.flows += 1;
        self.used += 2 * size;
        Some(size)
    }

    /// Takes a flow's rings back.
    pub(super) fn give(&mut self, size: usize) {
        self.flows -= 1;
        self.used -= 2 * size;
    }

    /// Returns the octets in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_shrink_as_the_budget_does_and_never_exceed_it() {
        let mut budget = Budget::new(1 << 23, RING);
        let mut sizes = vec![];
        while let Some(size) = budget.take() {
            sizes.push(size);
        }
        assert_eq!(sizes[0], RING.1);
        assert!(sizes.is_sorted_by(|a, b| a >= b));
        assert!(*sizes.last().unwrap() >= RING.0 && budget.used() <= 1 << 23);
        for size in sizes {
            budget.give(size);
        }
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn as_many_flows_as_are_allowed_find_room_whoever_came_first_and_stays() {
        let mut budget = Budget::new(1 << 30, (4_096, LARGEST));
        let mut sizes: Vec<usize> = vec![];
        for _ in 0..16_384 {
            sizes.push(budget.take().expect("nobody is kept out"));
        }
        assert!(sizes.is_sorted_by(|a, b| a >= b));
        assert_eq!((sizes[0], sizes[84]), (LARGEST, LARGEST), "few get as much as they can use");
        assert!(sizes[999] >= 32_768 && sizes[4_999] >= 8_192);
        // The young go and come again: those that stay keep none of them out either.
        for _ in 0..3 {
            for size in sizes.drain(1_000..) {
                budget.give(size);
            }
            while sizes.len() < 16_384 {
                sizes.push(budget.take().expect("nobody is kept out"));
            }
        }
    }
}
