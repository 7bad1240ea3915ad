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
