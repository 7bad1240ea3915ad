//! What a loop says of itself, added up over loops, and as a page.

use super::{Counts, Latency, Text};
use crate::engine::{Counters, Load};
use crate::proxy::Counted;
use core::time::Duration;
use sockhop::tcp::State;

/// Everything that a loop has counted.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// How long it has run.
    pub uptime: Duration,
    /// Whether nobody new is served any more.
    pub draining: bool,
    /// Sessions that stand.
    pub sessions: usize,
    /// Sessions refused because their source had enough.
    pub limited: u64,
    /// What was counted of sessions that have ended.
    pub counted: Counted,
    /// How long names took.
    pub resolving: Latency,
    /// Clients accepted and turned away at sockets of the host, where there are any.
    pub clients: Option<(u64, u64)>,
    /// What the stack has counted, if there is one and it counts.
    pub stack: Option<OfStack>,
}

/// Everything that a stack has counted.
#[derive(Clone, Debug)]
pub struct OfStack {
    /// How often things happened.
    pub counters: Counters,
    /// How many of each thing there are.
    pub load: Load,
    /// Connections in each state.
    pub states: [(State, usize); State::ALL.len()],
    /// What the events said.
    pub tally: Counts,
    /// Packets that the TUN did not take.
    pub dropped: u64,
}

impl Numbers {
    /// Returns these and another loop's together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.uptime = self.uptime.max(other.uptime);
        self.draining |= other.draining;
        self.sessions += other.sessions;
        self.limited += other.limited;
        for (of, count) in other.counted.ended {
            *self.counted.ended.entry(of).or_default() += count;
        }
        self.counted.octets.0 += other.counted.octets.0;
        self.counted.octets.1 += other.counted.octets.1;
        self.counted.dials.absorb(&other.counted.dials);
        self.resolving.absorb(&other.resolving);
        self.clients = match (self.clients, other.clients) {
            (Some(one), Some(two)) => Some((one.0 + two.0, one.1 + two.1)),
            (one, two) => one.or(two),
        };
        self.stack = match (self.stack, other.stack) {
            (Some(one), Some(two)) => Some(one.and(&two)),
            (one, two) => one.or(two),
        };
        self
    }

    /// Returns them as a page.
    pub(super) fn page(&self) -> String {
        let mut text = Text::default();
        text.gauge("uptime_seconds", "How long it has run.", self.uptime.as_secs_f64());
        self.write_proxy(&mut text);
        if let Some((accepted, refused)) = self.clients {
            text.counter("clients_accepted_total", "Connections accepted.", accepted);
            text.counter("clients_refused_total", "Connections turned away by --most.", refused);
        }
        if let Some(stack) = &self.stack {
            stack.write(&mut text);
        }
        text.into_string()
    }

    /// Writes what the proxy has counted.
    fn write_proxy(&self, text: &mut Text) {
        let Counted { ended, octets, dials } = &self.counted;
        text.gauge("sessions", "Sessions that stand.", self.sessions);
        let what = "Sessions that have ended, by reply code and how they ended.";
        text.family("sessions_total", "counter", what);
        for ((reply, end), count) in ended {
            let reply = reply.map_or_else(|| "none".to_owned(), |code| code.to_string());
            text.sample("sessions_total", &[("reply", &reply), ("end", end)], count);
        }
        text.family("octets_total", "counter", "Octets carried by sessions that have ended.");
        text.sample("octets_total", &[("direction", "up")], octets.0);
        text.sample("octets_total", &[("direction", "down")], octets.1);
        let what = "How often something was refused because of a limit.";
        text.family("caps_reached_total", "counter", what);
        text.sample("caps_reached_total", &[("cap", "source")], self.limited);
        let what = "From a request to the answer of its target, the name included.";
        text.histogram("dial_seconds", what, dials);
        let what = "From a name to its addresses, or to the news that it has none.";
        text.histogram("resolve_seconds", what, &self.resolving);
    }
}

impl OfStack {
    /// Returns these and those of another engine together.
    fn and(mut self, other: &Self) -> Self {
        self.counters += other.counters;
        self.load += other.load;
        for ((_, count), (_, more)) in self.states.iter_mut().zip(&other.states) {
            *count += more;
        }
        self.tally.absorb(&other.tally);
        self.dropped += other.dropped;
        self
    }

    fn write(&self, text: &mut Text) {
        let (counters, load) = (self.counters, self.load);
        text.family("flows", "gauge", "Connections of the stack in each state.");
        for (state, count) in self.states {
            text.sample("flows", &[("state", &state.to_string())], count);
        }
        text.gauge("half_open_flows", "Connections whose handshake is unfinished.", load.half_open);
        text.gauge("ring_octets", "Octets in rings.", load.rings);
        let what = "How often the stack did not do something because of a limit.";
        text.family("stack_caps_reached_total", "counter", what);
        for (cap, count) in
            [("flows", counters.refused), ("half_open", counters.evicted), ("answers", counters.unanswered)]
        {
            text.sample("stack_caps_reached_total", &[("cap", cap)], count);
        }
        text.family("packets_total", "counter", "Packets on the TUN.");
        text.sample("packets_total", &[("direction", "in")], counters.packets_in);
        text.sample("packets_total", &[("direction", "out")], counters.packets_out);
        text.sample("packets_total", &[("direction", "dropped")], self.dropped);
        let what = "Packets that came to another worker than their own, and were handed over.";
        text.counter("stray_packets_total", what, counters.strays);
        let what = "Packets that were not well-formed, or whose checksum was wrong.";
        text.family("bad_packets_total", "counter", what);
        text.sample("bad_packets_total", &[("why", "malformed")], counters.malformed);
        text.sample("bad_packets_total", &[("why", "checksum")], counters.corrupt);
        text.counter("flows_accepted_total", "Connections accepted.", counters.accepted);
        text.counter("flows_expired_total", "Connections given up by a deadline.", counters.expired);
        let what = "Panics of the stack, each contained to its connection.";
        text.counter("stack_panics_total", what, counters.panics);
        self.tally.write(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_loops_are_one_page() {
        let numbers = |sessions, reply, octets| {
            let mut numbers = Numbers { sessions, ..Numbers::default() };
            numbers.counted.ended.insert((Some(0), "complete"), 2);
            numbers.counted.ended.insert((Some(reply), "failed"), 1);
            numbers.counted.octets = (octets, 1);
            numbers.counted.dials.observe(Duration::from_millis(3));
            let states = State::ALL.map(|state| (state, sessions));
            let counters = Counters { strays: 5, ..Counters::default() };
            let (load, tally) = (Load { rings: 7, ..Load::default() }, Counts::default());
            numbers.stack = Some(OfStack { counters, load, states, tally, dropped: 1 });
            numbers
        };
        let page = numbers(3, 4, 100).and(numbers(4, 5, 200)).page();
        for line in [
            "sockhop_sessions 7",
            "sockhop_sessions_total{reply=\"0\",end=\"complete\"} 4",
            "sockhop_sessions_total{reply=\"4\",end=\"failed\"} 1",
            "sockhop_sessions_total{reply=\"5\",end=\"failed\"} 1",
            "sockhop_octets_total{direction=\"up\"} 300",
            "sockhop_dial_seconds_count 2",
            "sockhop_flows{state=\"ESTABLISHED\"} 7",
            "sockhop_ring_octets 14",
            "sockhop_packets_total{direction=\"dropped\"} 2",
            "sockhop_stray_packets_total 10",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
        }
    }
}
