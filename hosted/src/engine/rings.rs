//! The octets that all rings together may hold.

/// The largest receive ring: one octet more would let the advertised edge retract (no window scale is offered).
pub(super) const LARGEST: usize = 65_535;
/// The smallest ring worth a connection.
const SMALLEST: usize = 4_096;
/// The part of what is left that one flow may take.
const SHARE: usize = 32;

/// What is left of the octets for rings.
#[derive(Debug)]
pub(super) struct Budget {
    total: usize,
    used: usize,
}

impl Budget {
    pub(super) fn new(total: usize) -> Self {
        Self { total, used: 0 }
    }

    /// Returns the size of each of a new flow's two rings, less as less is left; `None` when nothing is.
    pub(super) fn take(&mut self) -> Option<usize> {
        let left = self.total - self.used;
        let mut size = LARGEST;
        while size > SMALLEST && 2 * size * SHARE > left {
            size /= 2;
        }
        let size = size.max(SMALLEST);
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
        let mut budget = Budget::new(1 << 23);
        let mut sizes = vec![];
        while let Some(size) = budget.take() {
            sizes.push(size);
        }
        assert_eq!(sizes[0], LARGEST);
        assert!(sizes.is_sorted_by(|a, b| a >= b));
        assert!(*sizes.last().unwrap() >= SMALLEST && budget.used() <= 1 << 23);
        for size in sizes {
            budget.give(size);
        }
        assert_eq!(budget.used(), 0);
    }
}
