//! Runs sockhop's machines on a smoltcp stack behind a Linux TUN device.
//!
//! ```
//! use sockhop_hosted::lab::{Scenario, play, tell};
//! use sockhop_hosted::ladder::Style;
//!
//! // Two stacks on a simulated link: neither root nor a network.
//! for scenario in Scenario::all() {
//!     let outcome = play(&scenario, 1).expect("it begins");
//!     println!("{}", tell(&scenario, &outcome, Style::default()));
//! }
//! ```
//!
//! [`runtime`] joins a TUN device, an [`engine`] and a [`proxy`]; [`listening`] does without the first two.

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
pub mod metrics;
pub mod os;
pub mod ping;
pub mod proxy;
pub mod report;
pub mod resolve;
pub mod runtime;
pub mod sandbox;
pub mod segmentation;
pub mod serve;
pub mod sim;
pub mod states;
pub mod survey;
pub mod transfer;
pub mod tun;
pub mod upkeep;
pub mod users;
pub mod via;
pub mod waiting;
