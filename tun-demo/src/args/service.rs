//! The flags of a proxy that is to be trusted and run as a service.

use clap::{Args, ValueEnum};

/// What the program gives up once it serves.
#[derive(Args, Clone, Debug)]
pub(crate) struct Locking {
    /// Whom to become once the device is open: a user, or numbers as in 1000:1000 [default: whoever called sudo, or nobody]
    #[arg(long, hide_short_help = true, value_name = "USER")]
    pub(crate) run_as: Option<String>,

    /// Keep every privilege, file and system call: only to find out whether the sandbox is in the way
    #[arg(long, hide_short_help = true, conflicts_with = "run_as")]
    pub(crate) no_sandbox: bool,

    /// Who resolves names
    ///
    /// A stub asks the name servers of /etc/resolv.conf and reads /etc/hosts, all names at once. The C library also knows
    /// what /etc/nsswitch.conf has, and opens files and plug-ins for it, which the sandbox does not let it.
    #[arg(long, hide_short_help = true, value_name = "WHO", default_value = "stub")]
    pub(crate) names: Resolution,
}

/// Who resolves names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolution {
    /// The program itself, from the servers of /etc/resolv.conf and from /etc/hosts
    Stub,
    /// The C library, eight names at once; needs --no-sandbox
    Libc,
}
