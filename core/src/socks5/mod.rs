//! SOCKS5 (RFC 1928) with user name and password (RFC 1929), and Tor's two commands that look a name or an address up.

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
