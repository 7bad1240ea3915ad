//! The flags of `send` and `receive`.

use crate::args::{Sandbox, cidr4, trace_file};
use clap::Args;
use core::net::{IpAddr, Ipv4Addr};
use sockhop_hosted::egress::Upstream;
use sockhop_hosted::transfer::PORT;
use std::path::PathBuf;

/// The examples of `send`.
pub(crate) const SEND: &str = "Examples:
  tun-demo send image.bin 192.0.2.7                       to a `tun-demo receive` there
  tun-demo send *.log [2001:db8::7]:7007                  one after another
  tar c folder | tun-demo send --name folder.tar - host   standard input, spooled first
  tun-demo send --via socks5://198.18.0.2:1080 FILE host  through a SOCKS5 server
  tun-demo send --classic FILE host:9000                  to a peer that proves nothing
  sudo tun-demo send --from-stack FILE 198.18.0.1         from the stack behind a TUN device
  tun-demo send --stat FILE                               what would be offered

A file that was cut goes on where it was cut. Exit codes: 0 verified, 7 unverified, 8 truncated, 9 refused.";

/// The examples of `receive`.
pub(crate) const RECEIVE: &str = "Examples:
  tun-demo receive incoming                   at port 7007 of every address of this host
  tun-demo receive --once . --listen 127.0.0.1:9000
  sudo tun-demo receive incoming --on-stack   at 198.18.0.2:7007, on the stack behind a TUN device
  printf 'name.txt' | nc host 7007            even this gets its \"ok\"

Under sudo it becomes whom the folder belongs to, so that the files are his. --run-as names somebody else.
With --once the exit code tells: 0 verified, 7 unverified, 8 truncated, 9 refused.";

#[derive(Args, Debug)]
#[command(
    override_usage = "tun-demo send [OPTIONS] <FILE>... <HOST[:PORT]>\n       tun-demo send --stat <FILE>..."
)]
pub(crate) struct Send {
    /// Files, or - for standard input, and then the receiver's host; its port is 7007 unless named
    #[arg(required = true, value_name = "FILE... HOST[:PORT]")]
    pub(crate) words: Vec<String>,

    /// Go through a SOCKS5 server, as in socks5://ann:secret@proxy.example:1080
    #[arg(long, value_name = "SERVER", conflicts_with = "from_stack")]
    pub(crate) via: Option<Upstream>,

    /// Speak the classic protocol: name, "ok", content; it cannot prove that the file is whole
    #[arg(long)]
    pub(crate) classic: bool,

    /// Send the file under this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Print name, size, time and mode, and send nothing
    #[arg(long)]
    pub(crate) stat: bool,

    /// Send from the stack behind a TUN device
    #[arg(long)]
    pub(crate) from_stack: bool,

    #[command(flatten)]
    pub(crate) stack: Stack,

    /// Print one line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sandbox: Sandbox,
}

#[derive(Args, Debug)]
pub(crate) struct Receive {
    /// The folder that files are received into
    pub(crate) dir: PathBuf,

    /// End after one file
    #[arg(long)]
    pub(crate) once: bool,

    /// Let a file take the place of one of its name
    #[arg(long, conflicts_with = "rename")]
    pub(crate) overwrite: bool,

    /// Give a file a number when its name is taken
    #[arg(long)]
    pub(crate) rename: bool,

    /// The largest file that is taken, in octets; k, M and G stand for 1024 each
    #[arg(long, value_name = "N", value_parser = octets)]
    pub(crate) max_size: Option<u64>,

    /// Take names that begin with a dot or a dash
    #[arg(long)]
    pub(crate) any_name: bool,

    /// Receive at an address of this host; can be given several times [default: port 7007 of all]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "on_stack")]
    pub(crate) listen: Vec<core::net::SocketAddr>,

    /// Receive on the stack behind a TUN device
    #[arg(long)]
    pub(crate) on_stack: bool,

    #[command(flatten)]
    pub(crate) stack: Stack,

    /// Print one line of JSON for each file
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) sandbox: Sandbox,
}

/// The stack behind a TUN device.
#[derive(Args, Debug)]
pub(crate) struct Stack {
    /// Name of the TUN device [default: chosen by the kernel]
    #[arg(long, hide_short_help = true, value_name = "NAME")]
    pub(crate) tun: Option<String>,

    /// The stack's address; the host takes the other one of the subnet
    #[arg(long, hide_short_help = true, value_name = "CIDR", default_value = "198.18.0.2/30", value_parser = cidr4)]
    pub(crate) addr: (Ipv4Addr, u8),

    /// The largest packet on the TUN device, in octets
    #[arg(long, hide_short_help = true, default_value_t = 65_520, value_parser = clap::value_parser!(u16).range(1_280..=65_520))]
    pub(crate) mtu: u16,

    /// Have the kernel neither cut segments nor compute checksums for the stack
    #[arg(long, hide_short_help = true)]
    pub(crate) no_offload: bool,

    /// Print each segment and each transition with its cause, on the stack
    #[arg(long, hide_short_help = true)]
    pub(crate) ladder: bool,

    /// Record what the stack does, in the format of the suffix: .trace, .jsonl, .pcapng, ..
    #[arg(long, hide_short_help = true, value_name = "FILE", value_parser = trace_file)]
    pub(crate) trace: Option<PathBuf>,
}

/// Splits `HOST[:PORT]`.
pub(crate) fn place(text: &str) -> Result<(String, u16), String> {
    let bare = text.trim_matches(['[', ']']);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok((bare.to_owned(), PORT));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (host, port.ok_or(format!("the port of {text:?} is not between 1 and 65535"))?)
        }
        None => (text, PORT),
    };
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() || host.contains('/') {
        return Err(format!(
            "{text:?} is no host: the last word is where the files go, as in 192.0.2.7:7007"
        ));
    }
    Ok((host.to_owned(), port))
}

fn octets(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 10),
        Some('M') => (&text[..text.len() - 1], 20),
        Some('G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or(format!("{text:?} is no number of octets, as in 500M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_default_port_unless_it_names_one() {
        for (text, host, port) in [
            ("192.0.2.7", "192.0.2.7", PORT),
            ("192.0.2.7:9", "192.0.2.7", 9),
            ("[2001:db8::7]:9", "2001:db8::7", 9),
            ("2001:db8::7", "2001:db8::7", PORT),
            ("host", "host", PORT),
        ] {
            assert_eq!(place(text), Ok((host.to_owned(), port)), "{text}");
        }
        assert!(place("host:0").unwrap_err().contains("host:0"));
        assert!(place("./file").unwrap_err().contains("last word"));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!((octets("10"), octets("2k"), octets("3G")), (Ok(10), Ok(2_048), Ok(3 << 30)));
        assert!(octets("x").is_err() && octets("").is_err() && octets("99999999999G").is_err());
    }
}
