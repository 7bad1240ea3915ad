//! SOCKS4 and its extension 4a, in which the server resolves names.
//!
//! Neither has an RFC: the protocol is Ying-Da Lee's memo "SOCKS: A protocol for TCP proxy across firewalls", the
//! extension his "SOCKS 4A: A Simple Extension to SOCKS 4 Protocol". There is no password; the user id is a claim.

mod client;
mod server;

pub use client::{Client, ClientError, ClientState};
pub use server::{Error, Event, Server, State};
