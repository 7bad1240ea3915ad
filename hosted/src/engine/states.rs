//! How many connections stand in each state.

use super::Engine;
use sockhop::tcp::State;
use sockhop::trace::Sink;

impl<S: Sink> Engine<S> {
    /// Returns the number of connections in each state, records of those in TIME-WAIT included; it looks at all of them.
    pub fn states(&self) -> [(State, usize); State::ALL.len()] {
        let mut counts = State::ALL.map(|state| (state, 0));
        for (_, flow) in &self.flows {
            counts[flow.state as usize].1 += 1;
        }
        counts[State::TimeWait as usize].1 += self.load().time_wait;
        counts
    }
}
