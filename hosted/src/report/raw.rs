//! Events as they are: a header, then 32 octets for each.

use super::{Trace, Unreadable, Writer};
use sockhop::trace::{Event, Header, NoHeader};
use std::io::{self, Write};

/// Writes events as they are.
pub(super) struct Raw;

impl Writer for Raw {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&event.encode())
    }
}

/// Reads a file of events; what is left of the last one, if it was cut, is remarked upon.
pub(super) fn read(octets: &[u8]) -> Result<Trace, Unreadable> {
    let Some((head, rest)) = octets.split_first_chunk::<{ Header::LENGTH }>() else {
        return Err(Unreadable::Cut { after: octets.len() });
    };
    let header = Header::decode(head).map_err(|error| match error {
        NoHeader::Magic => Unreadable::NoTrace,
        NoHeader::Version(version) => Unreadable::Version(version),
    })?;
    let (frames, left) = rest.as_chunks::<32>();
    let events = frames.iter().map(Event::decode).collect();
    let remark =
        (!left.is_empty()).then(|| format!("the file ends within an event: {} of 32 octets", left.len()));
    Ok(Trace { header, events, inferred: false, remark })
}

/// Reads the events in the printed log of a device: `~ev` and 32 numbers, on any line.
pub(super) fn read_log(text: &str) -> Result<Trace, Unreadable> {
    let mut events = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((_, list)) = line.split_once("~ev [") else { continue };
        let wrong =
            || Unreadable::Line { number: at + 1, why: "`~ev` without 32 numbers of an octet".into() };
        let (list, _) = list.split_once(']').ok_or_else(wrong)?;
        let octets: Result<Vec<u8>, _> = list.split(',').map(|number| number.trim().parse()).collect();
        let octets: [u8; 32] = octets.ok().and_then(|octets| octets.try_into().ok()).ok_or_else(wrong)?;
        events.push(Event::decode(&octets));
    }
    Ok(Trace { header: Header::new("device", 0, 0), events, ..Trace::default() })
}
