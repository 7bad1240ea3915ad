//! What holds for every file that may be a trace.

use core::time::Duration;
use sockhop::trace::{Event, View};
use sockhop_hosted::ladder::{Style, draw_one};
use sockhop_hosted::report::{Format, Trace, check, read_octets};

/// Octets are refused with a reason, or read; and what was read is written so that it is read as the same again.
///
/// # Panics
/// It is not so.
pub fn a_trace_is_written_as_it_was_read(input: &[u8]) {
    let traces = match read_octets(input) {
        Ok(traces) => traces,
        Err(error) => return assert!(!error.to_string().is_empty(), "{error:?} has nothing to say"),
    };
    for trace in traces {
        let again = Trace { remark: None, inferred: false, ..trace };
        assert_eq!(read_octets(&written(&again, Format::Raw)).ok().as_deref(), Some(&[again.clone()][..]));
        let lines = written(&again, Format::JsonLines);
        let read = read_octets(&lines).unwrap_or_else(|error| panic!("JSON Lines: {error}"));
        assert!(read[0].events.iter().map(meaning).eq(again.events.iter().map(meaning)), "JSON Lines differ");
        let segments = again.events.iter().any(|event| matches!(event.view(), Some(View::Segment { .. })));
        let capture = read_octets(&written(&again, Format::Pcapng));
        assert!(!segments || capture.is_ok(), "{capture:?}");
        for accusation in check(&again, Duration::from_secs(60)) {
            let serial = accusation.violation.serial;
            assert!(again.events.iter().any(|event| event.serial() == serial), "{accusation} accuses nobody");
        }
        for flow in again.flows().into_keys().take(4) {
            assert!(draw_one(("A", "B"), &again.events, flow, Style::default()).contains("time"));
        }
        for format in [Format::Text, Format::SeqLog, Format::Mermaid] {
            assert!(core::str::from_utf8(&written(&again, format)).is_ok(), "{format:?} is text");
        }
    }
}

/// Returns what two events have in common that say the same.
fn meaning(event: &Event) -> (u32, u32, u64, Option<View>) {
    (event.serial(), event.flow(), event.time().micros(), event.view())
}

fn written(trace: &Trace, format: Format) -> Vec<u8> {
    let mut octets = Vec::new();
    format.write(trace, &mut octets).unwrap_or_else(|error| panic!("memory takes everything: {error}"));
    octets
}
