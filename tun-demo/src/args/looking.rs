//! The flags of what looks at TCP: a running proxy, traces and the states.

use super::{seconds, trace_file};
use clap::{Args, Subcommand};
use core::time::Duration;
use std::path::PathBuf;

/// Where a process is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Nowhere.
    None,
    /// At this path, or in this folder.
    At(PathBuf),
}

impl core::str::FromStr for Control {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "none" { Self::None } else { Self::At(PathBuf::from(text)) })
    }
}

/// Which process is asked.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The process: the name of its TUN device, or its number [default: the only one]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) process: Option<String>,

    /// The socket to ask at, or a folder of sockets
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Netstat {
    #[command(flatten)]
    pub(crate) which: Which,

    /// Print a line of JSON, with more than the table has
    #[arg(long)]
    pub(crate) json: bool,

    /// Print it again and again, so many seconds apart
    #[arg(long, short, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = seconds)]
    pub(crate) watch: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) which: Which,
}
#[derive(Debug, Subcommand)]
pub(crate) enum Trace {
    /// Draw the connections of a trace; with the traces of both ends, both on one time line
    #[command(after_help = "Examples:
  tun-demo trace show x.jsonl                 what one end saw
  tun-demo trace show x.a.jsonl x.b.jsonl     both ends, with what was lost between them
  tun-demo trace show --flow 3 --whole x.jsonl
  tun-demo trace show capture.pcapng          both ends, concluded from a capture")]
    Show(TraceShow),
    /// Hold a trace against RFC 9293; the exit code is 1 when a rule is broken
    #[command(after_help = "Examples:
  tun-demo trace check x.jsonl
  tun-demo trace check x.a.jsonl x.b.jsonl
  tcpdump -w c.pcap tcp; tun-demo trace check c.pcap")]
    Check(TraceCheck),
    /// Write the packets of a trace for Wireshark, each with what it meant
    #[command(after_help = "Examples:
  tun-demo trace pcapng x.jsonl -o x.pcapng && wireshark x.pcapng
  tshark -r x.pcapng -Y 'frame.comment contains \"FIN-WAIT-2\"'")]
    Pcapng(TraceConvert),
    /// Write a trace in another format, as the suffix says
    #[command(after_help = "Examples:
  tun-demo trace convert x.trace -o x.jsonl
  tun-demo trace convert x.jsonl -o x.sqlog
  tun-demo trace convert x.jsonl -o x.mmd")]
    Convert(TraceConvert),
    /// Draw the connections of a trace as a page for a browser, which needs nothing else
    #[command(after_help = "Examples:
  tun-demo trace report x.a.jsonl x.b.jsonl -o x.html
  tun-demo trace report capture.pcapng -o x.html")]
    Report(TraceReport),
}

#[derive(Args, Debug)]
pub(crate) struct TraceReport {
    /// The trace of one end, or a capture
    pub(crate) file: PathBuf,

    /// The trace of the other end
    pub(crate) other: Option<PathBuf>,

    /// Where to
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct TraceShow {
    /// The trace of one end, or a capture
    pub(crate) file: PathBuf,

    /// The trace of the other end
    pub(crate) other: Option<PathBuf>,

    /// Draw only this connection, by its number in the first file
    #[arg(long, value_name = "N")]
    pub(crate) flow: Option<u32>,

    /// Draw every segment, folding nothing
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TraceCheck {
    /// Traces or captures
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// The shortest TIME-WAIT that passes, in seconds; where states are concluded from a capture none is looked at
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) two_msl: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct TraceConvert {
    /// A trace, or a capture
    pub(crate) file: PathBuf,

    /// Where to; of a capture both ends are written, to x.a.jsonl and x.b.jsonl when given x.jsonl
    #[arg(short, long, value_name = "FILE", value_parser = trace_file)]
    pub(crate) output: PathBuf,
}
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct States {
    /// Draw the diagram of RFC 9293, figure 5
    #[arg(long)]
    pub(crate) diagram: bool,

    /// Print every edge as a graph for Graphviz
    #[arg(long)]
    pub(crate) dot: bool,

    /// Print every edge as a state diagram for Mermaid
    #[arg(long)]
    pub(crate) mermaid: bool,
}
