//! What happened, as events of 32 octets: recorded anywhere, printed without an allocator.
//!
//! ```
//! use core::net::SocketAddr;
//! use sockhop::tcp::{Cause, Seq, State};
//! use sockhop::time::Instant;
//! use sockhop::trace::{Ends, Event, Line, Recorder, Ring};
//!
//! // A microcontroller keeps the last 32 events; a host gives a sink that writes a file.
//! let mut recorder = Recorder::new(Ring::<32>::new());
//! let local: SocketAddr = "192.0.2.1:40000".parse().expect("an address");
//! let remote: SocketAddr = "192.0.2.2:80".parse().expect("an address");
//! recorder.opened(Instant::ZERO, 1, local, remote, true);
//! let now = Instant::from_micros(40_000);
//! recorder.state(now, 1, State::SynSent, Cause::SynAck, State::Established, Seq(8), Seq(101));
//!
//! let last = recorder.sink().events().last().expect("there are some");
//! assert_eq!(Event::decode(&last.encode()), last); // 32 octets, as a file has them
//! let line = Line(&last, &Ends::new()).to_string();
//! assert_eq!(line, "     0.040 #1    │ SYN-SENT → ESTABLISHED [rcv SYN,ACK]");
//! ```

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
