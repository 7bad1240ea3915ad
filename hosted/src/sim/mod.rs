//! Whole connections on a bad link, each from one number: what happens is a [`Plan`], plain data that a seed makes.
//!
//! A seed that fails is a bug report; [`shrink`] makes it small. Two hosts exchange octets of a pattern over two
//! engines; what must hold is in [`Verdict`].

mod plan;
mod run;
mod shrink;

pub use plan::{Closing, Host, Plan, Profile};
pub use run::{Outcome, Verdict, first_violation, path, run, run_watched, violations};
pub use shrink::shrink;
