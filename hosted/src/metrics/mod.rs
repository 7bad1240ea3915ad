//! What is counted, as Prometheus reads it, and a page that says whether the loop still turns.
//!
//! ```text
//! scraper ─► Page (a thread) ─► asks ─► Board ◄─ posts ─ the loop, in its next round
//! ```
//!
//! A loop is never held up: it is woken, writes down its numbers, and goes on. Where there are several, each does, and
//! the page adds them up. A loop that has not done so within a second is not healthy, which is what `/healthz` says.
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
mod numbers;
mod page;
mod tally;
mod text;

pub use board::Board;
pub use latency::Latency;
pub use numbers::{Numbers, OfStack};
pub use page::serve;
pub use tally::{Counts, Tally};
pub use text::Text;
