//! Each rule is broken by a good trace in which one thing was changed, and by that name.

use core::time::Duration;
use sockhop::tcp::{Cause, Flags, Law, State};
use sockhop::trace::{Event, View};
use sockhop_hosted::lab::{Scenario, play};
use sockhop_hosted::report::{Trace, check};

#[test]
fn a_good_trace_breaks_none() {
    for scenario in Scenario::all() {
        let outcome = play(&scenario, 1).unwrap();
        for events in [outcome.a, outcome.b] {
            assert_eq!(broken(events), [], "{}", scenario.name);
        }
    }
}

#[test]
fn two_states_swapped_break_edge() {
    let mut events = client();
    let (first, second) = (state(&events, State::CloseWait), state(&events, State::LastAck));
    let (a, b) = (events[first].view().unwrap(), events[second].view().unwrap());
    events[first] = again(&events[first], b);
    events[second] = again(&events[second], a);
    assert_breaks(events, Law::Edge);
}

#[test]
fn a_fin_that_was_not_sent_breaks_fin_acked() {
    let mut events = client();
    events.retain(|event| !is_segment(event, true, Flags::FIN));
    assert_breaks(events, Law::FinAcked);
}

#[test]
fn a_fin_that_did_not_come_breaks_fin_taken() {
    let mut events = client();
    events.retain(|event| !is_segment(event, false, Flags::FIN));
    assert_breaks(events, Law::FinTaken);
}

#[test]
fn a_syn_sent_again_elsewhere_breaks_same_number() {
    let mut events = client();
    let syn = segment(&events, true, Flags::SYN);
    let mut again = events[syn];
    change(&mut again, |view| {
        if let View::Segment { seq, .. } = view {
            *seq = *seq + 5;
        }
    });
    events.insert(syn + 1, again);
    assert_breaks(events, Law::SameNumber);
}

#[test]
fn a_fin_with_the_number_of_the_syn_breaks_fin_after_syn() {
    let mut events = client();
    let syn = segment(&events, true, Flags::SYN);
    let Some(View::Segment { seq: iss, .. }) = events[syn].view() else { unreachable!() };
    let fin = segment(&events, true, Flags::FIN);
    change(&mut events[fin], |view| {
        if let View::Segment { seq, len, .. } = view {
            (*seq, *len) = (iss, 0);
        }
    });
    assert_breaks(events, Law::FinAfterSyn);
}

#[test]
fn an_octet_behind_the_fin_breaks_nothing_after_fin() {
    let mut events = client();
    let fin = segment(&events, true, Flags::FIN);
    let mut more = events[fin];
    change(&mut more, |view| {
        if let View::Segment { seq, len, flags, .. } = view {
            (*seq, *len, *flags) = (*seq + u32::from(*len) + 1, 10, Flags::ACK);
        }
    });
    events.insert(fin + 1, more);
    assert_breaks(events, Law::NothingAfterFin);
}

#[test]
fn a_sequence_shifted_beyond_the_window_breaks_within_window() {
    let mut events = client();
    let data = events
        .iter()
        .position(|event| matches!(event.view(), Some(View::Segment { sent: true, len: 1460, .. })));
    change(&mut events[data.unwrap()], |view| {
        if let View::Segment { seq, .. } = view {
            *seq = *seq + 80_000;
        }
    });
    assert_breaks(events, Law::WithinWindow);
}

#[test]
fn a_window_that_shrinks_breaks_edge_kept() {
    let mut events = client();
    let ack = events.iter().rposition(|event| is_segment(event, true, Flags::ACK)).unwrap();
    change(&mut events[ack], |view| {
        if let View::Segment { window, .. } = view {
            *window /= 2;
        }
    });
    assert_breaks(events, Law::EdgeKept);
}

#[test]
fn an_acknowledgment_of_what_has_not_come_breaks_ack_arrived() {
    let mut events = client();
    let ack = events.iter().position(|event| is_segment(event, true, Flags::ACK)).unwrap();
    change(&mut events[ack], |view| {
        if let View::Segment { ack, .. } = view {
            *ack = *ack + 1;
        }
    });
    assert_breaks(events, Law::AckArrived);
}

#[test]
fn a_time_wait_that_ends_early_breaks_two_msl() {
    let mut events = play(&Scenario::named("socks5").unwrap(), 1).unwrap().b;
    let end = events
        .iter()
        .position(|event| matches!(event.view(), Some(View::State { cause: Cause::TwoMsl, .. })))
        .unwrap();
    let wait = state(&events, State::TimeWait);
    let now = events[wait].time() + Duration::from_secs(59);
    let view = events[end].view().unwrap();
    events[end] = Event::of(view).at(events[end].serial(), events[end].flow(), now);
    assert_breaks(events, Law::TwoMsl);
}

#[test]
fn each_rule_has_a_test_here() {
    let source = include_str!("laws.rs");
    for law in Law::ALL {
        assert!(source.contains(&format!("assert_breaks(events, Law::{law:?});")), "{law:?}");
    }
}

/// What the client of a SOCKS5 connection recorded: the peer closes first.
fn client() -> Vec<Event> {
    let scenario = Scenario::named("socks5").expect("it is there");
    play(&scenario, 1).expect("every scenario starts").a
}

fn broken(events: Vec<Event>) -> Vec<Law> {
    let trace = Trace { events, ..Trace::default() };
    check(&trace, Duration::from_secs(60)).iter().map(|accusation| accusation.violation.law).collect()
}

/// Asserts that the first rule broken is this one; what follows from it may break others.
#[track_caller]
fn assert_breaks(events: Vec<Event>, law: Law) {
    assert_eq!(broken(events).first(), Some(&law));
}

fn again(event: &Event, view: View) -> Event {
    Event::of(view).at(event.serial(), event.flow(), event.time())
}

fn change(event: &mut Event, how: impl FnOnce(&mut View)) {
    let mut view = event.view().expect("it is of a known kind");
    how(&mut view);
    *event = again(event, view);
}

fn state(events: &[Event], wanted: State) -> usize {
    events
        .iter()
        .position(|event| matches!(event.view(), Some(View::State { to, .. }) if to == wanted))
        .expect("it is in the trace")
}

fn is_segment(event: &Event, was_sent: bool, wanted: Flags) -> bool {
    matches!(event.view(), Some(View::Segment { sent, flags, .. }) if sent == was_sent && flags.contains(wanted))
}

fn segment(events: &[Event], sent: bool, flags: Flags) -> usize {
    events.iter().position(|event| is_segment(event, sent, flags)).expect("it is in the trace")
}
