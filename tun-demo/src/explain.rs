//! `tun-demo explain`: what the rules say of an address, and which of them decides.

use crate::args::Explain;
use crate::exit::Failure;
use sockhop_hosted::egress::{Asked, Policy};
use std::io::Write;

/// Says it; being refused is an answer, not a failure.
pub(crate) fn run(options: &Explain, out: &mut impl Write) -> Result<(), Failure> {
    let policy = Policy { rules: options.rules.in_order(), ..Policy::default() };
    let asked = Asked { user: options.user.clone(), name: options.name.clone() };
    writeln!(out, "{}", policy.explain(&asked, options.addr))?;
    Ok(out.flush()?)
}
