//! Runs sockhop's machines on a smoltcp stack behind a Linux TUN device.

pub mod egress;
pub mod engine;
pub mod forwarding;
pub mod front;
pub mod lab;
pub mod ladder;
pub mod link;
pub mod listening;
pub mod metrics;
pub mod os;
pub mod proxy;
pub mod resolve;
pub mod runtime;
pub mod sandbox;
pub mod sim;
pub mod tun;
pub mod upkeep;
pub mod users;
