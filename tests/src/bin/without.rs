//! `without landlock|seccomp PROGRAM ARGUMENTS..` runs a program as a kernel would that was built without it: its calls
//! are unknown.

use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};
use seccompiler::{SeccompFilter, SeccompRule, TargetArch};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The calls by which a process restricts itself, each with what its first argument has to be.
const LANDLOCK: [(i64, Option<u64>); 3] = [
    (libc::SYS_landlock_create_ruleset, None),
    (libc::SYS_landlock_add_rule, None),
    (libc::SYS_landlock_restrict_self, None),
];
const SECCOMP: [(i64, Option<u64>); 2] =
    [(libc::SYS_seccomp, None), (libc::SYS_prctl, Some(libc::PR_SET_SECCOMP.cast_unsigned() as u64))];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (calls, error): (&[_], _) = match arguments.first().map(String::as_str) {
        Some("landlock") => (&LANDLOCK, libc::ENOSYS),
        // It is there, and was switched off when the kernel was started.
        Some("landlock-off") => (&LANDLOCK, libc::EOPNOTSUPP),
        Some("seccomp") => (&SECCOMP, libc::EINVAL),
        Some(_) | None => (&[], 0),
    };
    let Some((program, rest)) = arguments.get(1..).and_then(<[String]>::split_first).filter(|_| error != 0)
    else {
        eprintln!("without landlock|landlock-off|seccomp PROGRAM ARGUMENTS..");
        return ExitCode::FAILURE;
    };
    if let Err(why) = forget(calls, error) {
        eprintln!("without: {why}");
        return ExitCode::FAILURE;
    }
    eprintln!("without: {}", Command::new(program).args(rest).exec());
    ExitCode::FAILURE
}

/// Has these calls fail in this process and in all that it executes.
fn forget(calls: &[(i64, Option<u64>)], error: i32) -> Result<(), Box<dyn core::error::Error>> {
    let mut rules = BTreeMap::new();
    for &(call, first) in calls {
        let only = |value| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        let only = first.map(only).transpose()?.map(|only| SeccompRule::new(vec![only])).transpose()?;
        rules.insert(call, only.into_iter().collect());
    }
    let errno = SeccompAction::Errno(error.cast_unsigned());
    let machine = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, errno, machine)?.try_into()?;
    Ok(seccompiler::apply_filter(&filter)?)
}
