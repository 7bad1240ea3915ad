//! A file says what its events say, whatever the format, and a writer that falls behind says so.

use proptest::prelude::*;
use sockhop::tcp::{Marks, State};
use sockhop::time::Instant;
use sockhop::trace::{Event, Header, Sink, View};
use sockhop_hosted::lab::{Scenario, play};
use sockhop_hosted::report::{Format, Recording, Trace, read_octets};
use sockhop_tests::properties::corpus;
use sockhop_tests::traces::a_trace_is_written_as_it_was_read;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};

#[test]
fn raw_and_json_lines_are_read_back_as_they_were() {
    for (node, events) in runs() {
        let trace = Trace {
            header: Header::new(&node, 1_700_000_000_000_000_001, 65_535),
            events,
            ..Trace::default()
        };
        for format in [Format::Raw, Format::JsonLines] {
            assert_eq!(
                read_octets(&written(&trace, format)).unwrap(),
                core::slice::from_ref(&trace),
                "{node} {format:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_event_is_read_back_from_json_lines(octets in prop::collection::vec(any::<[u8; 32]>(), 1..20)) {
        let events = octets.iter().map(Event::decode).collect();
        let trace = Trace { header: Header::new("any \"node\"", 5, 7), events, ..Trace::default() };
        let read = read_octets(&written(&trace, Format::JsonLines)).unwrap().swap_remove(0);
        let meaning = |trace: &Trace| trace.events.iter().map(|event| (event.serial(), event.flow(), event.time(), event.view())).collect::<Vec<_>>();
        prop_assert_eq!(meaning(&read), meaning(&trace));
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        a_trace_is_written_as_it_was_read(&octets);
    }
}

#[test]
fn the_committed_corpus_is_written_as_it_was_read() {
    corpus("trace_read").iter().for_each(|input| a_trace_is_written_as_it_was_read(input));
}

#[test]
fn a_log_of_a_device_is_read_by_its_marks() {
    let (_, events) = runs().swap_remove(0);
    let mut log = String::from("0.001 INFO up\n");
    for event in &events {
        log += &format!("0.002 TRACE ~ev {:?}\n└─ sockhop::trace\n", event.encode());
    }
    assert_eq!(read_octets(log.as_bytes()).unwrap()[0].events, events);
}

#[test]
fn states_concluded_from_our_own_capture_are_those_that_were_recorded() {
    // A capture of one end does not say who is who where both open, nor whose a reset of nobody's is.
    let odd = ["refused", "reset", "time-wait", "roles", "udp-server"];
    for (node, events) in runs().into_iter().filter(|(node, _)| !odd.iter().any(|odd| node.starts_with(odd)))
    {
        let trace = Trace { header: Header::new(&node, 0, 0), events, ..Trace::default() };
        let read = read_octets(&written(&trace, Format::Pcapng)).unwrap();
        let own = usize::from(node.ends_with(" B") || node.ends_with("listener"));
        // 2MSL passes without a segment, so a capture does not show it.
        let states = |trace: &Trace| {
            let states = trace.events.iter().filter_map(|event| match event.view()? {
                View::State { from, to, .. } => Some((event.flow(), from, to)),
                _ => None,
            });
            states.filter(|(_, from, _)| *from != State::TimeWait).collect::<Vec<_>>()
        };
        assert_eq!(states(&read[own]), states(&trace), "{node}");
    }
}

#[test]
fn a_writer_that_is_behind_loses_events_and_the_file_says_how_many_and_where() {
    let (release, gate) = channel();
    let (octets, file) = channel();
    let gated = Gated { gate, octets };
    let (recording, mut spool) = Recording::to(gated, Format::Raw, Header::new("slow", 0, 0));
    let recording = recording.start();
    let event =
        |serial| Event::of(View::Lost { events: 0 }).at(serial, 1, Instant::from_micros(serial.into()));
    for serial in 0..200_000 {
        spool.record(&event(serial));
        spool.offer();
    }
    assert!(spool.lost() > 0, "the queue is bounded");
    drop(release);
    let lost = spool.lost();
    assert_eq!(recording.finish(spool).unwrap().1, lost);
    let octets: Vec<u8> = file.iter().flatten().collect();
    let trace = read_octets(&octets).unwrap().swap_remove(0);
    let told: u64 = trace
        .events
        .iter()
        .filter(|event| event.flow() == 0)
        .map(|event| match event.view() {
            Some(View::Lost { events }) => u64::from(events),
            other => panic!("{other:?}"),
        })
        .sum();
    let kept = trace.events.iter().filter(|event| event.flow() == 1).count() as u64;
    assert_eq!((told, kept + told), (lost, 200_000));
    assert_eq!(trace.lost(), lost);
}

#[test]
fn every_mark_has_its_name_in_a_capture() {
    let (_, events) = runs().swap_remove(5);
    let trace = Trace { events, ..Trace::default() };
    let text = String::from_utf8_lossy(&written(&trace, Format::Pcapng)).into_owned();
    let marked = trace.events.iter().filter_map(|event| match event.view() {
        Some(View::Segment { marks, .. }) if marks != Marks(0) => Some(marks.to_string()),
        _ => None,
    });
    for marks in marked {
        assert!(text.contains(&format!("| {marks}")), "{marks}");
    }
}

/// A file that takes nothing until it is released.
struct Gated {
    gate: Receiver<()>,
    octets: std::sync::mpsc::Sender<Vec<u8>>,
}

impl Write for Gated {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // The gate opens for good when its other half is gone.
        let _ = self.gate.recv();
        let _ = self.octets.send(octets.to_vec());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What both ends of every scenario recorded.
fn runs() -> Vec<(String, Vec<Event>)> {
    let played = Scenario::all().into_iter().flat_map(|scenario| {
        let outcome = play(&scenario, 1).expect("every scenario starts");
        [(format!("{} A", scenario.name), outcome.a), (format!("{} B", scenario.name), outcome.b)]
    });
    played.collect()
}

fn written(trace: &Trace, format: Format) -> Vec<u8> {
    let mut octets = Vec::new();
    format.write(trace, &mut octets).expect("memory takes everything");
    octets
}
