//! Every flag, once: parsing, help, man page and completions come from here.

mod looking;
mod service;

pub(crate) use looking::{
    Control, Netstat, States, Top, Trace, TraceCheck, TraceConvert, TraceReport, TraceShow, Which,
};
pub(crate) use service::{Locking, Resolution, Sandbox, Service};

use crate::echo::flags::{Echo, Ping};
use crate::exit;
use crate::transfer::flags::{self, Receive, Send};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use sockhop_hosted::egress::{Rule, Way};
use sockhop_hosted::lab::Scenario;
use sockhop_hosted::report::Format;
use sockhop_hosted::sim::Profile;
use std::path::PathBuf;

/// A SOCKS proxy on a userspace TCP stack that lets you watch TCP work.
#[derive(Debug, Parser)]
#[command(name = "tun-demo", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", exit::TABLE))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  tun-demo lab                   see a connection live and die, without root or TUN
  sudo tun-demo socks5 --ladder  serve at 198.18.0.2:1080 and print every segment
  curl --socks5-hostname 198.18.0.2:1080 https://example.org/
  tun-demo doctor                what is missing, and how to mend it";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a SOCKS5 proxy, on the stack behind a TUN device or at a socket of this host
    #[command(after_help = "Examples:
  sudo tun-demo socks5                                     on 198.18.0.2:1080
  sudo tun-demo socks5 --ladder --trace x.pcapng           print and record segments
  sudo tun-demo socks5 --user ann:secret                   and ask for a password
  sudo tun-demo socks5 --deny 10.0.0.0/8 --allow loopback  and other rules
  tun-demo socks5 --listen 127.0.0.1:1080                  without a TUN and without root
  sudo tun-demo socks5 --egress socks5://127.0.0.1:9050    and out through another server
  sudo tun-demo socks5 --egress stack --setup --ladder     and out by the stack itself")]
    Socks5(Box<Socks5>),
    /// Show the connections, listeners and ports of a running proxy, as netstat does
    #[command(after_help = "Examples:
  tun-demo netstat                    every connection with its state, queues, timer and window
  tun-demo netstat | grep 1080
  tun-demo netstat --watch            again each second
  tun-demo netstat --json | jq '.flows[] | {remote, state}'
  tun-demo netstat --process tun1     of one of several proxies")]
    Netstat(Netstat),
    /// Watch a running proxy: its connections, their windows and their segments
    #[command(after_help = "Examples:
  tun-demo top                        ask the proxy that runs
  sudo tun-demo socks5 --top          run one and watch it
  NO_COLOR=1 tun-demo top")]
    Top(Top),
    /// Play a scenario between two stacks on a simulated link, and draw it
    #[command(after_help = "Examples:
  tun-demo lab --list         the scenarios, as a course in TCP
  tun-demo lab handshake      the first of them
  tun-demo lab window         watch a window close and open again
  tun-demo lab window --report w.html   and draw it for a browser
  tun-demo lab loss --whole   every segment, nothing folded
  tun-demo lab loss --trace x.jsonl && tun-demo trace check x.a.jsonl x.b.jsonl")]
    Lab(Lab),
    /// Replay a simulated connection on a bad link from its seed, or count what becomes of many
    #[command(after_help = "Examples:
  tun-demo sim --seed 7 --profile hostile                   one connection, drawn
  tun-demo sim --seed 7 --profile hostile --guard none      the same with smoltcp as it comes
  tun-demo sim --seed 7 --report 7.html                     and as a page for a browser
  tun-demo sim --seed 7 --guard none --shrink               the smallest scenario that still fails
  tun-demo sim --count 4000 --profile faults                how many of 4000 fail")]
    Sim(Sim),
    /// Look into a trace: draw it, check it, or turn it into another format
    #[command(
        subcommand,
        after_help = "Examples:
  tun-demo lab loss --trace x.jsonl
  tun-demo trace show x.a.jsonl x.b.jsonl
  tun-demo trace check x.a.jsonl x.b.jsonl
  tun-demo trace report x.a.jsonl x.b.jsonl -o x.html
  tun-demo trace pcapng x.a.jsonl -o x.pcapng"
    )]
    Trace(Trace),
    /// Send files, verified and resumable, to `tun-demo receive` or to a classic receiver
    #[command(after_help = flags::SEND)]
    Send(Box<Send>),
    /// Receive files into a folder, from `tun-demo send` or from classic senders
    #[command(after_help = flags::RECEIVE)]
    Receive(Box<Receive>),
    /// Send back what comes, by TCP and UDP
    #[command(after_help = crate::echo::flags::ECHO)]
    Echo(Box<Echo>),
    /// Measure how long echoes take, and which are lost, repeated or out of order
    #[command(after_help = crate::echo::flags::PING)]
    Ping(Box<Ping>),
    /// Say whether the rules let somebody through to an address, and which of them decides
    #[command(after_help = "Examples:
  tun-demo explain 127.0.0.1:80
  tun-demo explain 10.1.2.3:22 --user ann --deny 10.0.0.0/8
  tun-demo explain 192.0.2.1:443 --name www.example.org --deny .example.org")]
    Explain(Explain),
    /// Read a password and print a line for the file of users
    #[command(after_help = "Examples:
  tun-demo passwd ann >> users
  sudo tun-demo socks5 --users users")]
    Passwd(Passwd),
    /// Print a file for `socks5 --config` with every setting, its help and its default
    #[command(subcommand, after_help = "Examples:\n  tun-demo config print | sudo tee /etc/sockhop.toml")]
    Config(ConfigCommand),
    /// Say what is missing to run, and what mends it
    #[command(after_help = "Examples:\n  tun-demo doctor && sudo tun-demo socks5")]
    Doctor,
    /// Print the TCP states and their edges (RFC 9293)
    #[command(after_help = "Examples:
  tun-demo states | grep TIME-WAIT
  tun-demo states --diagram                     figure 5 of the RFC
  tun-demo states --dot | dot -Tsvg -o tcp.svg  every edge, drawn by Graphviz")]
    States(States),
    /// Print completions for a shell
    #[command(
        after_help = "Examples:\n  tun-demo completions bash | sudo tee /etc/bash_completion.d/tun-demo"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual, or write a page for each command into a folder
    #[command(
        after_help = "Examples:\n  tun-demo man | man -l -\n  tun-demo man --to /usr/local/share/man/man1"
    )]
    Man {
        /// A folder that is there
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting, switched off, with its help and its default
    Print,
}

