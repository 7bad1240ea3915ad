//! The echo service's client: how long answers take, and which do not come, come twice or come in another order.
//!
//! ```
//! use core::time::Duration;
//! use sockhop::time::Instant;
//! use sockhop_hosted::ping::Tally;
//!
//! let mut tally = Tally::default();
//! let (first, second) = (tally.sent(Instant::ZERO), tally.sent(Instant::ZERO));
//! let now = Instant::from_micros(250);
//! assert_eq!(tally.heard(second, now), Some(Duration::from_micros(250)));
//! tally.heard(first, now); // behind a later one
//! assert_eq!(tally.heard(first, now), None); // again
//! assert_eq!((tally.answered(), tally.oddities()), (2, (1, 1, 0)));
//! ```

mod pinging;
mod tally;

pub use pinging::{Means, Pinging};
pub use tally::Tally;
