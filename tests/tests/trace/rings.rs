//! A ring that has wrapped still says where each connection stands.

use proptest::prelude::*;
use sockhop::tcp::{Legality, State};
use sockhop::trace::{Ends, Event, Flow, Line, Recorder, Ring, Sink, View};
use sockhop_hosted::lab::{Scenario, play};
use sockhop_hosted::sim::{Plan, Profile, run};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The runs that rings are filled with: every scenario's two ends, and some connections on a bad link.
static RUNS: LazyLock<Vec<Vec<Event>>> = LazyLock::new(|| {
    let played = Scenario::all().into_iter().filter_map(|scenario| play(&scenario, 1));
    let lab = played.flat_map(|outcome| [outcome.a, outcome.b]);
    let guards = (sockhop::tcp::Rules::ALL, sockhop::tcp::Rules::ALL);
    let bad = (0..4).map(|seed| run(&Plan::new(seed, Profile::Hostile), guards));
    lab.chain(bad.flat_map(|outcome| [outcome.a.0, outcome.b.0])).collect()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_small_ring_tells_the_same_as_the_whole_run(
        run in prop::sample::select((0..RUNS.len()).collect::<Vec<_>>()),
        cut in any::<prop::sample::Index>(),
    ) {
        let run = &RUNS[run];
        let prefix = &run[..=cut.index(run.len())];
        let dump = dumped::<32>(prefix);
        prop_assert_eq!(lines(&dump), lines(prefix).split_off(prefix.len().saturating_sub(32)));
        let kept = flows(&dump);
        for (number, whole) in &flows(prefix) {
            // A connection that was over when the ring wrapped is none that a snapshot tells of.
            if !whole.is_over() {
                prop_assert_eq!(kept.get(number), Some(whole), "flow {}", number);
            }
        }
    }

    #[test]
    fn a_wrapped_ring_accuses_nobody_whom_the_whole_run_does_not_accuse(
        run in prop::sample::select((0..RUNS.len()).collect::<Vec<_>>()),
        cut in any::<prop::sample::Index>(),
    ) {
        let run = &RUNS[run];
        let prefix = &run[..=cut.index(run.len())];
        let accused = |events: &[Event]| {
            let mut one = Legality::default();
            events.iter().filter(|event| event.flow() <= 1).filter_map(|event| one.see(event)).collect::<Vec<_>>()
        };
        let whole = accused(prefix);
        for broken in accused(&dumped::<16>(prefix)) {
            prop_assert!(whole.contains(&broken), "{}", broken);
        }
    }
}

#[test]
fn a_dump_begins_with_snapshots_then_says_what_is_lost() {
    let run = RUNS.iter().find(|run| run.len() > 64).unwrap();
    let dump = dumped::<32>(run);
    let lost = dump.iter().position(|event| matches!(event.view(), Some(View::Lost { .. }))).unwrap();
    let Some(View::Lost { events }) = dump[lost].view() else { unreachable!() };
    assert_eq!(events as usize, run.len() - 32);
    assert!(dump[..lost].iter().any(|event| matches!(event.view(), Some(View::Snapshot { .. }))));
    assert_eq!(dump[lost + 1..], run[run.len() - 32..]);
}

#[test]
fn a_ring_that_remembers_too_few_connections_says_how_many_it_forgot() {
    let mut recorder = Recorder::new(Ring::<1, 2>::new());
    let at = |port| core::net::SocketAddr::from(([10, 0, 0, 1], port));
    for flow in 1..=5 {
        recorder.opened(sockhop::time::Instant::ZERO, flow, at(1), at(2), true);
    }
    assert_eq!(recorder.sink().forgotten(), 2, "four have left a ring of one, and two are remembered");
}

/// Returns what a ring of `N` keeps of a run, through its octets.
fn dumped<const N: usize>(run: &[Event]) -> Vec<Event> {
    let mut ring = Ring::<N, 4>::new();
    for event in run {
        ring.record(event);
    }
    ring.events().map(|event| Event::decode(&event.encode())).collect()
}

/// Returns the lines of the events behind those that make up for what was lost, each with the state it leaves.
fn lines(events: &[Event]) -> Vec<(String, Option<State>)> {
    let lost = events.iter().position(|event| matches!(event.view(), Some(View::Lost { .. })));
    let first = lost.map_or(0, |lost| lost + 1);
    let mut ends: HashMap<u32, Ends> = HashMap::new();
    let mut lines = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let ends = ends.entry(event.flow()).or_default();
        ends.learn(event);
        let line = Line(event, ends);
        if at >= first {
            lines.push((line.to_string(), line.state()));
        }
    }
    lines
}

fn flows(events: &[Event]) -> HashMap<u32, Flow> {
    let mut flows: HashMap<u32, Flow> = HashMap::new();
    for event in events.iter().filter(|event| event.flow() != 0) {
        flows.entry(event.flow()).or_default().see(event);
    }
    flows
}
