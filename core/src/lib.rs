//! SOCKS, relay and TCP-watching state machines without an allocator, a clock or a socket.
//!
//! Every protocol role is one struct that implements [`machine::Machine`]: octets go in by `feed`, octets come out
//! by `drain`, what stands to be done is told by `poll`, and the owner answers with a verb. The owner keeps the
//! sockets, the clock and the policy; so the same code runs on a microcontroller, behind a TUN device, in a
//! simulation and in a fuzz target.
//!
//! ```text
//! octets in  ─► feed ─► inbox ─► parse ─► State ─► poll ─► Event ─► owner acts
//! octets out ◄─ drain ◄─ outbox ◄─ emit ◄──┘ ▲                        │
//!                                            └─ judge, answer ◄───────┘
//! ```
//!
//! A whole conversation, without a socket in sight:
//!
//! ```
//! use core::net::{Ipv4Addr, SocketAddr};
//! use sockhop::machine::Machine;
//! use sockhop::socks5::{Event, Login, Server};
//!
//! let mut server: Server = Server::new(Login::Open);
//! let mut reply = [0; 16];
//!
//! server.feed(&[5, 1, 0]); // SOCKS5, one method: no login
//! assert_eq!(server.drain(&mut reply), 2); // that one
//!
//! server.feed(b"\x05\x01\x00\x03\x0bexample.org\x00\x50"); // CONNECT
//! let Ok(Event::Request(request)) = server.poll() else { panic!("it is whole") };
//! assert_eq!(request.target.to_string(), "example.org:80");
//!
//! // The owner connects, and says from where.
//! server.answer(Ok(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 40_000))));
//! assert_eq!(server.drain(&mut reply), 10);
//! assert_eq!(server.poll(), Ok(Event::Relay)); // from here on octets belong to a relay
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod file;
pub mod machine;
pub mod relay;
pub mod socks;
pub mod socks4;
pub mod socks5;
pub mod tcp;
pub mod time;
pub mod trace;
pub mod wire;

#[cfg(feature = "embedded-io")]
pub mod io;
#[cfg(feature = "node")]
pub mod node;
#[cfg(any(feature = "smoltcp", feature = "node"))]
pub mod stack;

#[cfg(all(doctest, feature = "node", feature = "smoltcp"))]
#[doc = include_str!("../README.md")]
mod readme {}
