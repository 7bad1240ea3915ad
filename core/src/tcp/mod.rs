//! TCP seen from outside: states and edges of RFC 9293, a view of a segment, a tracker of the variables, and a
//! guard that keeps an unmodified smoltcp safe.
//!
//! The states are data, and know the section that allows each edge:
//!
//! ```
//! use sockhop::tcp::{EDGES, State};
//!
//! let out: Vec<_> = EDGES.iter().filter(|edge| edge.from == State::FinWait1).collect();
//! assert!(out.iter().any(|edge| edge.to == State::Closing), "both ends closed at once");
//! assert_eq!(out[0].section.split('.').next(), Some("3")); // of RFC 9293
//! ```
//!
//! A [`Tracker`] concludes one end's variables from the segments that pass it:
//!
//! ```
//! use core::net::SocketAddr;
//! use sockhop::tcp::{EMPTY, Empty, Flags, Segment, Seq, State, Tracker, is_intact};
//!
//! let (a, b): (SocketAddr, SocketAddr) =
//!     ("192.0.2.1:40000".parse().expect("an address"), "192.0.2.2:80".parse().expect("an address"));
//! let mut packet = [0; EMPTY];
//! let syn = Empty { seq: Seq(1_000), ack: Seq(0), flags: Flags::SYN, window: 4_096 };
//! let length = syn.write(a, b, &mut packet);
//! assert!(is_intact(&packet[..length]));
//!
//! let segment = Segment::parse(&packet[..length]).expect("it is TCP");
//! assert_eq!((segment.src, segment.seg_len()), (a, 1)); // a SYN takes a number
//! let mut tracker = Tracker::new();
//! tracker.sent(&segment);
//! assert_eq!((tracker.state(), tracker.snd_nxt()), (State::SynSent, Seq(1_001)));
//! ```

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

#[cfg(feature = "node")]
pub(crate) use edit::transport_sum;
pub use edit::{EMPTY, Empty, internet_sum, is_intact, seal, seal_for_device};
pub use guard::{Guard, Inject, Rule, Rules, Verdict};
pub use isn::isn;
pub use legality::{Law, Legality, Violation};
pub use segment::{Flags, Malformed, Segment};
pub use seq::Seq;
pub use state::{Cause, EDGES, Edge, State};
pub use tracker::{Marks, Note, Tracker};