#[derive(Args, Debug)]
#[command(args_override_self = true)]
pub(crate) struct Socks5 {
    /// A TOML file of flags by their long names; the command line decides where both do
    ///
    /// It is read again on SIGHUP.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Serve at an address of this host, without a TUN and without root; repeatable
    #[arg(long, value_name = "ADDR:PORT", value_parser = listener, conflicts_with_all = ["tun", "addr", "addr6", "port", "mtu", "no_offload", "workers", "ladder", "trace"])]
    pub(crate) listen: Vec<SocketAddr>,

    /// Clients that are served at once, with --listen
    #[arg(long, hide_short_help = true, value_name = "N", default_value = "4096", value_parser = at_least_one)]
    pub(crate) most: usize,

    /// Name of the TUN device [default: chosen by the kernel]
    #[arg(long, hide_short_help = true, value_name = "NAME")]
    pub(crate) tun: Option<String>,

    /// The stack's IPv4 address; the host takes the subnet's other one
    #[arg(long, value_name = "CIDR", default_value = "198.18.0.2/30", value_parser = cidr4)]
    pub(crate) addr: (Ipv4Addr, u8),

    /// The stack's IPv6 address, or none [default: a random unique local one]
    #[arg(long, hide_short_help = true, value_name = "CIDR", value_parser = cidr6)]
    pub(crate) addr6: Option<Net6>,

