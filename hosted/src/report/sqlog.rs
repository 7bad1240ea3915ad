//! A sequence of JSON texts (RFC 7464) with the outer form of qlog and names of our own for TCP.

use super::Writer;
use serde_json::{Value, json};
use sockhop::tcp::{EDGES, State};
use sockhop::trace::{App, Event, Header, View};
use std::io::{self, Write};

/// The octet that begins each text.
const RECORD: u8 = 0x1e;
/// What names mean.
const SCHEMA: &str = "urn:sockhop:events:tcp-1";

/// Writes texts.
pub(super) struct Sequence;

impl Sequence {
    pub(super) fn begin(header: &Header, out: &mut dyn Write) -> io::Result<Self> {
        let head = json!({
            "file_schema": "urn:ietf:params:qlog:file:sequential",
            "serialization_format": "application/qlog+json-seq",
            "title": "sockhop",
            "trace": {
                "common_fields": { "time_format": "relative_to_epoch", "reference_time": header.unix / 1_000_000 },
                "vantage_point": { "name": header.node(), "type": "unknown" },
                "event_schemas": [SCHEMA],
            },
        });
        text(&head, out)?;
        Ok(Self)
    }
}

impl Writer for Sequence {
    fn event(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let Some((name, data)) = event.view().and_then(said) else { return Ok(()) };
        let micros = event.time().micros();
        // Whole microseconds as milliseconds are exact in JSON only as text; they are shorter as a number.
        let time = micros as f64 / 1_000.0;
        text(&json!({ "time": time, "name": name, "group_id": event.flow().to_string(), "data": data }), out)
    }
}

fn text(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[RECORD])?;
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn snake(state: State) -> String {
    state.name().to_ascii_lowercase().replace('-', "_")
}

/// Returns the name of an event and what it says; `None` for what explains others.
#[expect(clippy::too_many_lines, reason = "one arm for each kind")]
fn said(view: View) -> Option<(&'static str, Value)> {
    Some(match view {
        View::Opened { active, ports, addresses } => (
            "tcp:connection_started",
            json!({
                "role": if active { "opener" } else { "listener" },
                "local": addresses.map(|(local, _)| local.to_string()),
                "remote": addresses.map(|(_, remote)| remote.to_string()),
                "local_port": ports.0, "remote_port": ports.1,
            }),
        ),
        View::Segment { sent, flags, seq, ack, len, window, marks, .. } => (
            if sent { "tcp:segment_sent" } else { "tcp:segment_received" },
            json!({
                "flags": flags.to_string(), "seq": seq.0, "ack": ack.0, "length": len, "window": window,
                "marks": marks.to_string(),
            }),
        ),
        View::State { from, cause, to, .. } => {
            let edge = EDGES.iter().find(|edge| (edge.from, edge.cause, edge.to) == (from, cause, to));
            (
                "tcp:connection_state_updated",
                json!({
                    "old": snake(from), "new": snake(to), "trigger": cause.name(),
                    "rule": edge.map(|edge| edge.section), "legal": edge.is_some(),
                }),
            )
        }
        View::Timer { timer, tick, due, .. } => (
            "tcp:timer_updated",
            json!({ "timer": timer.name(), "event_type": tick.name(), "due": due.micros() / 1_000 }),
        ),
        View::Blocked { on, why, waiting, micros } => (
            "tcp:data_blocked_updated",
            json!({ "new": if on { "blocked" } else { "unblocked" }, "reason": why.name(), "length": waiting, "after_us": micros }),
        ),
        View::Call { call, asked, done } => {
            ("tcp:called", json!({ "call": call.name(), "asked": asked, "done": done }))
        }
        View::Guarded { rule, outward, .. } => {
            ("tcp:guarded", json!({ "rule": rule.to_string(), "outward": outward }))
        }
        View::Dropped { why, seq, len } => {
            ("tcp:segment_dropped", json!({ "why": why, "seq": seq.0, "length": len }))
        }
        View::App { machine, states: (old, new), reply } => {
            let app = App::from_u8(machine);
            let named = |state: u8| {
                let mut text = String::new();
                app.and_then(|app| app.write_state(state, &mut text).ok()).map(|()| text)
            };
            let machine = app.map_or_else(|| machine.to_string(), |app| app.to_string());
            (
                "app:state_updated",
                json!({ "machine": machine, "old": named(old), "new": named(new), "reply": reply }),
            )
        }
        View::Transfer { sending, done, total, .. } => {
            ("xfer:state_updated", json!({ "sending": sending, "done": done, "total": total }))
        }
        View::Datagram { sent, ports, len, .. } => (
            if sent { "udp:datagram_sent" } else { "udp:datagram_received" },
            json!({ "local_port": ports.0, "remote_port": ports.1, "length": len }),
        ),
        View::Verdict { law, accused, .. } => {
            ("tcp:rule_broken", json!({ "law": law.to_string(), "section": law.section(), "event": accused }))
        }
        View::Lost { events } => ("recording:events_lost", json!({ "count": events })),
        View::Ended { received, sent } => {
            ("tcp:connection_closed", json!({ "received": received, "sent": sent }))
        }
        _ => return None,
    })
}
