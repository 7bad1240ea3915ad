//! Runs sockhop's machines on a smoltcp stack behind a Linux TUN device.

pub mod arrivals;
pub mod control;
pub mod echo;
pub mod egress;
pub mod engine;
pub mod forwarding;
pub mod front;
pub mod lab;
pub mod ladder;
pub mod link;
pub mod listening;
pub mod os;
pub mod ping;
pub mod proxy;
pub mod report;
pub mod resolve;
pub mod runtime;
pub mod serve;
pub mod sim;
pub mod states;
pub mod survey;
pub mod transfer;
pub mod tun;
pub mod users;
pub mod via;
