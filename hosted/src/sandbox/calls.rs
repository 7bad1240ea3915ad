//! The system calls of this program, and no others.
//!
//! The list is what `strace -f` shows over the tests, and what the C library does in their place on other machines.
//! Calls that open files fail with an error instead of ending the process: a panic's backtrace tries to, and the C
//! library's allocator may.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a call's arguments have to be: each is `(argument, mask, value)`.
type Only<'a> = &'a [(u8, u64, u64)];

/// Calls that are let through whatever their arguments.
const CALLS: &[i64] = &[
    // Octets in and out.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_dup,
    libc::SYS_dup3,
    // Sockets that exist.
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_shutdown,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    // Memory; the two that could make it executable stand below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads, and the end.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

const PROTECTION: u8 = 2;
const EXECUTABLE: u64 = libc::PROT_EXEC.cast_unsigned() as u64;
const INET: u64 = libc::AF_INET.cast_unsigned() as u64;
const INET6: u64 = libc::AF_INET6.cast_unsigned() as u64;
const UNIX: u64 = libc::AF_UNIX.cast_unsigned() as u64;
const STREAM: u64 = libc::SOCK_STREAM.cast_unsigned() as u64;
const DATAGRAM: u64 = libc::SOCK_DGRAM.cast_unsigned() as u64;
/// All of a socket's type but its flags.
const TYPE: u64 = 0xf;
const ANY: u64 = 0xffff_ffff;
const THREAD: u64 = libc::CLONE_THREAD.cast_unsigned() as u64;
const SET_NAME: u64 = libc::PR_SET_NAME.cast_unsigned() as u64;
/// `SIOCOUTQNSD`, by which a connection of the host's says what is not yet sent.
const UNSENT: u64 = 0x894b;
/// `PR_SET_VMA`, by which the C library names its arenas.
const SET_VMA: u64 = 0x5356_4d41;
/// `PR_GET_AUXV`, by which rustix finds the kernel's clock.
const GET_AUXV: u64 = 0x4155_5856;

/// Calls that are let through with some arguments only; a call may stand here several times.
const SOME: &[(i64, Only<'_>)] = &[
    (libc::SYS_socket, &[(0, ANY, INET), (1, TYPE, STREAM)]),
    (libc::SYS_socket, &[(0, ANY, INET), (1, TYPE, DATAGRAM)]),
    (libc::SYS_socket, &[(0, ANY, INET6), (1, TYPE, STREAM)]),
    (libc::SYS_socket, &[(0, ANY, INET6), (1, TYPE, DATAGRAM)]),
    (libc::SYS_mmap, &[(PROTECTION, EXECUTABLE, 0)]),
    (libc::SYS_mprotect, &[(PROTECTION, EXECUTABLE, 0)]),
    (libc::SYS_clone, &[(0, THREAD, THREAD)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::FIONBIO)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::FIONREAD)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TIOCOUTQ)]),
    (libc::SYS_ioctl, &[(1, ANY, UNSENT)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCGETS)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCGETS2)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TIOCGWINSZ)]),
    (libc::SYS_prctl, &[(0, ANY, SET_NAME)]),
    (libc::SYS_prctl, &[(0, ANY, SET_VMA)]),
    (libc::SYS_prctl, &[(0, ANY, GET_AUXV)]),
];

/// Calls that set a terminal up and hear of its size by a signal, which wakes through a pair of sockets.
const TERMINAL: &[(i64, Only<'_>)] = &[
    (libc::SYS_ioctl, &[(1, ANY, libc::TCSETS)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCSETSW)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCSETSF)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCSETS2)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCSETSW2)]),
    (libc::SYS_ioctl, &[(1, ANY, libc::TCSETSF2)]),
    (libc::SYS_socketpair, &[(0, ANY, UNIX), (1, TYPE, STREAM)]),
];

/// Calls by which files are opened, changed and removed: refused unless the plan keeps some, which landlock then minds.
const FILES: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_renameat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
];

/// Calls by which a file is received: locked, given its time and mode and then its name, on a disk with room for it.
///
/// Without a path to write in the plan they are as foreign as any other.
const WRITING: &[i64] = &[
    libc::SYS_flock,
    libc::SYS_fchmod,
    libc::SYS_utimensat,
    libc::SYS_linkat,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    // Newer machines have `renameat2` only.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    libc::SYS_renameat,
];

/// How much of the file system is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// No file.
    Nothing,
    /// Files are read.
    Read,
    /// Files are made and changed.
    Write,
}

/// Leaves the calls above and returns how many they are; `None` when the kernel has no seccomp.
pub(super) fn restrict(reach: Reach, terminal: bool, stern: bool) -> Option<usize> {
    let errno = |number: i32| SeccompAction::Errno(number.cast_unsigned());
    let other = if stern { SeccompAction::KillProcess } else { errno(libc::EPERM) };
    // Its flags are behind a pointer, where no filter sees them; the C library then uses `clone`.
    let unseen = [libc::SYS_clone3];
    // Whoever quits on the screen sends the signal that ends the loop, to nobody but this process.
    let own = [(0, ANY, u64::from(std::process::id()))];
    let own: [(i64, Only<'_>); 1] = [(libc::SYS_kill, &own)];
    let some = if terminal { [SOME, TERMINAL, &own].concat() } else { SOME.to_vec() };
    let calls = if reach == Reach::Write { [CALLS, WRITING].concat() } else { CALLS.to_vec() };
    let mut filters = vec![
        filter(&[&calls, FILES, &unseen].concat(), &some, other, SeccompAction::Allow)?,
        filter(&unseen, &[], SeccompAction::Allow, errno(libc::ENOSYS))?,
    ];
    let files = reach != Reach::Nothing;
    if !files {
        filters.push(filter(FILES, &[], SeccompAction::Allow, errno(libc::EACCES))?);
    }
    // Of several filters the sternest answer counts; the first one would let no other follow it.
    filters.iter().rev().try_for_each(|filter| apply_filter(filter).ok())?;
    let some: BTreeSet<i64> = some.iter().map(|(call, _)| *call).collect();
    Some(calls.len() + some.len() + if files { FILES.len() } else { 0 })
}

/// Compiles a filter for calls that do and do not match.
fn filter(
    calls: &[i64],
    some: &[(i64, Only<'_>)],
    other: SeccompAction,
    those: SeccompAction,
) -> Option<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.iter().map(|call| (*call, Vec::new())).collect();
    for (call, only) in some {
        let conditions = only.iter().map(|&(argument, mask, value)| {
            SeccompCondition::new(argument, Len::Dword, Op::MaskedEq(mask), value).ok()
        });
        let rule = SeccompRule::new(conditions.collect::<Option<_>>()?).ok()?;
        rules.entry(*call).or_default().push(rule);
    }
    let machine = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    SeccompFilter::new(rules, other, those, machine).ok()?.try_into().ok()
}
