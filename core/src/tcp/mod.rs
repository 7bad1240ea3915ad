//! TCP seen from outside: states and edges of RFC 9293, a view of a segment, and a tracker of the variables.
mod state;

pub use state::{Cause, EDGES, Edge, State};
