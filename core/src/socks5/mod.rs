//! SOCKS5 (RFC 1928) with user name and password (RFC 1929), and Tor's two commands that look a name or an address up.
//!
//! A refusal is sent before it is an error, and says the same to both:
//!
//! ```
//! use sockhop::machine::Machine;
//! use sockhop::socks5::{Error, Login, Refusal, Server};
//!
//! let mut server: Server<64> = Server::new(Login::Open);
//! let mut said = [0; 16];
//! server.feed(&[5, 1, 0]);
//! server.drain(&mut said);
//! server.feed(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 80]); // CONNECT 127.0.0.1:80
//!
//! server.answer(Err(Refusal::NotAllowed));
//! assert_eq!(server.poll(), Err(nb::Error::WouldBlock)); // there is something to be said first
//! assert_eq!(server.drain(&mut said), 10);
//! assert_eq!(said[1], Refusal::NotAllowed.code());
//! assert_eq!(server.poll(), Err(nb::Error::Other(Error::Refused(Refusal::NotAllowed))));
//! ```

mod client;
mod error;
mod message;
mod refusal;
mod server;
pub mod udp;

pub use client::{Client, ClientEvent, ClientState};
pub use error::{ClientError, Error};
pub use message::{Command, Request};
pub use refusal::Refusal;
pub use server::{Event, Login, Server, State};
