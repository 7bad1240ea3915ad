//! SOCKS5 (RFC 1928) with user name and password (RFC 1929).

mod client;
mod message;
mod refusal;
mod server;
pub mod udp;

pub use client::{Client, ClientError, ClientEvent, ClientState};
pub use message::{Command, Request};
pub use refusal::Refusal;
pub use server::{Error, Event, Login, Server, State};
