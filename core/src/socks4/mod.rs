//! SOCKS4 and its extension 4a, in which the server resolves names.
//!
//! Neither has an RFC: the protocol is Ying-Da Lee's memo "SOCKS: A protocol for TCP proxy across firewalls", the
//! extension his "SOCKS 4A: A Simple Extension to SOCKS 4 Protocol". There is no password; the user id is a claim.
//!
//! A client says so when the protocol has no word for what it is to ask:
//!
//! ```
//! use core::net::{IpAddr, Ipv6Addr};
//! use sockhop::machine::Machine;
//! use sockhop::socks4::{Client, ClientError};
//! use sockhop::socks5::Command;
//! use sockhop::wire::{HostOf, TargetOf};
//!
//! let name = TargetOf { host: HostOf::Name("example.org"), port: 80 };
//! let mut client = Client::new(Command::Connect, name, "ann").expect("4a has names");
//! let mut request = [0; 64];
//! let length = client.drain(&mut request);
//! assert_eq!(&request[..length], b"\x04\x01\x00\x50\0\0\0\x01ann\0example.org\0");
//!
//! let six = TargetOf { host: HostOf::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)), port: 80 };
//! assert_eq!(Client::new(Command::Connect, six, "ann").err(), Some(ClientError::Address));
//! ```

mod client;
mod server;

pub use client::{Client, ClientError, ClientState};
pub use server::{Error, Event, Server, State};
