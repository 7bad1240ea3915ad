//! Files, one to a connection: verified and resumable between two of our own, plain with anybody else.
//!
//! The receiver tells the two protocols apart by the first octet. A NUL can begin no file name, so it announces the
//! *framed* protocol; anything else begins a *classic* name. Integers are big-endian.
//!
//! ```text
//! sender                                              receiver
//!   00 'H' 'O' 'P' version=1                 ───────►
//!   algorithms u8, name length u8, name
//!   size u64, mtime i64, mode u16            ───────►
//!                                            ◄───────  "wt" while a long prefix is hashed
//!                                            ◄───────  "ok" algorithm u8, offset u64, sum of the prefix (32)
//!   start u64: the offset, or 0              ───────►
//!   content[start .. size], sum (32), FIN    ───────►
//!                                            ◄───────  "ok" or, at any time, "no" reason u8, length u8, text
//!
//! classic sender                                      receiver
//!   name, not terminated                     ───────►
//!                                            ◄───────  "ok" after a quiet second
//!   content ... FIN                          ───────►  close
//! ```
//!
//! [`Sender`] and [`Receiver`] never hold content: they say what the next octets are, and the owner moves them between
//! the connection and the disk. [`Delivery`] and [`Intake`] are such owners, for anything that is a
//! [`Source`] or a [`Store`], from a folder of a host's to the flash of a microcontroller.

mod delivery;
mod digest;
mod intake;
mod message;
mod name;
mod receiver;
mod refusal;
mod scene;
mod sender;
mod store;

pub use delivery::Delivery;
#[cfg(feature = "blake3")]
pub use digest::Blake3;
#[cfg(all(feature = "sha2", feature = "blake3"))]
pub use digest::Either;
#[cfg(feature = "sha2")]
pub use digest::Sha256;
pub use digest::{Algorithm, Algorithms, Digest, Sum};
pub use intake::Intake;
pub use message::{Held, Offer, Outcome, Stat};
pub use name::{Fault, Leading, Name};
pub use receiver::{Error, Event, Receiver, State};
pub use refusal::Refusal;
pub use scene::{Scene, Turn};
pub use sender::{Sender, SenderError, SenderEvent, SenderState};
#[cfg(feature = "embedded-io")]
pub use store::Seeking;
pub use store::{Keep, Source, Store, Unreadable};
