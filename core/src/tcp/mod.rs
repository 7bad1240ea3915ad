//! TCP seen from outside: states and edges of RFC 9293, a view of a segment, a tracker of the variables, and a
//! guard that keeps an unmodified smoltcp safe.

mod edit;
mod guard;
mod isn;
mod legality;
mod segment;
mod seq;
mod sip;
mod state;
mod tracker;

/// Whether segments in IPv6 packets are known.
const IPV6: bool = cfg!(feature = "ipv6");

pub use edit::{EMPTY, Empty, is_intact, seal, seal_for_device};
pub use guard::{Guard, Inject, Rule, Rules, Verdict};
pub use isn::isn;
pub use legality::{Law, Legality, Violation};
pub use segment::{Flags, Malformed, Segment};
pub use seq::Seq;
pub use state::{Cause, EDGES, Edge, State};
pub use tracker::{Marks, Note, Tracker};
