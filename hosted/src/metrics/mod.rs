//! What is counted, as Prometheus reads it, and a page that says whether the loop still turns.
//!
//! ```text
//! scraper ─► Page (a thread) ─► asks ─► Board ◄─ posts ─ the loop, in its next round
//! ```
//!
//! The loop is never held up: it is woken, writes down its numbers, and goes on. A loop that has not done so within a
//! second is not healthy, which is what `/healthz` says.
//!
//! ```
//! use core::time::Duration;
//! use sockhop_hosted::metrics::{Latency, Text};
//!
//! let dials = Latency::default();
//! dials.observe(Duration::from_millis(3));
//! let mut text = Text::default();
//! text.histogram("dial_seconds", "How long dials take.", &dials);
//! assert!(text.into_string().contains("sockhop_dial_seconds_count 1"));
//! ```

mod board;
mod latency;
mod page;
mod tally;
mod text;

pub use board::Board;
pub use latency::Latency;
pub use page::serve;
pub use tally::{Counts, Tally};
pub use text::Text;

use crate::engine::{Counters, Load};
use crate::proxy::Meters;
use sockhop::tcp::State;

/// Everything that is told of a stack.
#[derive(Clone, Copy, Debug)]
pub struct StackNumbers<'a> {
    /// How often things happened.
    pub counters: Counters,
    /// How many of each thing there are.
    pub load: Load,
    /// Connections in each state.
    pub states: [(State, usize); State::ALL.len()],
    /// What the events said.
    pub tally: &'a Counts,
    /// Packets that the TUN did not take.
    pub dropped: u64,
}

/// Writes what a proxy has counted.
pub fn write_proxy(text: &mut Text, meters: &Meters, sessions: usize, limited: u64, resolving: &Latency) {
    text.gauge("sessions", "Sessions that stand.", sessions);
    text.family("sessions_total", "counter", "Sessions that have ended, by reply code and how they ended.");
    for ((reply, end), count) in meters.ended() {
        let reply = reply.map_or_else(|| "none".to_owned(), |code| code.to_string());
        text.sample("sessions_total", &[("reply", &reply), ("end", end)], count);
    }
    text.family("octets_total", "counter", "Octets carried by sessions that have ended.");
    text.sample("octets_total", &[("direction", "up")], meters.octets().0);
    text.sample("octets_total", &[("direction", "down")], meters.octets().1);
    text.family("caps_reached_total", "counter", "How often something was refused because of a limit.");
    text.sample("caps_reached_total", &[("cap", "source")], limited);
    text.histogram(
        "dial_seconds",
        "From a request to the answer of its target, the name included.",
        meters.dials(),
    );
    text.histogram(
        "resolve_seconds",
        "From a name to its addresses, or to the news that it has none.",
        resolving,
    );
}

/// Writes what a stack has counted; its caps join those of the proxy, so it comes right after.
pub fn write_stack(text: &mut Text, numbers: &StackNumbers<'_>) {
    let (counters, load) = (numbers.counters, numbers.load);
    text.family("flows", "gauge", "Connections of the stack in each state.");
    for (state, count) in numbers.states {
        text.sample("flows", &[("state", &state.to_string())], count);
    }
    text.gauge("half_open_flows", "Connections whose handshake is unfinished.", load.half_open);
    text.gauge("ring_octets", "Octets in rings.", load.rings);
    text.family(
        "stack_caps_reached_total",
        "counter",
        "How often the stack did not do something because of a limit.",
    );
    for (cap, count) in
        [("flows", counters.refused), ("half_open", counters.evicted), ("answers", counters.unanswered)]
    {
        text.sample("stack_caps_reached_total", &[("cap", cap)], count);
    }
    text.family("packets_total", "counter", "Packets on the TUN.");
    text.sample("packets_total", &[("direction", "in")], counters.packets_in);
    text.sample("packets_total", &[("direction", "out")], counters.packets_out);
    text.sample("packets_total", &[("direction", "dropped")], numbers.dropped);
    text.family(
        "bad_packets_total",
        "counter",
        "Packets that were not well-formed, or whose checksum was wrong.",
    );
    text.sample("bad_packets_total", &[("why", "malformed")], counters.malformed);
    text.sample("bad_packets_total", &[("why", "checksum")], counters.corrupt);
    text.counter("flows_accepted_total", "Connections accepted.", counters.accepted);
    text.counter("flows_expired_total", "Connections given up by a deadline.", counters.expired);
    text.counter(
        "stack_panics_total",
        "Panics of the stack, each contained to its connection.",
        counters.panics,
    );
    numbers.tally.write(text);
}
