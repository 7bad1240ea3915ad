//! A SOCKS server for microcontrollers: the machines, relay and guard of sockhop on a board without an allocator.
//!
//! The [`app`] knows no board, a [`board`] knows no protocol, and a [`nic`] is three functions.
#![no_std]
#![no_main]

mod app;
mod board;
#[cfg(feature = "log")]
mod log;
mod nic;
mod register;
mod service;
