//! TCP seen from outside: states and edges of RFC 9293, a view of a segment, and a tracker of the variables.

mod segment;
mod seq;
mod state;
mod tracker;

pub use segment::{Flags, Malformed, Segment};
pub use seq::Seq;
pub use state::{Cause, EDGES, Edge, State};
pub use tracker::{Marks, Note, Tracker};
