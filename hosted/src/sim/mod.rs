//! Whole connections on a bad link, each from one number: what happens is a [`Plan`], plain data that a seed makes.
//!
//! A seed that fails is a bug report; [`shrink`] makes it small. Two hosts exchange octets of a pattern over two
//! engines; what must hold is in [`Verdict`].
//!
//! ```
//! use sockhop::tcp::Rules;
//! use sockhop_hosted::sim::{Plan, Profile, run, shrink};
//!
//! let plan = Plan::new(1, Profile::Hostile);
//! assert!(run(&plan, (Rules::ALL, Rules::ALL)).verdict.is_good());
//!
//! // The same link, with smoltcp as it comes: it hangs, and so does something smaller.
//! let fails = |plan: &Plan| !run(plan, (Rules::NONE, Rules::NONE)).verdict.is_good();
//! assert!(fails(&plan) && fails(&shrink(&plan, fails)));
//! ```

mod plan;
mod run;
mod shrink;

pub use plan::{Closing, Host, Plan, Profile};
pub use run::{Outcome, Verdict, first_violation, path, run, run_watched, violations};
pub use shrink::shrink;
