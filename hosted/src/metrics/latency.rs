//! How long something takes, in a few classes.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

/// The upper bounds of the classes, in microseconds.
const BOUNDS: [u64; 11] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 10_000_000, 30_000_000];

/// Counts by class; any thread may add to it.
#[derive(Debug, Default)]
pub struct Latency {
    classes: [AtomicU64; BOUNDS.len() + 1],
    /// In microseconds.
    sum: AtomicU64,
}

impl Latency {
    /// Adds one.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS.partition_point(|bound| *bound < micros);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds what another one has.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (class, count) in self.classes.iter_mut().zip(&other.classes) {
            *class.get_mut() += count.load(Ordering::Relaxed);
        }
        *self.sum.get_mut() += other.sum.load(Ordering::Relaxed);
    }

    /// Returns each bound in seconds with how many were no slower; the last one is of all.
    pub fn buckets(&self) -> impl Iterator<Item = (String, u64)> {
        #[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
        let bounds = BOUNDS.iter().map(|bound| (*bound as f64 / 1e6).to_string());
        let bounds = bounds.chain(["+Inf".to_owned()]);
        let below = self.classes.iter().scan(0, |below, class| {
            *below += class.load(Ordering::Relaxed);
            Some(*below)
        });
        bounds.zip(below)
    }

    /// Returns all of the time, in seconds.
    pub fn sum(&self) -> f64 {
        Duration::from_micros(self.sum.load(Ordering::Relaxed)).as_secs_f64()
    }

    /// Returns how many there were.
    pub fn count(&self) -> u64 {
        self.classes.iter().map(|class| class.load(Ordering::Relaxed)).sum()
    }
}

impl Clone for Latency {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.absorb(self);
        copy
    }
}
