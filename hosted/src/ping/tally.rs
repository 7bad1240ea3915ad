//! What became of probes.

use core::fmt;
use core::time::Duration;
use sockhop::time::Instant;

/// How wide the histogram's bars are at most.
const BAR: usize = 40;

/// What became of probes, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    probes: Vec<Probe>,
    highest: Option<u64>,
    reordered: u64,
    duplicates: u64,
    strange: u64,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: Instant,
    took: Option<Duration>,
}

impl Tally {
    /// Notes that a probe is sent, and returns its number.
    pub fn sent(&mut self, now: Instant) -> u64 {
        self.probes.push(Probe { sent: now, took: None });
        self.probes.len() as u64 - 1
    }

    /// Notes an answer, and returns how long it took; `None` for one that came before or was never asked for.
    pub fn heard(&mut self, number: u64, now: Instant) -> Option<Duration> {
        let probe = usize::try_from(number).ok().and_then(|number| self.probes.get_mut(number));
        let Some(probe) = probe else {
            self.strange += 1;
            return None;
        };
        if probe.took.is_some() {
            self.duplicates += 1;
            return None;
        }
        let took = now.since(probe.sent);
        probe.took = Some(took);
        self.reordered += u64::from(self.highest.is_some_and(|highest| number < highest));
        self.highest = self.highest.max(Some(number));
        Some(took)
    }

    /// Returns how many probes were sent.
    pub const fn count(&self) -> usize {
        self.probes.len()
    }

    /// Returns how many were answered.
    pub fn answered(&self) -> usize {
        self.probes.iter().filter(|probe| probe.took.is_some()).count()
    }

    /// Returns how many answers came behind a later one, came again, and were never asked for.
    pub const fn oddities(&self) -> (u64, u64, u64) {
        (self.reordered, self.duplicates, self.strange)
    }

    /// Returns the shortest time, the median and the longest; `None` without an answer.
    pub fn times(&self) -> Option<(Duration, Duration, Duration)> {
        let times = self.sorted();
        Some((*times.first()?, *times.get(times.len() / 2)?, *times.last()?))
    }

    fn sorted(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.probes.iter().filter_map(|probe| probe.took).collect();
        times.sort_unstable();
        times
    }

    /// Counts answers by time: each bar reaches twice as far as the one before, from the shortest time on.
    fn bars(&self) -> Vec<(Duration, usize)> {
        let mut bars: Vec<(Duration, usize)> = Vec::new();
        for time in self.sorted() {
            // Times below a microsecond are not told apart.
            let octave = 64 - (time.as_micros().max(1) as u64).leading_zeros();
            let edge = Duration::from_micros(1 << octave);
            match bars.last_mut() {
                Some((last, count)) if *last == edge => *count += 1,
                Some(_) | None => {
                    while let Some((last, _)) = bars.last().filter(|(last, _)| *last * 2 < edge) {
                        bars.push((*last * 2, 0));
                    }
                    bars.push((edge, 1));
                }
            }
        }
        bars
    }
}

impl fmt::Display for Tally {
    /// Writes the sums, and a histogram of the times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, answered) = (self.count(), self.answered());
        let lost = 100.0 * (sent - answered) as f64 / (sent.max(1)) as f64;
        writeln!(f, "{sent} sent, {answered} answered, {lost:.1} % lost")?;
        let (reordered, duplicates, strange) = self.oddities();
        if reordered + duplicates + strange > 0 {
            writeln!(f, "{reordered} out of order, {duplicates} came twice, {strange} never asked for")?;
        }
        let Some((least, median, most)) = self.times() else { return Ok(()) };
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        writeln!(f, "min {:.3} ms, median {:.3} ms, max {:.3} ms", ms(least), ms(median), ms(most))?;
        let bars = self.bars();
        let highest = bars.iter().map(|(_, count)| *count).max().unwrap_or(1);
        for (edge, count) in bars {
            let width = (count * BAR).div_ceil(highest);
            writeln!(f, "{:>12.3} ms │{:<BAR$} {count}", ms(edge), "█".repeat(width))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn losses_order_and_repetitions_are_counted() {
        let mut tally = Tally::default();
        (0..5).for_each(|number| assert_eq!(tally.sent(at(number * 100)), number));
        assert_eq!(tally.heard(0, at(50)), Some(Duration::from_micros(50)));
        assert_eq!(tally.heard(2, at(260)), Some(Duration::from_micros(60)));
        assert_eq!(tally.heard(1, at(300)), Some(Duration::from_micros(200)), "behind a later one");
        assert_eq!(tally.heard(2, at(310)), None, "again");
        assert_eq!(tally.heard(9, at(320)), None, "never asked for");
        assert_eq!((tally.answered(), tally.oddities()), (3, (1, 1, 1)));
        let micros = Duration::from_micros;
        assert_eq!(tally.times(), Some((micros(50), micros(60), micros(200))));
        let text = tally.to_string();
        assert!(text.starts_with("5 sent, 3 answered, 40.0 % lost"), "{text}");
        assert!(text.contains("0.064 ms │████████████████████████████████████████ 2"), "{text}");
        assert!(text.contains("0.128 ms │                                         0"), "{text}");
        assert!(text.contains("0.256 ms │████████████████████                     1"), "{text}");
    }

    #[test]
    fn nothing_sent_is_nothing_lost() {
        assert!(Tally::default().to_string().starts_with("0 sent, 0 answered, 0.0 % lost"));
    }
}