    /// The port to serve
    #[arg(long, default_value_t = 1080, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    /// A user and password to ask for; can be given several times
    #[arg(long, value_name = "NAME:PASS", value_parser = user)]
    pub(crate) user: Vec<(String, String)>,

    /// A file of users with salted hashes of their passwords, as `tun-demo passwd` writes them
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,

    /// The way out: host, stack, or a server as in socks5://ann:secret@host:1080
    ///
    /// With stack both legs of a session stand on the userspace stack and can be seen. Beyond this host it then needs
    /// forwarding and masquerading, which --setup sees to.
    #[arg(long, value_name = "WAY", default_value = "host")]
    pub(crate) egress: Way,

    /// Let the host forward and masquerade for --egress stack (sysctl and nft); undone at the end
    #[arg(long, hide_short_help = true, conflicts_with = "listen")]
    pub(crate) setup: bool,

    #[command(flatten)]
    pub(crate) rules: RuleFlags,

    /// Sessions that one source may have at once; an IPv6 source is a /64
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = at_least_one)]
    pub(crate) per_source: Option<usize>,

    /// New sessions that one source may open in a second, after a burst of as many
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Tell nobody the address of a name or the name of an address: refuse Tor's RESOLVE and RESOLVE_PTR
    #[arg(long, hide_short_help = true)]
    pub(crate) no_resolve: bool,

    /// The largest packet on the TUN device, in octets
    #[arg(long, hide_short_help = true, default_value_t = 65_520, value_parser = clap::value_parser!(u16).range(1_280..=65_520))]
    pub(crate) mtu: u16,

    /// Have the kernel neither cut segments nor compute checksums for the stack
    #[arg(long, hide_short_help = true)]
    pub(crate) no_offload: bool,

    /// Threads that share the work, each with a stack and a queue of the TUN of its own; as many as cores to spare
    ///
    /// A connection stays with one of them, so this helps many connections and not a single one. Limits of the stack are
    /// shared out among them; what --per-source and --rate say holds over all.
    #[arg(long, hide_short_help = true, value_name = "N", default_value = "1", value_parser = workers)]
    pub(crate) workers: usize,

    /// Print each segment and each transition with its cause
    #[arg(long)]
    pub(crate) ladder: bool,

    /// Record what the stack does, in the format of the suffix: .trace, .jsonl, .pcapng, ..
    #[arg(long, value_name = "FILE", value_parser = trace_file)]
    pub(crate) trace: Option<PathBuf>,

    /// Watch it on a screen of its own, as `tun-demo top` does
    #[arg(long, conflicts_with = "ladder")]
    pub(crate) top: bool,

    /// Where `tun-demo netstat` and `top` may ask it: a path, a folder, or none [default: in /run/sockhop]
    #[arg(long, hide_short_help = true, value_name = "PATH")]
    pub(crate) control: Option<Control>,

    /// Seconds a client may take for greeting, login and request
    #[arg(long, hide_short_help = true, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub(crate) handshake_timeout: Duration,

    /// Seconds a target may take to answer
    #[arg(long, hide_short_help = true, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) connect_timeout: Duration,

    #[command(flatten)]
    pub(crate) service: Service,

    #[command(flatten)]
    pub(crate) locking: Locking,
}

/// The rules; the first that fits decides, those that deny before those that allow.
#[derive(Args, Debug)]
pub(crate) struct RuleFlags {
    /// Let nobody through to these; can be given several times
    #[arg(long, value_name = "[USER@]WHAT[:PORT[-PORT]]", value_parser = deny)]
    pub(crate) deny: Vec<Rule>,

    /// Let clients through to these, whatever is refused by default; comes after --deny
    #[arg(long, value_name = "RULE", value_parser = allow)]
    pub(crate) allow: Vec<Rule>,
}

