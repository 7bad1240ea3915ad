//! The echo service's client: how long answers take, and which do not come, come twice or come in another order.

mod pinging;
mod tally;

pub use pinging::{Means, Pinging};
pub use tally::Tally;
