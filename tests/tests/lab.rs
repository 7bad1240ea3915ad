//! The lab's scenarios on the virtual clock: each legal, each showing what it says, each the same every time.

use core::time::Duration;
use sockhop::tcp::{Flags, Marks, State};
use sockhop::trace::{Event, View};
use sockhop_hosted::lab::{Account, Datagrams, Outcome, Play, Scenario, account, play, play_watched, tell};
use sockhop_hosted::ladder::Style;
use sockhop_tests::golden;
use sockhop_tests::oracle::{Count, compare};
use std::collections::HashSet;

use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent,
    TimeWait,
};

#[test]
fn every_scenario_ends_complete_with_every_seed_tried() {
    for scenario in Scenario::all() {
        for seed in 1..=20 {
            let outcome = play(&scenario, seed).expect("a scenario starts");
            assert!(outcome.complete, "{} with seed {seed}: {:?}", scenario.name, outcome.said);
        }
    }
}

#[test]
fn every_scenario_is_legal_by_rfc_9293_with_every_seed_tried() {
    for scenario in Scenario::all() {
        for seed in 1..=20 {
            let outcome = play(&scenario, seed).expect("a scenario starts");
            for (a, b) in &outcome.flows {
                for end in [account(&outcome.a, *a), account(&outcome.b, *b)] {
                    assert_eq!(end.violations, [], "{} with seed {seed}", scenario.name);
                }
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_the_same_text() {
    for scenario in Scenario::all() {
        let (first, second) = (play(&scenario, 7).expect("starts"), play(&scenario, 7).expect("starts"));
        assert_eq!((&first.a, &first.b), (&second.a, &second.b), "{}", scenario.name);
        let style = Style::default();
        assert_eq!(tell(&scenario, &first, style), tell(&scenario, &second, style), "{}", scenario.name);
    }
}

#[test]
fn every_scenario_says_what_it_is_known_to_say() {
    for scenario in Scenario::all() {
        let outcome = play(&scenario, 1).expect("a scenario starts");
        golden::hold(
            &format!("golden/lab/{}.txt", scenario.name),
            &tell(&scenario, &outcome, Style::default()),
        );
    }
}

#[test]
fn every_picture_fits_a_terminal_of_80_columns_and_one_of_120() {
    for scenario in Scenario::all() {
        let outcome = play(&scenario, 1).expect("a scenario starts");
        for columns in [80, 100, 120] {
            for whole in [false, true] {
                let text = tell(&scenario, &outcome, Style { colour: false, whole, columns });
                let longest = text.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
                assert!(longest.chars().count() <= columns, "{} at {columns}: {longest}", scenario.name);
            }
        }
    }
}

#[test]
fn every_scenario_has_a_name_of_its_own_and_two_lines_of_what_to_look_at() {
    let names: HashSet<&str> = Scenario::all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), Scenario::all().len());
    for scenario in Scenario::all() {
        assert_eq!(scenario.about.lines().count(), 2, "{}", scenario.name);
        assert_eq!(Scenario::named(scenario.name).map(|found| found.title), Some(scenario.title));
    }
    assert!(Scenario::named("windows").is_none());
}

#[test]
fn the_tracker_knows_smoltcps_variables_after_each_packet_of_every_scenario() {
    let mut count = Count::default();
    for mut scenario in Scenario::all() {
        // smoltcp prints its rings octet by octet.
        if let Play::Plain(script) = &mut scenario.play {
            script.rings.get_or_insert((4_096, 4_096));
        }
        play_watched(&scenario, 1, |a, b| {
            for engine in [a, b] {
                for flow in engine.flows() {
                    compare(engine, flow, &mut count);
                }
            }
        });
    }
    assert!(count.compared > 500, "{count:?}");
    assert!(count.windows * 100 < count.compared, "{count:?}");
}

#[test]
fn three_segments_open_and_four_close() {
    let played = play_named("handshake");
    assert_eq!(flags(&played.a, 1)[..3], ["SYN", "SYN,ACK", "ACK"]);
    let played = play_named("close");
    let closing = flags(&played.a, 1).split_off(5);
    assert_eq!(closing, ["FIN,ACK", "ACK", "FIN,ACK", "ACK"]);
    let (a, b) = ends(&played, 0);
    assert_eq!(a.path, [Closed, SynSent, Established, FinWait1, FinWait2, TimeWait, Closed]);
    assert_eq!(b.path, [Closed, Listen, SynReceived, Established, CloseWait, LastAck, Closed]);
}

#[test]
fn the_four_roles_take_their_paths_and_so_does_a_simultaneous_open() {
    let played = play_named("roles");
    let opener = [Closed, SynSent, Established];
    let both = [Closed, SynSent, SynReceived, Established];
    let listener = [Closed, Listen, SynReceived, Established];
    let (active, passive) = ([FinWait1, FinWait2, TimeWait, Closed], [CloseWait, LastAck, Closed]);
    let wanted: [[Vec<State>; 2]; 3] = [
        [[&opener[..], &active].concat(), [&listener[..], &passive].concat()],
        [[&opener[..], &passive].concat(), [&listener[..], &active].concat()],
        [[&both[..], &active].concat(), [&both[..], &passive].concat()],
    ];
    for (at, [at_a, at_b]) in wanted.into_iter().enumerate() {
        let (a, b) = ends(&played, at);
        assert_eq!((a.path, b.path), (at_a, at_b), "connection {}", at + 1);
    }
}

#[test]
fn a_simultaneous_close_passes_closing_at_both_ends() {
    let (a, b) = ends(&play_named("close-both"), 0);
    for path in [a.path, b.path] {
        assert!(path.ends_with(&[FinWait1, Closing, TimeWait, Closed]), "{path:?}");
    }
}

#[test]
fn a_half_closed_connection_carries_the_whole_answer_to_who_closed_first() {
    let played = play_named("half-close");
    let (a, b) = ends(&played, 0);
    assert_eq!((a.octets, b.octets), (3_000, 12_000));
    let closed = time_of(&played.b, |view| matches!(view, View::State { to: CloseWait, .. }));
    let first = time_of(&played.b, |view| matches!(view, View::Segment { sent: true, len: 1.., .. }));
    assert!(closed < first, "B answers when A has closed: {closed:?}, {first:?}");
}

#[test]
fn a_reset_is_no_end_of_stream() {
    let played = play_named("reset");
    let said: String = played.said.iter().map(|(_, said)| said.as_str()).collect();
    assert!(said.contains("of the 40000 B written") && said.contains("reset"), "{said}");
    let (a, _) = ends(&played, 0);
    assert_eq!(a.path, [Closed, SynSent, Established, Closed]);
}

#[test]
fn a_closed_window_is_asked_and_opens_again() {
    let played = play_named("window");
    let (a, b) = ends(&played, 0);
    let (since, time) = a.shut[0];
    assert!(time > Duration::from_secs(2), "{time:?}");
    assert!(a.probes >= 1 && a.octets == 16_000 && b.octets == 0, "{a:?}");
    let mut marks = segments(&played.a, 1).filter(|(at, ..)| *at >= since).map(|(.., marks)| marks);
    for wanted in [Marks::ZERO_WINDOW, Marks::PROBE, Marks::ZERO_WINDOW, Marks::REOPEN] {
        assert!(marks.any(|marks| marks.contains(wanted)), "{wanted:?} comes in its turn");
    }
}

#[test]
fn one_lost_segment_is_sent_again_at_once_and_the_last_one_by_the_timer() {
    let played = play_named("loss");
    let (a, _) = ends(&played, 0);
    assert_eq!((a.fast, a.timed, a.answered), (1, 1, 0));
    assert_eq!((played.traffic.0.lost, played.traffic.1.lost), (2, 0));
    let played = play_named("syn-lost");
    let (a, b) = ends(&played, 0);
    assert_eq!((a.timed, b.timed), (1, 1));
}

#[test]
fn what_is_overtaken_or_comes_twice_is_sent_once() {
    let (a, b) = ends(&play_named("reordering"), 0);
    assert!(b.out_of_order >= 1);
    assert_eq!((a.fast, a.timed, a.answered), (0, 0, 0));
}

#[test]
fn time_wait_outlives_an_old_syn_and_a_reset_and_yields_to_a_new_syn() {
    let played = play_named("time-wait");
    assert_eq!(played.flows, [(1, 1), (2, 2)]);
    let (_, first) = ends(&played, 0);
    assert_eq!(first.path.last(), Some(&TimeWait), "it is replaced, not expired");
    let late: Vec<String> = segments(&played.b, 1)
        .filter(|(at, ..)| at.micros() > 5_000_000)
        .map(|(_, sent, flags, _)| format!("{}{flags}", if sent { "> " } else { "< " }))
        .collect();
    assert_eq!(late, ["< SYN", "> ACK", "< RST", "< SYN"]);
    let (a, b) = ends(&played, 1);
    assert!(a.path.contains(&Established) && b.path.contains(&Established));
}

#[test]
fn a_refusal_is_a_reset_by_tcp_and_a_reply_by_socks() {
    let played = play_named("refused");
    assert_eq!(flags(&played.a, 1), ["SYN", "RST,ACK"]);
    assert_eq!(played.flows, [(1, 0)]);
    let played = play_named("socks-refused");
    assert_eq!(played.report.and_then(|report| report.reply), Some(5));
}

#[test]
fn tcp_delivers_every_message_in_order_and_udp_what_comes() {
    let played = play_named("tcp-udp");
    let Some(Datagrams::Race { messages, traffic }) = &played.datagrams else { panic!("it is a race") };
    let by_tcp: Vec<Duration> = messages.iter().filter_map(|message| message.tcp).collect();
    assert_eq!(by_tcp.len(), messages.len());
    assert!(by_tcp.is_sorted(), "{by_tcp:?}");
    let (missing, twice) = (
        messages.iter().filter(|message| message.udp.is_empty()).count(),
        messages.iter().filter(|message| message.udp.len() > 1).count(),
    );
    let first: Vec<Duration> = messages.iter().filter_map(|message| message.udp.first().copied()).collect();
    assert!(missing > 0 && twice > 0 && !first.is_sorted(), "{missing} missing, {twice} twice, {first:?}");
    assert_eq!(traffic.lost, missing as u64);
    assert!(played.traffic.0.octets + played.traffic.1.octets > traffic.octets);
}

#[test]
fn a_udp_server_answers_everybody_and_knows_nobody() {
    let played = play_named("udp-server");
    let Some(Datagrams::Echo { clients, flights, connections }) = &played.datagrams else {
        panic!("there is a server")
    };
    assert_eq!((*connections, flights.len()), (0, 2 * 3 * clients.len()));
    assert!(flights.iter().all(|flight| flight.arrived.is_some()));
    // At once: somebody asks while another's answer is under way.
    let answers = flights.iter().filter(|flight| !flight.asks);
    let crossed = answers.filter(|answer| {
        flights.iter().any(|other| {
            other.asks
                && other.client != answer.client
                && answer.left < other.left
                && Some(other.left) < answer.arrived
        })
    });
    assert!(crossed.count() > 0);
}

#[test]
fn both_versions_of_socks_carry_everything_and_the_older_one_asks_once() {
    let asked = |name| {
        let played = play_named(name);
        let report = played.report.expect("the session is reported");
        assert_eq!((report.reply, report.octets), (Some(0), (20_000, 10_000)), "{name}");
        time_of(&played.b, |view| matches!(view, View::App { machine: 2, .. }))
    };
    assert!(asked("socks4") < asked("socks5"), "the relay begins a round trip earlier");
}

#[test]
fn events_survive_their_encoding() {
    let mut kinds = HashSet::new();
    for scenario in Scenario::all() {
        let outcome = play(&scenario, 5).expect("a scenario starts");
        for event in outcome.a.iter().chain(&outcome.b) {
            assert_eq!(Event::decode(&event.encode()), *event);
            let view = event.view().expect("every recorded kind is known");
            kinds.insert(core::mem::discriminant(&view));
            assert_eq!(Event::of(view).at(event.serial(), event.flow(), event.time()), *event);
        }
    }
    assert!(kinds.len() >= 4);
}

fn play_named(name: &str) -> Outcome {
    let scenario = Scenario::named(name).expect("it is there");
    play(&scenario, 1).expect("it starts")
}

/// Returns what a connection came to at A and at B.
fn ends(played: &Outcome, connection: usize) -> (Account, Account) {
    let (a, b) = played.flows[connection];
    (account(&played.a, a), account(&played.b, b))
}

/// Returns the segments of a connection at an end: when, whether sent, flags and marks.
fn segments(
    events: &[Event],
    flow: u32,
) -> impl Iterator<Item = (sockhop::time::Instant, bool, Flags, Marks)> + '_ {
    events.iter().filter(move |event| event.flow() == flow).filter_map(|event| match event.view() {
        Some(View::Segment { sent, flags, marks, .. }) => Some((event.time(), sent, flags, marks)),
        _ => None,
    })
}

fn flags(events: &[Event], flow: u32) -> Vec<String> {
    segments(events, flow).map(|(.., flags, _)| flags.to_string()).collect()
}

fn time_of(events: &[Event], is: impl Fn(View) -> bool) -> sockhop::time::Instant {
    let found = events.iter().find(|event| event.view().is_some_and(&is));
    found.expect("it happens").time()
}
