//! A file, whatever trace it is.

use super::{Trace, capture, infer, jsonl, raw};
use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The longest file that is read: 16 million events of 32 octets.
const LONGEST: u64 = 512 << 20;

/// Why a file cannot be read as a trace.
#[derive(Debug)]
pub enum Unreadable {
    /// The host's reason.
    Host(io::Error),
    /// It is a pipe, a folder or a device.
    NoFile(&'static str),
    /// There is nothing in it.
    Empty,
    /// It is longer than is read; its octets.
    TooLong(u64),
    /// It begins as no trace does.
    NoTrace,
    /// It was written to be looked at, and says less than a trace.
    OneWay(&'static str),
    /// It is of another version.
    Version(u16),
    /// It ends within its header.
    Cut {
        /// The octets that are there.
        after: usize,
    },
    /// A line cannot be understood.
    Line {
        /// Its number, from 1.
        number: usize,
        /// Why.
        why: String,
    },
    /// A capture of a link that is not known here.
    Link,
    /// A capture without TCP.
    NoSegments {
        /// The packets in it.
        packets: usize,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => error.fmt(f),
            Self::NoFile(what) => write!(f, "is {what}; a trace is read from a file, so save it to one first"),
            Self::Empty => f.write_str("is empty; the program that writes it may not have begun, or not ended"),
            Self::TooLong(octets) => {
                let (long, most) = (octets >> 20, LONGEST >> 20);
                write!(f, "has {long} MiB, and at most {most} are read; editcap -c cuts a capture into pieces")
            }
            Self::NoTrace => f.write_str(
                "is no trace; what --trace writes as .trace, .jsonl or .pcapng can be read, and any pcap or pcapng",
            ),
            Self::OneWay(what) => {
                write!(f, "is {what}, which is written to be looked at; record .trace or .jsonl to read it again")
            }
            Self::Version(version) => write!(
                f,
                "is a trace of version {version}, and this program reads version 1; use the one that wrote it"
            ),
            Self::Cut { after } => {
                write!(f, "ends within its header, after {after} octets; it was cut, or is still being written")
            }
            Self::Line { number, why } => {
                write!(f, "line {number}: {why}; `head -n {}` keeps what is before it", number - 1)
            }
            Self::Link => f.write_str(
                "is a capture of a link that is not known here; capture on an interface with Ethernet or plain IP",
            ),
            Self::NoSegments { packets } => {
                write!(f, "is a capture of {packets} packets, none of them a whole TCP segment over IP")
            }
        }
    }
}

impl core::error::Error for Unreadable {}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Host(error)
    }
}

/// Reads a file: the trace of one end, or of a capture what both ends did, the opener's side first.
///
/// # Errors
/// [`Unreadable`], which says what to do.
pub fn read(path: &Path) -> Result<Vec<Trace>, Unreadable> {
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return Err(Unreadable::NoFile("a folder"));
    }
    if !kind.is_file() {
        return Err(Unreadable::NoFile("a pipe or a device"));
    }
    if kind.len() > LONGEST {
        return Err(Unreadable::TooLong(kind.len()));
    }
    let mut octets = Vec::new();
    // It may grow while it is read.
    File::open(path)?.take(LONGEST).read_to_end(&mut octets)?;
    read_octets(&octets)
}

/// Reads the octets of a file.
///
/// # Errors
/// [`Unreadable`], which says what to do.
pub fn read_octets(octets: &[u8]) -> Result<Vec<Trace>, Unreadable> {
    match octets {
        [] => Err(Unreadable::Empty),
        [b's', b'o', b'c', b'k', ..] => raw::read(octets).map(|trace| vec![trace]),
        [0x1e, ..] => Err(Unreadable::OneWay("a .sqlog")),
        _ if capture::is_capture(octets) => Ok(infer::infer(&capture::read(octets)?)?.into()),
        _ => {
            let text = core::str::from_utf8(octets).map_err(|_| Unreadable::NoTrace)?;
            if text.trim_start().starts_with('{') {
                jsonl::read(text).map(|trace| vec![trace])
            } else if text.contains("~ev [") {
                raw::read_log(text).map(|trace| vec![trace])
            } else if text.starts_with("sequenceDiagram") {
                Err(Unreadable::OneWay("a Mermaid diagram"))
            } else if text.contains(" #1 ") && text.contains('│') {
                Err(Unreadable::OneWay("a ladder in words"))
            } else {
                Err(Unreadable::NoTrace)
            }
        }
    }
}
