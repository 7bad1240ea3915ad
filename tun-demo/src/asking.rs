//! Finding the running proxy that is to be asked, and saying what stands in the way.

use crate::args::Which;
use crate::exit::{FAILED, Failure, NOBODY, PRIVILEGE};
use sockhop_hosted::control::{self, Inquirer, Trouble};

/// Returns a connection to the process that is meant.
pub(crate) fn find(which: &Which) -> Result<Inquirer, Failure> {
    control::search(which.control.as_deref(), which.process.as_deref())
        .map(|found| Inquirer::new(found.stream))
        .map_err(|trouble| {
            let code = match trouble {
                Trouble::Nobody(_) | Trouble::Unknown(..) | Trouble::Several(_) | Trouble::Stale(_) => NOBODY,
                Trouble::Denied(..) => PRIVILEGE,
                Trouble::Host(..) => FAILED,
            };
            Failure::new(code, trouble.to_string())
        })
}

/// Returns what is said when a process does not answer as it should.
pub(crate) fn failed(error: &std::io::Error) -> Failure {
    Failure::new(NOBODY, error.to_string())
}

/// Returns a snapshot with something of everything.
#[cfg(test)]
pub(crate) fn example() -> sockhop_hosted::survey::Snapshot {
    serde_json::from_str(include_str!("../tests/golden/snapshot.json")).expect("it is a snapshot")
}
