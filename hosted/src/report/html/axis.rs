//! The axis of time that all pictures of a connection share: in proportion while something happens, broken where
//! nothing does.

use super::ink::nice;

/// The share of the axis that a pause may take before it is broken.
const SHARE: f64 = 0.09;
/// What stays free before the first event and behind the last.
const MARGINS: (f64, f64) = (0.008, 0.03);

/// Time in microseconds on the way from 0 to 1.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Moments and their places, both rising.
    knots: Vec<(u64, f64)>,
    /// The pauses that are shown shorter than they were.
    breaks: Vec<(u64, u64)>,
    /// How much of the axis a microsecond takes where it is not broken.
    scale: f64,
}

impl Axis {
    /// Returns the axis of events at these moments, in any order.
    pub(super) fn new(moments: impl IntoIterator<Item = u64>) -> Self {
        let mut moments: Vec<u64> = moments.into_iter().collect();
        moments.sort_unstable();
        moments.dedup();
        let gaps: Vec<u64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let cap = longest(&gaps);
        let shown: f64 = gaps.iter().map(|gap| (*gap as f64).min(cap)).sum();
        let scale = (1.0 - MARGINS.0 - MARGINS.1) / shown.max(1.0);
        let mut at = MARGINS.0;
        let mut knots = vec![(moments.first().copied().unwrap_or(0), at)];
        let mut breaks = Vec::new();
        for (pair, gap) in moments.windows(2).zip(&gaps) {
            at += (*gap as f64).min(cap) * scale;
            knots.push((pair[1], at));
            if *gap as f64 > cap {
                breaks.push((pair[0], pair[1]));
            }
        }
        // What lies between two breaks is in proportion, and needs no knots of its own.
        let edges = |time: &u64| breaks.iter().any(|(from, to)| from == time || to == time);
        let last = knots.len() - 1;
        let needed = |(place, knot): (usize, (u64, f64))| {
            (place == 0 || place == last || edges(&knot.0)).then_some(knot)
        };
        let knots = knots.into_iter().enumerate().filter_map(needed).collect();
        Self { knots, breaks, scale }
    }

    /// Returns the place of a moment, from 0 to 1.
    pub(super) fn place(&self, time: u64) -> f64 {
        let after = self.knots.partition_point(|(knot, _)| *knot <= time);
        match (after.checked_sub(1).map(|before| self.knots[before]), self.knots.get(after)) {
            (Some((from, x)), Some((to, end))) => x + (end - x) * (time - from) as f64 / (to - from) as f64,
            (Some(_), None) => self.knots.last().map_or(0.0, |(_, x)| *x),
            (None, _) => 0.0,
        }
    }

    /// Returns the pauses that are shown shorter than they were.
    pub(super) fn breaks(&self) -> &[(u64, u64)] {
        &self.breaks
    }

    /// Returns where each of them is torn, on an axis of this width: far enough to its end for a name before it.
    pub(super) fn tears(&self, long: f64) -> impl Iterator<Item = ((u64, u64), f64)> + '_ {
        self.breaks.iter().map(move |(from, to)| {
            let (start, end) = (self.place(*from) * long, self.place(*to) * long);
            ((*from, *to), start + (end - start) * 0.8)
        })
    }

    /// Returns moments and their places, both rising; between two of them the axis is straight.
    pub(super) fn knots(&self) -> &[(u64, f64)] {
        &self.knots
    }

    /// Returns round moments to be written at an axis of this width, none nearer to another than `room`, and the
    /// places after the point that they need.
    pub(super) fn ticks(&self, width: f64, room: f64) -> (Vec<u64>, usize) {
        let per_micro = self.scale * width;
        let step = (nice(room / per_micro, 1.0).round() as u64).max(1);
        let decimals = (0..6).find(|places| step.is_multiple_of(10_u64.pow(6 - places))).unwrap_or(6);
        let mut ticks: Vec<u64> = Vec::new();
        let stretches = self.knots.windows(2).filter(|pair| !self.breaks.contains(&(pair[0].0, pair[1].0)));
        for pair in stretches {
            let first = pair[0].0.div_ceil(step) * step;
            let mut at = first;
            while at <= pair[1].0 && ticks.len() < 200 {
                let far = |last: &u64| (self.place(at) - self.place(*last)) * width >= room * 0.9;
                if ticks.last().is_none_or(far) {
                    ticks.push(at);
                }
                at += step;
            }
        }
        (ticks, decimals as usize)
    }
}

/// Returns the longest pause that is shown as it was: beyond a share of what is shown, and beyond what is usual.
fn longest(gaps: &[u64]) -> f64 {
    let mut sorted = gaps.to_vec();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(1) as f64 * 4.0;
    let mut cap = sorted.last().copied().unwrap_or(1) as f64;
    for _ in 0..64 {
        let shown: f64 = sorted.iter().map(|gap| (*gap as f64).min(cap)).sum();
        let next = (shown * SHARE).max(usual);
        if next >= cap {
            break;
        }
        cap = next;
    }
    cap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_broken_and_what_happens_is_in_proportion() {
        let axis = Axis::new((0..=10).map(|step| step * 20_000).chain([60_000_000]));
        assert_eq!(axis.breaks(), [(200_000, 60_000_000)]);
        let step = axis.place(40_000) - axis.place(20_000);
        assert!((axis.place(200_000) - axis.place(180_000) - step).abs() < 1e-9);
        assert!(axis.place(60_000_000) <= 1.0);
    }

    #[test]
    fn places_rise_with_time() {
        let moments = [0, 5, 5, 1_000, 90_000, 90_001, 2_000_000, 70_000_000];
        let axis = Axis::new(moments);
        let places: Vec<f64> = moments.iter().map(|time| axis.place(*time)).collect();
        assert!(places.is_sorted());
        let (ticks, _) = axis.ticks(1_000.0, 60.0);
        assert!(ticks.is_sorted() && !ticks.is_empty());
    }

    #[test]
    fn one_moment_has_a_place() {
        assert!((0.0..=1.0).contains(&Axis::new([7]).place(7)));
        assert!((0.0..=1.0).contains(&Axis::new([]).place(7)));
    }
}