impl RuleFlags {
    /// Returns the rules in the order in which they are tried.
    pub(crate) fn in_order(&self) -> Vec<Rule> {
        self.deny.iter().chain(&self.allow).cloned().collect()
    }
}

fn allow(text: &str) -> Result<Rule, String> {
    Rule::new(text, true)
}

fn deny(text: &str) -> Result<Rule, String> {
    Rule::new(text, false)
}

#[derive(Args, Debug)]
pub(crate) struct Passwd {
    /// The user's name
    #[arg(value_parser = name)]
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The address that would be connected to, with its port
    pub(crate) addr: SocketAddr,

    /// The user who asks
    #[arg(long, default_value = "")]
    pub(crate) user: String,

    /// The name that was asked for
    #[arg(long)]
    pub(crate) name: Option<String>,

    #[command(flatten)]
    pub(crate) rules: RuleFlags,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Net6 {
    None,
    Net(Ipv6Addr, u8),
}

#[derive(Args, Debug)]
pub(crate) struct Lab {
    /// The scenario; without one, socks5 is played
    #[arg(value_parser = scenarios())]
    pub(crate) scenario: Option<String>,

    /// List the scenarios
    #[arg(long)]
    pub(crate) list: bool,

    /// Draw every segment, folding nothing
    #[arg(long)]
    pub(crate) whole: bool,

    /// The seed of ports, sequence numbers and chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Write what both ends recorded: to x.a.jsonl and x.b.jsonl when given x.jsonl; the suffix says the format
    #[arg(long, value_name = "FILE", value_parser = trace_file)]
    pub(crate) trace: Option<PathBuf>,

    /// Write a page for a browser, with every picture of the connection
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Sim {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// How bad things get: mild, hostile, faults or wide
    #[arg(long, default_value = "hostile")]
    pub(crate) profile: Profile,

    /// Which ends have a guard
    #[arg(long, default_value = "both")]
    pub(crate) guard: Guarded,

    /// Play so many seeds and count, drawing none
    #[arg(long, value_name = "N", conflicts_with_all = ["shrink", "trace", "whole", "report"])]
    pub(crate) count: Option<u64>,

    /// Leave things out of a failing scenario for as long as it fails
    #[arg(long)]
    pub(crate) shrink: bool,

    /// Draw every segment, folding nothing
    #[arg(long)]
    pub(crate) whole: bool,

    /// Write what both ends recorded: to x.a.jsonl and x.b.jsonl when given x.jsonl; the suffix says the format
    #[arg(long, value_name = "FILE", value_parser = trace_file)]
    pub(crate) trace: Option<PathBuf>,

    /// Write a page for a browser, with every picture of the connection
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Guarded {
    /// Both ends
    Both,
    /// The end that opens the connection
    Opener,
    /// The end that listens
    Listener,
    /// No end
    None,
}

impl core::fmt::Display for Guarded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Both => "at both ends",
            Self::Opener => "at the opener",
            Self::Listener => "at the listener",
            Self::None => "none",
        })
    }
}

fn scenarios() -> PossibleValuesParser {
    let named = |scenario: Scenario| PossibleValue::new(scenario.name).help(scenario.title);
    Scenario::all().into_iter().map(named).collect::<Vec<_>>().into()
}

fn split<A: core::str::FromStr>(text: &str, most: u8) -> Result<(A, u8), String> {
    let (address, prefix) =
        text.split_once('/').ok_or(format!("{text:?} has no prefix length, as in 198.18.0.2/30"))?;
    let parsed = address.parse().map_err(|_| format!("{address:?} is no address"))?;
    let prefix = prefix.parse().ok().filter(|prefix| (1..most).contains(prefix));
    Ok((parsed, prefix.ok_or(format!("the prefix length of {text:?} is not between 1 and {}", most - 1))?))
}

