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
//!
//! A transfer that was cut goes on where it was cut:
//!
//! ```
//! use sockhop::file::{Algorithms, Event, Held, Leading, Receiver, Sender, SenderEvent, Stat, Sum};
//! use sockhop::machine::Machine;
//!
//! let stat = Stat { size: 3, mtime: 0, mode: 0o644 };
//! let mut sender = Sender::new("hi.txt", stat, Algorithms::ALL).expect("a good name");
//! let mut receiver: Receiver = Receiver::new(Algorithms::ALL, Leading::Plain);
//! let mut wire = [0; 300];
//!
//! let length = sender.drain(&mut wire);
//! let head = receiver.feed(&wire[..length]); // the head of an offer is a message of its own
//! receiver.feed(&wire[head..length]);
//! let Ok(Event::Offer(offer)) = receiver.poll() else { panic!("it is whole") };
//! # assert_eq!(offer.name.as_str(), "hi.txt");
//! receiver.accept(Held { octets: 1, sum: Sum([7; 32]) }); // one octet came before, with this digest
//!
//! let length = receiver.drain(&mut wire);
//! sender.feed(&wire[..length]);
//! assert!(matches!(sender.poll(), Ok(SenderEvent::Compare { .. })));
//! sender.compare(Sum([7; 32])); // the same as ours
//! sender.drain(&mut wire);
//! assert_eq!(sender.poll(), Ok(SenderEvent::Send { offset: 1, left: 2 }));
//! ```

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
