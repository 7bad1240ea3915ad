//! What happened, as events of 32 octets: recorded anywhere, printed without an allocator.

#[cfg(feature = "defmt")]
mod defmt_sink;
mod event;
mod flow;
#[cfg(feature = "embedded-io")]
mod frames;
mod header;
mod json;
mod kind;
mod line;
mod part;
mod recorder;
mod ring;
mod traced;
mod view;

#[cfg(feature = "defmt")]
pub use defmt_sink::Defmt;
pub use event::Event;
pub use flow::Flow;
#[cfg(feature = "embedded-io")]
pub use frames::Frames;
pub use header::{Header, NoHeader};
pub use json::Json;
pub use line::{AppLine, Ends, Line, Said};
pub use part::{Call, Drop, Hold, Tick, Timer};
pub use recorder::{Recorder, Sink};
pub use ring::Ring;
pub use traced::{App, Traced, Watched};
pub use view::View;
