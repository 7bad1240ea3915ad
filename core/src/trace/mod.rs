//! What happened, as events of 32 octets: recorded anywhere, printed without an allocator.

mod event;
mod line;
mod recorder;
mod ring;
mod traced;

pub use event::{Drop, Event, View};
pub use line::{AppLine, Ends, Line, Said};
pub use recorder::{Recorder, Sink};
pub use ring::Ring;
pub use traced::{App, Traced, Watched};
