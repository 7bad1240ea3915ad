//! Traces as files: what one end recorded, written as it happens and read back.
//!
//! ```text
//! events ─► Recording ─► queue ─► a thread ─► Writer ─► FILE         raw, .jsonl, .pcapng, .txt, .sqlog, .mmd
//!                                             FILE ─► read ─► Trace  raw, .jsonl, logs of defmt, pcap, pcapng
//! ```
//!
//! A file holds what one end recorded, since two ends in one file look like one that repeats itself. Packets are made
//! anew from their events: an event says all that a TCP header does, so a device that keeps 32 octets a packet can be
//! looked at in Wireshark, and the engine copies no payload for a trace that nobody may ever open.
//!
//! ```
//! use core::time::Duration;
//! use sockhop::trace::Header;
//! use sockhop_hosted::lab::{Scenario, play};
//! use sockhop_hosted::report::{Format, Trace, check, read_octets};
//!
//! let outcome = play(&Scenario::named("close").expect("it is in the course"), 1).expect("it begins");
//! let trace = Trace { header: Header::new("a", 0, 0), events: outcome.a, ..Trace::default() };
//! let mut file = Vec::new();
//! Format::JsonLines.write(&trace, &mut file).expect("there is room");
//!
//! let again = read_octets(&file).expect("it is our own").remove(0);
//! assert_eq!(again.events, trace.events);
//! assert!(check(&again, Duration::from_secs(60)).is_empty(), "every transition is RFC 9293's");
//! ```

mod capture;
mod check;
pub mod html;
mod infer;
mod jsonl;
mod lines;
mod merge;
mod mermaid;
mod packet;
mod pcapng;
mod raw;
mod read;
mod recording;
mod sqlog;

pub use check::{Accusation, check};
pub use merge::{Merge, Reach};
pub use mermaid::diagram;
pub use read::{Unreadable, read, read_octets};
pub use recording::{Recording, Spool, Unstarted};

use core::net::SocketAddr;
use sockhop::trace::{Event, Flow, Header, View};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// What one end recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Who recorded it, and when its clock began.
    pub header: Header,
    /// Its events, oldest first.
    pub events: Vec<Event>,
    /// Whether states were concluded from segments, and not told by the end itself.
    pub inferred: bool,
    /// What is missing or odd about the file, as a sentence.
    pub remark: Option<String>,
}

impl Trace {
    /// Returns how many events were lost, as the trace itself says.
    pub fn lost(&self) -> u64 {
        let lost = self.events.iter().filter_map(|event| match event.view() {
            Some(View::Lost { events }) => Some(u64::from(events)),
            _ => None,
        });
        lost.sum()
    }

    /// Returns every connection with what its events tell of it at the end, in the order of their numbers.
    pub fn flows(&self) -> BTreeMap<u32, Flow> {
        let mut flows: BTreeMap<u32, Flow> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.flow() != 0) {
            flows.entry(event.flow()).or_default().see(event);
        }
        flows
    }
}

/// Returns the two ends of a connection: ours, then the peer's.
pub fn ends(flow: &Flow) -> (SocketAddr, SocketAddr) {
    let at = |(ip, port)| SocketAddr::new(ip, port);
    (at(flow.local()), at(flow.remote()))
}

/// How a trace stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A header and 32 octets for each event.
    Raw,
    /// A JSON object on each line.
    JsonLines,
    /// Packets with comments, for Wireshark.
    Pcapng,
    /// A line for each event, for people.
    Text,
    /// A sequence of JSON texts like qlog's (RFC 7464).
    SeqLog,
    /// A sequence diagram in Mermaid's language, for small traces.
    Mermaid,
}

impl Format {
    /// Every format with the suffix that stands for it.
    pub const SUFFIXES: [(&'static str, Self); 6] = [
        ("trace", Self::Raw),
        ("jsonl", Self::JsonLines),
        ("pcapng", Self::Pcapng),
        ("txt", Self::Text),
        ("sqlog", Self::SeqLog),
        ("mmd", Self::Mermaid),
    ];

    /// Returns the format that the suffix of a file's name stands for.
    pub fn of(path: &Path) -> Option<Self> {
        let suffix = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, format)| *format)
    }

    /// Returns the suffixes as a sentence has them.
    pub fn suffixes() -> String {
        let dotted: Vec<String> = Self::SUFFIXES.iter().map(|(suffix, _)| format!(".{suffix}")).collect();
        dotted.join(", ")
    }

    /// Writes what stands before the first event, and returns what writes the events.
    ///
    /// # Errors
    /// The file's.
    pub fn begin(self, header: &Header, out: &mut dyn Write) -> io::Result<Box<dyn Writer>> {
        Ok(match self {
            Self::Raw => {
                out.write_all(&header.encode())?;
                Box::new(raw::Raw)
            }
            Self::JsonLines => Box::new(jsonl::Lines::begin(header, out)?),
            Self::Pcapng => Box::new(pcapng::Packets::begin(header, out)?),
            Self::Text => Box::new(lines::Lines::default()),
            Self::SeqLog => Box::new(sqlog::Sequence::begin(header, out)?),
            Self::Mermaid => Box::new(mermaid::Collector::new(header)),
        })
    }

    /// Writes a whole trace.
    ///
    /// # Errors
    /// The file's.
    pub fn write(self, trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = self.begin(&trace.header, out)?;
        for event in &trace.events {
            writer.event(event, out)?;
        }
        writer.end(out)?;
        out.flush()
    }
}

/// Writes events in some format, one after the other.
pub trait Writer {
    /// Writes one event.
    ///
    /// # Errors
    /// The file's.
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()>;

    /// Writes what could not be written before the last event had come.
    ///
    /// # Errors
    /// The file's.
    fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
