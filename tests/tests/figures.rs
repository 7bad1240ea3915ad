//! The segments of RFC 9293's figures 6 to 13, as ladders: between two stacks where two stacks can do it, and with
//! a peer whose segments are written by hand where one of them has to be old, forgetful or mistaken.

use core::time::Duration;
use sockhop::tcp::{Flags, Rules, State};
use sockhop::trace::{Event, View};
use sockhop_hosted::lab::{Act, End, Outcome, Play, Scenario, Script as Steps, Step, play};
use sockhop_hosted::ladder::{Style, draw};
use sockhop_hosted::link::Path;
use sockhop_tests::golden;
use sockhop_tests::script::Script;

use Act::{Abort, Close, Connect, Listen, Send};
use End::{A, B};

#[test]
fn figure_6_is_a_three_way_handshake_and_the_first_octets() {
    let played = between(
        &[(0, B, Listen), (0, A, Connect(1_000)), (100, A, Send(100)), (END, A, Close), (END, B, Close)],
        link(),
        link(),
    );
    figure(
        6,
        "Basic Three-Way Handshake for Connection Synchronization",
        &played,
        &["> SYN", "< SYN,ACK", "> ACK", "> PSH,ACK"],
    );
}

#[test]
fn figure_7_is_a_simultaneous_open() {
    let played = between(
        &[(0, A, Connect(1_000)), (0, B, Connect(1_000)), (END, A, Close), (END, B, Close)],
        link(),
        link(),
    );
    // RFC 9293 §3.10.7.4 would take the SYN,ACK of the peer for the acknowledgment of our SYN, as the figure does. Its
    // first test says that a number below RCV.NXT is not acceptable, though; smoltcp keeps to it and answers, and the
    // answer is what opens: one more segment each way.
    let taken = figure(
        7,
        "Simultaneous Connection Synchronization",
        &played,
        &["> SYN", "< SYN", "> SYN,ACK", "< SYN,ACK", "> ACK", "< ACK"],
    );
    for end in taken {
        assert_eq!(end, [State::SynSent, State::SynReceived, State::Established]);
    }
}

#[test]
fn figure_8_recovers_from_an_old_duplicate_syn() {
    let steps = [
        (0, B, Listen),
        (0, A, Connect(1_000)),
        (100, A, Abort),
        (2_900, A, Connect(1_000)),
        (END, A, Close),
        (END, B, Close),
    ];
    // The first SYN arrives after its connection was given up, and before the second.
    let late = vec![(0, Duration::from_millis(2_980)), (1, Duration::from_millis(400))];
    let played = between(&steps, Path { late, ..link() }, link());
    let taken = figure(
        8,
        "Recovery from Old Duplicate SYN",
        &played,
        &["> SYN", "> SYN", "< SYN,ACK", "> RST", "< SYN,ACK", "> ACK"],
    );
    let [_, b] = taken;
    assert_eq!(b[..3], [State::Listen, State::SynReceived, State::Listen], "the RST sends B back");
    assert_eq!(b.last(), Some(&State::Established));
}

#[test]
fn figure_9_discovers_a_half_open_connection() {
    let mut script = Script::open(Rules::ALL, 4_096, 4_096);
    // The peer has lost its memory and opens again: the answer tells it of the old connection, which it resets.
    script.send(3_000, None, Flags::SYN, 4_096, b"");
    script.send(1, None, Flags::RST, 0, b"");
    script.send(3_000, None, Flags::SYN, 4_096, b"");
    by_hand(
        9,
        "Half-Open Connection Discovery",
        &script,
        &["> SYN", "< SYN,ACK", "> ACK", "> SYN", "< ACK", "> RST", "> SYN", "< SYN,ACK"],
    );
}

#[test]
fn figure_10_discovers_a_half_open_connection_by_octets_for_nobody() {
    let mut script = Script::open(Rules::ALL, 4_096, 4_096);
    script.write(10);
    script.send(1, None, Flags::RST, 0, b"");
    assert_eq!(script.state(), State::Closed);
    by_hand(
        10,
        "Active Side Causes Half-Open Connection Discovery",
        &script,
        &["> SYN", "< SYN,ACK", "> ACK", "< PSH,ACK", "> RST"],
    );
}

#[test]
fn figure_11_is_an_old_duplicate_syn_between_two_listeners() {
    let mut script = Script::listening(Rules::ALL, 4_096);
    script.send(0, None, Flags::SYN, 4_096, b"");
    // The other end listens as well and knows of nothing.
    script.send(1, None, Flags::RST, 0, b"");
    let path = by_hand(
        11,
        "Old Duplicate SYN Initiates a Reset on Two Passive Sockets",
        &script,
        &["> SYN", "< SYN,ACK", "> RST"],
    );
    assert_eq!(path, [State::Listen, State::SynReceived, State::Listen]);
}

