//! Counts what the stack's events say, and passes them on.

use super::Text;
use core::time::Duration;
use sockhop::tcp::{Marks, Rule};
use sockhop::time::Instant;
use sockhop::trace::{Event, Sink, View};
use std::collections::HashMap;

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    guarded: [u64; Rule::ALL.len()],
    retransmitted: u64,
    fast: u64,
    /// How long windows of ours and of the peers' were closed, of connections that opened them again or are over.
    closed: [Duration; 2],
    /// Since when each connection's windows have been closed, ours and the peer's.
    since: HashMap<u32, [Option<Instant>; 2]>,
}

impl Counts {
    fn count(&mut self, event: &Event) {
        match event.view() {
            Some(View::Guarded { rule, .. }) => self.guarded[rule as usize] += 1,
            Some(View::Segment { sent, marks, .. }) => {
                if sent && marks.contains(Marks::FAST) {
                    self.fast += 1;
                } else if sent && marks.contains(Marks::RETRANSMIT) {
                    self.retransmitted += 1;
                }
                if marks.contains(Marks::ZERO_WINDOW) {
                    let since = self.since.entry(event.flow()).or_default();
                    since[usize::from(!sent)].get_or_insert(event.time());
                } else if marks.contains(Marks::REOPEN) {
                    self.reopen(event, usize::from(!sent));
                }
            }
            Some(View::Ended { .. }) => {
                self.reopen(event, 0);
                self.reopen(event, 1);
                self.since.remove(&event.flow());
            }
            Some(_) | None => {}
        }
    }

    fn reopen(&mut self, event: &Event, side: usize) {
        if let Some(since) = self.since.get_mut(&event.flow()).and_then(|since| since[side].take()) {
            self.closed[side] += event.time().since(since);
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.guarded.iter_mut().zip(other.guarded).for_each(|(count, more)| *count += more);
        self.closed.iter_mut().zip(other.closed).for_each(|(long, more)| *long += more);
        self.retransmitted += other.retransmitted;
        self.fast += other.fast;
    }

    /// Writes everything.
    pub(super) fn write(&self, text: &mut Text) {
        text.family("guard_actions_total", "counter", "What the guard did, by rule.");
        for rule in Rule::ALL {
            text.sample(
                "guard_actions_total",
                &[("rule", &format!("{rule:?}"))],
                self.guarded[rule as usize],
            );
        }
        text.family("retransmissions_total", "counter", "Segments sent again, and what asked for it.");
        text.sample("retransmissions_total", &[("cause", "timeout")], self.retransmitted);
        text.sample("retransmissions_total", &[("cause", "duplicates")], self.fast);
        text.family(
            "zero_window_seconds_total",
            "counter",
            "How long windows were closed, once they opened again.",
        );
        text.sample("zero_window_seconds_total", &[("side", "ours")], self.closed[0].as_secs_f64());
        text.sample("zero_window_seconds_total", &[("side", "peer")], self.closed[1].as_secs_f64());
    }
}

/// A sink that counts, if it is to, in front of another one.
#[derive(Debug)]
pub struct Tally<S> {
    counts: Option<Counts>,
    inner: S,
}

impl<S: Sink> Tally<S> {
    /// Returns a sink that passes everything on, and counts if `counting`.
    pub fn new(inner: S, counting: bool) -> Self {
        Self { counts: counting.then(Counts::default), inner }
    }

    /// Returns what was counted; `None` when nothing is.
    pub const fn counts(&self) -> Option<&Counts> {
        self.counts.as_ref()
    }

    /// Returns the sink behind, which is told no more.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Returns the sink behind.
    pub const fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: Sink> Sink for Tally<S> {
    fn record(&mut self, event: &Event) {
        if let Some(counts) = &mut self.counts {
            counts.count(event);
        }
        if self.inner.enabled() {
            self.inner.record(event);
        }
    }

    fn enabled(&self) -> bool {
        self.counts.is_some() || self.inner.enabled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockhop::tcp::{Flags, Seq, State};

    fn at(flow: u32, second: u64, view: View) -> Event {
        Event::of(view).at(0, flow, Instant::from_micros(second * 1_000_000))
    }

    fn segment(sent: bool, marks: Marks) -> View {
        let states = (State::Established, State::Established);
        View::Segment { sent, flags: Flags::ACK, seq: Seq(0), ack: Seq(0), len: 0, window: 0, states, marks }
    }

    #[test]
    fn a_window_is_closed_from_the_first_zero_to_its_opening_or_the_end() {
        let mut tally = Tally::new((), true);
        for event in [
            at(1, 1, segment(true, Marks::ZERO_WINDOW)),
            at(1, 3, segment(true, Marks::ZERO_WINDOW)),
            at(2, 3, segment(false, Marks::ZERO_WINDOW)),
            at(1, 4, segment(true, Marks::REOPEN)),
            at(1, 5, segment(true, Marks::REOPEN)),
            at(2, 10, View::Ended { received: 0, sent: 0 }),
            at(2, 11, segment(true, Marks::RETRANSMIT)),
            at(2, 11, segment(false, Marks::RETRANSMIT)),
            at(2, 12, View::Guarded { rule: Rule::Stall, outward: true, una: Seq(0), edge: Seq(0) }),
        ] {
            tally.record(&event);
        }
        let mut text = Text::default();
        tally.counts().expect("it counts").write(&mut text);
        let text = text.into_string();
        for line in [
            "sockhop_zero_window_seconds_total{side=\"ours\"} 3",
            "sockhop_zero_window_seconds_total{side=\"peer\"} 7",
            "sockhop_retransmissions_total{cause=\"timeout\"} 1",
            "sockhop_guard_actions_total{rule=\"Stall\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        assert!(!Tally::new((), false).enabled(), "nobody asked for events");
    }
}
