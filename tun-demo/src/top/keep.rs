//! What was followed of a connection, kept as a file: events for `tun-demo trace`, or a page for a browser.

use super::model::Model;
use sockhop::trace::{Event, Header};
use sockhop_hosted::report::html::{End, page};
use sockhop_hosted::report::{Format, Trace};
use std::fs::File;
use std::io::{self, Write};

/// Writes the events of the chosen connection, and returns what is said of it.
pub(super) fn trace(model: &Model) -> String {
    keep(model, "trace", |header, events, out| {
        Format::Raw.write(&Trace { header, events, ..Trace::default() }, out)
    })
}

/// Writes the page of the chosen connection, and returns what is said of it.
pub(super) fn report(model: &Model) -> String {
    keep(model, "html", |header, events, out| {
        let title = format!("{} as it was watched", header.node());
        out.write_all(page(&title, &[End { name: header.node(), events: &events }]).as_bytes())
    })
}

fn keep(
    model: &Model,
    suffix: &str,
    write: impl FnOnce(Header, Vec<Event>, &mut File) -> io::Result<()>,
) -> String {
    let followed = model.chosen.and_then(|flow| Some((flow, model.followed.of(flow)?)));
    let Some((flow, tape)) = followed.filter(|(_, tape)| !tape.events.is_empty()) else {
        return "nothing of this connection was followed yet: let something happen on it".to_owned();
    };
    let path = format!("flow-{flow}.{suffix}");
    let header = Header::new(&model.snapshot.node.name, 0, 0);
    let events: Vec<Event> = tape.events.iter().copied().collect();
    let count = events.len();
    match File::create(&path).and_then(|mut file| write(header, events, &mut file)) {
        Ok(()) => format!("{count} events are in {path}"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && model.inside => {
            format!(
                "{path} could not be written, as the proxy is locked in: watch it by `tun-demo top` instead"
            )
        }
        Err(error) => format!("{path} could not be written: {error}"),
    }
}
