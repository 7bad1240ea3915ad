//! The flags of `echo` and `ping`.

use crate::args::Sandbox;
use crate::transfer::flags::Stack;
use clap::Args;
use core::net::SocketAddr;
use core::time::Duration;
use sockhop_hosted::egress::Upstream;

/// The port unless another is named.
pub(crate) const PORT: u16 = 7_008;

/// The examples of `echo`.
pub(crate) const ECHO: &str = "Examples:
  tun-demo echo                        by TCP and UDP at 0.0.0.0:7008
  tun-demo echo --udp --listen 127.0.0.1:9000
  sudo tun-demo echo --on-stack        at 198.18.0.2:7008, on the stack behind a TUN device
  tun-demo ping --udp 198.18.0.2:7008  its client";

/// The examples of `ping`.
pub(crate) const PING: &str = "Examples:
  tun-demo ping 198.18.0.2:7008                         by TCP
  tun-demo ping --udp --count 1000 --interval 0.001 198.18.0.2:7008
  tun-demo ping --udp --via socks5://198.18.0.2:1080 192.0.2.7:7008
  sudo tun-demo ping --from-stack --udp 198.18.0.1:7008
The exit code is 0 when any echo came, and 1 when none did.";

#[derive(Args, Debug)]
pub(crate) struct Echo {
    /// Answer datagrams only
    #[arg(long)]
    pub(crate) udp: bool,

    /// Listen at an address of this host; can be given several times [default: 0.0.0.0:7008]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "on_stack")]
    pub(crate) listen: Vec<SocketAddr>,

    /// Listen on the stack behind a TUN device
    #[arg(long)]
    pub(crate) on_stack: bool,

    #[command(flatten)]
    pub(crate) stack: Stack,

    #[command(flatten)]
    pub(crate) sandbox: Sandbox,
}

#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// Where an echo service listens
    #[arg(value_name = "HOST:PORT", value_parser = place)]
    pub(crate) place: (String, u16),

    /// By datagrams, one for each probe
    #[arg(long)]
    pub(crate) udp: bool,

    /// How many probes are sent
    #[arg(long, short, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) count: u64,

    /// Seconds from one probe to the next
    #[arg(long, short, value_name = "SECONDS", default_value = "0.2", value_parser = interval)]
    pub(crate) interval: Duration,

    /// Go through a SOCKS5 server; datagrams go through an association
    #[arg(long, value_name = "SERVER", conflicts_with = "from_stack")]
    pub(crate) via: Option<Upstream>,

    /// Send from the stack behind a TUN device
    #[arg(long)]
    pub(crate) from_stack: bool,

    #[command(flatten)]
    pub(crate) stack: Stack,

    /// Print the sums only
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) sandbox: Sandbox,
}

fn place(text: &str) -> Result<(String, u16), String> {
    let (host, port) =
        text.rsplit_once(':').ok_or(format!("{text:?} has no port, as in 198.18.0.2:{PORT}"))?;
    let port = port.parse().ok().filter(|port| *port > 0);
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(format!("{text:?} has no host, as in 198.18.0.2:{PORT}"));
    }
    Ok((host.to_owned(), port.ok_or(format!("the port of {text:?} is not between 1 and 65535"))?))
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or(format!("{text:?} is not between 0 and 3600 seconds"))
}
