//! What happened, as events of 32 octets: recorded anywhere, printed without an allocator.

mod event;
mod flow;
mod kind;
mod line;
mod part;
mod recorder;
mod ring;
mod traced;
mod view;

pub use event::Event;
pub use flow::Flow;
pub use line::{AppLine, Ends, Line, Said};
pub use part::{Call, Drop, Hold, Tick, Timer};
pub use recorder::{Recorder, Sink};
pub use ring::Ring;
pub use traced::{App, Traced, Watched};
pub use view::View;
