//! The lab's scenarios on the virtual clock.

use sockhop::tcp::{EDGES, State};
use sockhop::trace::{Event, View};
use sockhop_hosted::lab::{Scenario, play};
use std::collections::HashSet;

fn path(events: &[Event]) -> Vec<State> {
    let to = |event: &Event| match event.view() {
        Some(View::State { to, .. }) => Some(to),
        _ => None,
    };
    events.iter().filter_map(to).collect()
}

#[test]
fn every_scenario_ends_complete_with_every_seed_tried() {
    for scenario in Scenario::all() {
        for seed in 1..=20 {
            let outcome = play(&scenario, seed).expect("a scenario starts");
            assert!(outcome.complete, "{} with seed {seed}: {outcome:?}", scenario.name);
            assert!(outcome.report.is_some(), "{} is reported", scenario.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for scenario in Scenario::all() {
        let (first, second) = (play(&scenario, 7).expect("starts"), play(&scenario, 7).expect("starts"));
        assert_eq!((first.client, first.proxy), (second.client, second.proxy), "{}", scenario.name);
    }
}

#[test]
fn every_transition_is_an_edge_of_rfc_9293() {
    for scenario in Scenario::all() {
        let outcome = play(&scenario, 3).expect("a scenario starts");
        for event in outcome.client.iter().chain(&outcome.proxy) {
            if let Some(View::State { from, cause, to, .. }) = event.view() {
                let legal = EDGES.iter().any(|edge| (edge.from, edge.cause, edge.to) == (from, cause, to));
                assert!(legal, "{}: {from} to {to} by {cause}", scenario.name);
            }
        }
    }
}

#[test]
fn the_four_roles_take_their_paths() {
    let find =
        |name| Scenario::all().into_iter().find(|scenario| scenario.name == name).expect("it is there");
    let first = play(&find("half-close"), 1).expect("starts");
    use State::{
        CloseWait, Closed, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent, TimeWait,
    };
    assert_eq!(path(&first.client), [SynSent, Established, FinWait1, FinWait2, TimeWait, Closed]);
    assert_eq!(path(&first.proxy), [Listen, SynReceived, Established, CloseWait, LastAck, Closed]);
    let second = play(&find("socks5"), 1).expect("starts");
    assert_eq!(path(&second.client), [SynSent, Established, CloseWait, LastAck, Closed]);
    assert_eq!(path(&second.proxy), [Listen, SynReceived, Established, FinWait1, FinWait2, TimeWait, Closed]);
}

#[test]
fn events_survive_their_encoding() {
    let mut kinds = HashSet::new();
    for scenario in Scenario::all() {
        let outcome = play(&scenario, 5).expect("a scenario starts");
        for event in outcome.client.iter().chain(&outcome.proxy) {
            assert_eq!(Event::decode(&event.encode()), *event);
            let view = event.view().expect("every recorded kind is known");
            kinds.insert(core::mem::discriminant(&view));
            assert_eq!(Event::of(view).at(event.serial(), event.flow(), event.time()), *event);
        }
    }
    assert!(kinds.len() >= 4);
}
