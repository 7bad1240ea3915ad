//! The flags of a proxy that is to be trusted and run as a service.

use crate::log::Format;
use clap::{Args, ValueEnum};
use core::net::SocketAddr;
use core::time::Duration;

/// What a command gives up once all it needs is open.
#[derive(Args, Clone, Debug)]
pub(crate) struct Sandbox {
    /// Whom to become once all is open: a user, or numbers as in 1000:1000 [default: whoever called sudo, or nobody; for receive the folder's owner]
    #[arg(long, hide_short_help = true, value_name = "USER")]
    pub(crate) run_as: Option<String>,

    /// Keep every privilege, file and system call: only to find out whether the sandbox is in the way
    #[arg(long, hide_short_help = true, conflicts_with = "run_as")]
    pub(crate) no_sandbox: bool,
}

/// What the proxy gives up once it serves, and what it does without it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Locking {
    #[command(flatten)]
    pub(crate) sandbox: Sandbox,

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

/// How the program behaves as a service.
#[derive(Args, Clone, Debug)]
pub(crate) struct Service {
    /// Serve at the sockets that the service manager hands over (LISTEN_FDS), without a TUN and without root
    #[arg(long, hide_short_help = true, conflicts_with_all = ["listen", "tun", "addr", "addr6", "port", "mtu", "no_offload", "workers", "ladder", "setup", "trace"])]
    pub(crate) activated: bool,

    /// Say what happens as text for people or as JSON for programs
    #[arg(long, hide_short_help = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) log: Format,

    /// Answer /metrics (Prometheus) and /healthz over HTTP at this address
    #[arg(long, hide_short_help = true, value_name = "ADDR:PORT")]
    pub(crate) metrics: Option<SocketAddr>,

    /// Seconds that sessions may take to finish after SIGTERM; nobody new is served meanwhile
    #[arg(long, hide_short_help = true, value_name = "SECONDS", default_value = "0", value_parser = drain)]
    pub(crate) drain: Duration,
}

fn drain(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or(format!("{text:?} is not between 0 and 86400 seconds"))
}
