//! How many descriptors the process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;

/// What the program has beside its clients: devices, listeners, traces, whoever asks it.
const OWN: u64 = 32;

/// Takes as many descriptors as the host allows, and says so where `clients` with `each` of them need more.
///
/// What a shell starts with, 1,024, is for programs that cannot count further. Whoever comes when none is left has to
/// wait until somebody goes.
pub(crate) fn take(clients: usize, each: u64, out: &mut impl Write) -> std::io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current };
    let need = each.saturating_mul(clients as u64).saturating_add(OWN);
    match limit.filter(|limit| *limit < need) {
        Some(limit) => {
            writeln!(out, "  {limit} descriptors are few, {clients} clients need {need}: raise `ulimit -n`")
        }
        None => Ok(()),
    }
}