#[test]
fn figure_12_is_a_normal_close() {
    let steps = [(0, B, Listen), (0, A, Connect(1_000)), (100, A, Close), (300, B, Close)];
    let played = between(&steps, link(), link());
    let taken = figure(
        12,
        "Normal Close Sequence",
        &played,
        &["> SYN", "< SYN,ACK", "> ACK", "> FIN,ACK", "< ACK", "< FIN,ACK", "> ACK"],
    );
    let [a, b] = taken;
    assert!(a.ends_with(&[State::FinWait1, State::FinWait2, State::TimeWait, State::Closed]));
    assert!(b.ends_with(&[State::CloseWait, State::LastAck, State::Closed]));
}

#[test]
fn figure_13_is_a_simultaneous_close() {
    let steps = [(0, B, Listen), (0, A, Connect(1_000)), (100, A, Close), (100, B, Close)];
    let played = between(&steps, link(), link());
    let taken = figure(
        13,
        "Simultaneous Close Sequence",
        &played,
        &["> SYN", "< SYN,ACK", "> ACK", "> FIN,ACK", "< FIN,ACK", "> ACK", "< ACK"],
    );
    for end in taken {
        assert!(end.ends_with(&[State::FinWait1, State::Closing, State::TimeWait, State::Closed]), "{end:?}");
    }
}

/// When connections that a figure leaves open are closed, in milliseconds; the ladder ends there.
const END: u64 = 9_000;

fn link() -> Path {
    Path { delay: Duration::from_millis(20), ..Path::default() }
}

/// Lets two stacks do these steps.
fn between(steps: &[Step], there: Path, back: Path) -> Outcome {
    let mut scenario = Scenario::named("handshake").expect("it is there");
    (scenario.there, scenario.back) = (there, back);
    scenario.play = Play::Plain(Steps { rings: Some((4_096, 4_096)), steps: steps.to_vec(), breaks: false });
    play(&scenario, 1).expect("it starts")
}

/// Holds what two stacks did against a figure's segments, keeps its ladder, and returns the states of A and of B.
fn figure(number: u8, title: &str, played: &Outcome, segments: &[&str]) -> [Vec<State>; 2] {
    let (a, b) = (joined(&played.a), joined(&played.b));
    let sent = |events: &[Event], sign: &str| -> Vec<(sockhop::time::Instant, String)> {
        let of = |event: &Event| match event.view() {
            Some(View::Segment { sent: true, flags, .. }) => Some((event.time(), format!("{sign} {flags}"))),
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    let mut all = [sent(&a, ">"), sent(&b, "<")].concat();
    all.sort_by_key(|(at, _)| *at);
    let said: Vec<&str> = all.iter().map(|(_, said)| said.as_str()).collect();
    assert!(said.starts_with(segments), "figure {number}: {said:?}");
    let picture = draw(("A", "B"), &a, &b, (1, 1), Style { columns: 80, ..Style::default() });
    golden::hold(
        &format!("golden/figures/{number:02}.txt"),
        &format!("Figure {number}: {title}\n\n{picture}"),
    );
    [path(&a), path(&b)]
}

/// Holds what an engine and a peer by hand did against a figure's segments, and returns the engine's states.
fn by_hand(number: u8, title: &str, script: &Script, segments: &[&str]) -> Vec<State> {
    let events = joined(&script.engine.sink().0);
    let said: Vec<String> = events
        .iter()
        .filter_map(|event| match event.view() {
            Some(View::Segment { sent, flags, .. }) => {
                Some(format!("{} {flags}", if sent { "<" } else { ">" }))
            }
            _ => None,
        })
        .collect();
    assert_eq!(said, segments, "figure {number}");
    let names = ("A  by hand", "B");
    let picture = draw(names, &[], &events, (1, 1), Style { columns: 80, ..Style::default() });
    golden::hold(
        &format!("golden/figures/{number:02}.txt"),
        &format!("Figure {number}: {title}\n\n{picture}"),
    );
    path(&events)
}

/// Returns the events of every connection as those of one: the figures show two in a row between the same ports.
fn joined(events: &[Event]) -> Vec<Event> {
    let end = events.iter().find(|event| event.time().micros() == 1_000 * END).map(Event::serial);
    let shown = |event: &&Event| end.is_none_or(|end| event.serial() < end);
    let known = events.iter().filter(|event| event.flow() != 0).filter(shown);
    let one = |event: &Event| event.view().map(|view| Event::of(view).at(event.serial(), 1, event.time()));
    known.filter_map(one).collect()
}

fn path(events: &[Event]) -> Vec<State> {
    let to = |event: &Event| match event.view() {
        Some(View::State { to, .. }) => Some(to),
        _ => None,
    };
    events.iter().filter_map(to).collect()
}
