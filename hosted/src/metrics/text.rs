//! The text format of Prometheus, version 0.0.4.

use super::Latency;
use core::fmt::{Display, Write};

/// What every name begins with.
const PREFIX: &str = "sockhop_";

/// A page of numbers; names come without the program's prefix.
#[derive(Clone, Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins a family of samples.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into memory does not fail, here and below.
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
    }

    /// Writes one sample; the values of labels are the program's own words and need no escape.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{PREFIX}{name}{labels} {value}");
    }

    /// Writes a family of one number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// Writes a family of one number that only goes up.
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// Writes a family of latencies.
    pub fn histogram(&mut self, name: &str, help: &str, latency: &Latency) {
        self.family(name, "histogram", help);
        let (bucket, count) = (format!("{name}_bucket"), format!("{name}_count"));
        for (bound, below) in latency.buckets() {
            self.sample(&bucket, &[("le", &bound)], below);
        }
        self.sample(&format!("{name}_sum"), &[], latency.sum());
        self.sample(&count, &[], latency.count());
    }

    /// Returns the page.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_histogram_is_cumulative_and_ends_with_everything() {
        let latency = Latency::default();
        for millis in [1, 30, 30, 100_000] {
            latency.observe(Duration::from_millis(millis));
        }
        let mut text = Text::default();
        text.histogram("dial_seconds", "x", &latency);
        let text = text.into_string();
        for line in [
            "# TYPE sockhop_dial_seconds histogram",
            "sockhop_dial_seconds_bucket{le=\"0.001\"} 1",
            "sockhop_dial_seconds_bucket{le=\"0.05\"} 3",
            "sockhop_dial_seconds_bucket{le=\"30\"} 3",
            "sockhop_dial_seconds_bucket{le=\"+Inf\"} 4",
            "sockhop_dial_seconds_sum 100.061",
            "sockhop_dial_seconds_count 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
