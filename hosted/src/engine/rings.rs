//! The octets that all rings together may hold.

/// The smallest ring, and the largest whose window needs no scale.
pub(super) const RING: (usize, usize) = (4_096, 65_535);
/// The largest ring, in octets: more than that in flight no path of a TUN's needs.
pub const LARGEST: usize = 1 << 19;
/// The part of what is left that one flow may take.
const SHARE: usize = 32;

/// What is left of the octets for rings.
#[derive(Debug)]
pub(super) struct Budget {
    total: usize,
    used: usize,
    ring: (usize, usize),
}

impl Budget {
    pub(super) fn new(total: usize, (least, most): (usize, usize)) -> Self {
        let most = most.clamp(1, LARGEST);
        Self { total, used: 0, ring: (least.clamp(1, most), most) }
    }

    /// Returns the size of each of a new flow's two rings, less as less is left; `None` when nothing is.
    pub(super) fn take(&mut self) -> Option<usize> {
        let left = self.total - self.used;
        let (least, mut size) = self.ring;
        while size > least && 2 * size * SHARE > left {
            size /= 2;
        }
        let size = size.max(least);
        if 2 * size > left {
            return None;
        }
        self.used += 2 * size;
        Some(size)
    }

    /// Takes a flow's rings back.
    pub(super) fn give(&mut self, size: usize) {
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
}