pub(crate) fn cidr4(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let (ip, prefix) = split::<Ipv4Addr>(text, 31)?;
    host_of(IpAddr::V4(ip), prefix).map(|_| (ip, prefix))
}

fn cidr6(text: &str) -> Result<Net6, String> {
    if text == "none" {
        return Ok(Net6::None);
    }
    let (ip, prefix) = split::<Ipv6Addr>(text, 127)?;
    host_of(IpAddr::V6(ip), prefix).map(|_| Net6::Net(ip, prefix))
}

fn user(text: &str) -> Result<(String, String), String> {
    let (name, password) = text.split_once(':').ok_or("a user is given as NAME:PASS")?;
    let fits = |text: &str| (1..=255).contains(&text.len());
    if !fits(name) || !fits(password) {
        return Err("name and password take 1 to 255 octets each (RFC 1929)".to_owned());
    }
    Ok((name.to_owned(), password.to_owned()))
}

pub(crate) fn trace_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = Format::of(&path).is_some();
    known.then_some(path).ok_or(format!("{text:?} has no suffix that says a format: {}", Format::suffixes()))
}

fn listener(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no address with a port, as in 127.0.0.1:1080 or [::1]:1080"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{text:?} is no number above 0"))
}

fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=64).contains(workers));
    workers.ok_or(format!(
        "{text:?} is no number of threads from 1 to 64; more than there are cores help nobody"
    ))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.1..=1e6).contains(rate));
    rate.ok_or(format!("{text:?} is not between 0.1 and 1000000 sessions a second"))
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=255).contains(&text.len()) && !text.contains([':', '\n']) && text.trim() == text;
    if !fits || text.starts_with('#') {
        return Err("a name takes 1 to 255 octets (RFC 1929), without a colon or spaces around it".to_owned());
    }
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or(format!("{text:?} is not between 0.1 and 86400 seconds"))
}

/// Returns the host's address in the stack's subnet: the first one that is not the stack's.
pub(crate) fn host_of(stack: IpAddr, prefix: u8) -> Result<IpAddr, String> {
    let first = match stack {
        IpAddr::V4(ip) => {
            let net = ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            let host = if ip.to_bits() == net + 1 { net + 2 } else { net + 1 };
            let broadcast = net | u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            (ip.to_bits() != net && ip.to_bits() != broadcast).then(|| IpAddr::V4(Ipv4Addr::from_bits(host)))
        }
        IpAddr::V6(ip) => {
            let net = ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            let host = if ip.to_bits() == net + 1 { net + 2 } else { net + 1 };
            (ip.to_bits() != net).then(|| IpAddr::V6(Ipv6Addr::from_bits(host)))
        }
    };
    first.ok_or(format!("{stack}/{prefix} is the subnet itself or its broadcast address, not a host's"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_flags_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_bad_value_is_named() {
        for (text, said) in [
            ("198.18.0.2", "prefix"),
            ("1.2.3/30", "1.2.3"),
            ("1.2.3.4/33", "1.2.3.4/33"),
            ("198.18.0.0/30", "subnet"),
        ] {
            assert!(cidr4(text).unwrap_err().contains(said), "{text}");
        }
        for text in ["0", "65", "two", "-1"] {
            assert!(workers(text).unwrap_err().contains(&format!("{text:?}")));
        }
        assert_eq!((workers("1"), workers("64")), (Ok(1), Ok(64)));
        assert!(user("nobody").is_err() && user(":x").is_err());
        assert_eq!(user("a:b:c").unwrap(), ("a".to_owned(), "b:c".to_owned()));
    }

    #[test]
    fn the_host_takes_the_first_other_address() {
        let host = |text: &str, prefix| host_of(text.parse().unwrap(), prefix).unwrap().to_string();
        assert_eq!(host("198.18.0.2", 30), "198.18.0.1");
        assert_eq!(host("198.18.0.1", 30), "198.18.0.2");
        assert_eq!(host("fd00::2", 126), "fd00::1");
    }
}
