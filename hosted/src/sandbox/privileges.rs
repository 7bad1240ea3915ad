//! Users, capabilities, and what a process could win back by executing something.

use super::{Account, Error};
use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use rustix::{io::Errno, process, thread};
use std::io;

/// Becomes somebody else if it is root, and gives up every capability, for good.
pub(super) fn drop_all(run_as: Option<Account>) -> Result<(), Error> {
    let failed = |what| move |error: Errno| Error::Privilege(what, error.into());
    bound(CapabilitySet::empty()).map_err(failed("the capability bounding set"))?;
    if geteuid().is_root() {
        let account = run_as.unwrap_or_else(Account::behind_sudo);
        match become_of(account) {
            Ok(()) => {}
            // A user namespace may know nobody but its root, who is somebody else outside.
            Err(Errno::INVAL) if run_as.is_none() => {}
            Err(error) => return Err(Error::User(account, error.into())),
        }
    } else if let Some(account) = run_as.filter(|account| account.user != geteuid().as_raw()) {
        return Err(Error::User(account, io::Error::from(Errno::PERM)));
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    thread::clear_ambient_capability_set().map_err(failed("the ambient capabilities"))?;
    set_capabilities(None, none).map_err(failed("the capabilities"))?;
    thread::set_no_new_privs(true).map_err(failed("the right to win privileges by executing"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("being looked into by others"))?;
    Ok(())
}

/// Takes a user and a group and no other groups, as what counts, what was and what could be again.
fn become_of(account: Account) -> Result<(), Errno> {
    let (user, group) = (process::Uid::from_raw(account.user), process::Gid::from_raw(account.group));
    // Of this thread, which is the only one.
    match thread::set_thread_groups(&[]) {
        // A user namespace without groups of its own does not let them go.
        Err(Errno::PERM) if process::getuid().is_root() => {}
        outcome => outcome?,
    }
    thread::set_thread_res_gid(group, group, group)?;
    thread::set_thread_res_uid(user, user, user)
}

/// Leaves nothing but these to whatever this process executes; without the right to do so, there is nothing to leave.
fn bound(kept: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Beyond the last capability of this kernel, or no root.
            Err(Errno::INVAL | Errno::PERM) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keeps what reading any file and undoing the forwarding need, and nothing else.
pub(super) fn keep_few() -> io::Result<()> {
    let few = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::DAC_OVERRIDE | CapabilitySet::NET_ADMIN;
    bound(few)?;
    let held = thread::capabilities(None)?;
    let few = few & held.permitted;
    let few = CapabilitySets { effective: few, permitted: few, inheritable: CapabilitySet::empty() };
    set_capabilities(None, few)?;
    thread::set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
