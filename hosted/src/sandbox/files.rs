//! The file system, kept away by landlock but for the paths of the plan.

use super::Error;
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::path::PathBuf;

/// The newest version whose rights are asked for; an older kernel gives what it has.
const VERSION: ABI = ABI::V6;

/// How much of what was asked for the kernel's landlock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// What it was able to do at its age.
    Partly,
}

/// Returns whether the kernel has landlock at all.
pub(super) fn are_offered() -> bool {
    let strict = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    strict.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

/// Keeps everything away but what is named; `None` when the kernel has no landlock.
pub(super) fn restrict(read: &[PathBuf], write: &[PathBuf]) -> Result<Option<Extent>, Error> {
    let mut rules = Vec::new();
    let rights =
        [(read, AccessFs::from_read(VERSION) & !AccessFs::Execute), (write, AccessFs::from_all(VERSION))];
    for (paths, access) in rights {
        for path in paths {
            let named = |error: landlock::PathFdError| Error::Path(path.clone(), error.to_string());
            let fd = PathFd::new(path).map_err(named)?;
            // A right to a folder's entries means nothing for a file.
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
            rules.push(PathBeneath::new(fd, access & !AccessFs::Execute));
        }
    }
    let enforced = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(VERSION)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(rules.into_iter().map(Ok::<_, landlock::RulesetError>)))
        .and_then(landlock::RulesetCreated::restrict_self);
    Ok(match enforced.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Some(Extent::Whole),
        Ok(RulesetStatus::PartiallyEnforced) => Some(Extent::Partly),
        Ok(RulesetStatus::NotEnforced) | Err(_) => None,
    })
}
