//! Screens as they are drawn from a fixed snapshot and fixed events, at three sizes.

use super::super::model::{Model, Page};
use super::*;
use core::time::Duration;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sockhop::tcp::{Cause, Flags, Marks, Rule, Seq, State};
use sockhop::time::Instant;
use sockhop::trace::{Event, View};
use sockhop_hosted::control::Answer;

/// Returns the screen as text.
fn drawn(model: &Model, (width, height): (u16, u16), theme: Theme) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, theme)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = (0..height).map(|y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

/// Compares a screen with the golden one of this name; where `SOCKHOP_GOLDEN` is set, that is written anew.
fn golden(name: &str, screen: &str) {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SOCKHOP_GOLDEN").is_some() {
        std::fs::write(&path, screen).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert_eq!(screen, known, "{name}; SOCKHOP_GOLDEN=1 writes it anew");
}

fn plain() -> Theme {
    Theme::new(false, true)
}

/// Returns a model that has seen a connection open, carry octets into a window that closes, and go on.
fn model() -> Model {
    let mut model = Model::default();
    model.followed.take(0, events().into_iter());
    for step in 0..60_u32 {
        let mut snapshot = crate::asking::example();
        snapshot.at_us -= u64::from(60 - step) * 200_000;
        snapshot.octets.1 -= u64::from(60 - step) * 10_000;
        snapshot.flows[0].send.in_flight = u64::from(step % 20) * 400;
        model.take(Answer::Snapshot(Box::new(snapshot)));
    }
    model.take(Answer::Snapshot(Box::new(crate::asking::example())));
    model
}

fn events() -> Vec<Event> {
    let (ours, theirs) = (Seq(1_000), Seq(5_000));
    let syn_received = (State::SynReceived, State::SynReceived);
    let open = (State::Established, State::Established);
    let segment = |sent, flags, (seq, ack): (u32, u32), len, window, states, marks| View::Segment {
        sent,
        flags,
        seq: if sent { ours + seq } else { theirs + seq },
        ack: if sent { theirs + ack } else { ours + ack },
        len,
        window,
        states,
        marks,
    };
    let change = |from, cause, to| View::State { from, cause, to, una: ours, rcv_nxt: theirs };
    let ack = Flags::ACK;
    let views = [
        View::Opened { active: false, ports: (1080, 49_152), addresses: None },
        change(State::Closed, Cause::Listen, State::Listen),
        segment(false, Flags::SYN, (0, 0), 0, 8_192, (State::Listen, State::SynReceived), Marks::default()),
        change(State::Listen, Cause::Syn, State::SynReceived),
        segment(true, Flags::SYN | ack, (0, 1), 0, 65_535, syn_received, Marks::default()),
        segment(false, ack, (1, 1), 0, 8_192, (State::SynReceived, State::Established), Marks::default()),
        change(State::SynReceived, Cause::Ack, State::Established),
        segment(false, Flags::PSH | ack, (1, 1), 3, 8_192, open, Marks::default()),
        View::App { machine: 0, states: (0, 3), reply: 0 },
        segment(true, ack, (1, 4), 1_460, 65_535, open, Marks::default()),
        segment(true, ack, (1_461, 4), 6_164, 65_535, open, Marks::WINDOW_FULL),
        segment(false, ack, (4, 7_625), 0, 0, open, Marks::ZERO_WINDOW),
        segment(true, ack, (7_625, 4), 1, 65_535, open, Marks::PROBE),
        View::Guarded { rule: Rule::Stall, outward: false, una: ours + 7_625, edge: ours + 7_625 },
        segment(false, ack, (4, 7_626), 0, 8_192, open, Marks::REOPEN),
    ];
    let at = |step: usize| {
        Instant::from_micros(4_400_000) + Duration::from_millis(20) * u32::try_from(step).unwrap()
    };
    views.into_iter().enumerate().map(|(step, view)| Event::of(view).at(step as u32, 1, at(step))).collect()
}

fn press(model: &mut Model, keys: &str) {
    for key in keys.chars() {
        assert_eq!(model.press(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)), None);
    }
}

#[test]
fn the_whole_is_drawn_as_the_size_lets_it() {
    let model = model();
    for (width, height) in [(120, 40), (80, 24), (40, 20)] {
        golden(&format!("top-{width}x{height}"), &drawn(&model, (width, height), plain()));
    }
}

#[test]
fn without_signs_letters_say_the_same() {
    let screen = drawn(&model(), (80, 24), Theme::new(false, false));
    assert!(screen.is_ascii(), "{screen}");
    golden("top-letters", &screen);
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    let mut model = model();
    for page in [Page::Whole, Page::Ladder, Page::States, Page::Help] {
        model.page = page;
        for width in (1..100).step_by(3) {
            for height in (1..45).step_by(2) {
                drawn(&model, (width, height), plain());
            }
        }
    }
}

#[test]
fn pages_show_the_way_that_was_taken_the_keys_and_the_whole_ladder() {
    let mut model = model();
    press(&mut model, "d");
    let screen = drawn(&model, (100, 40), plain());
    assert!(screen.contains("CLOSED → LISTEN → SYN-RECEIVED → ESTABLISHED"), "{screen}");
    press(&mut model, "?");
    assert!(drawn(&model, (100, 40), plain()).contains("the followed events of this connection"));
    press(&mut model, "l");
    let screen = drawn(&model, (100, 40), plain());
    assert!(screen.contains("SYN 0 win 8192") && !screen.contains("we send"), "{screen}");
    press(&mut model, "kkkkkkkkkk");
    let screen = drawn(&model, (100, 40), plain());
    assert!(screen.contains("10 back") && !screen.contains("window full"), "{screen}");
}

#[test]
fn a_filter_a_choice_and_an_order_stay_with_their_connections() {
    let mut model = model();
    assert_eq!(model.chosen, Some(1));
    press(&mut model, "/CLOSE-W");
    assert_eq!(model.rows().len(), 1);
    assert_eq!(model.chosen, Some(2));
    assert!(drawn(&model, (80, 24), plain()).contains(" /CLOSE-W_"));
    model.press(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    assert_eq!((model.rows().len(), model.chosen), (8, Some(2)));
    press(&mut model, "sssj");
    // By queues: 16,384 octets, 3,112, 120.
    assert_eq!(model.chosen, Some(7));
    // Another takes the place of one that is gone.
    let mut snapshot = crate::asking::example();
    snapshot.flows.retain(|flow| flow.flow != 7);
    model.take(Answer::Snapshot(Box::new(snapshot)));
    assert!(model.chosen.is_some_and(|chosen| chosen != 7 && chosen != 2));
}

#[test]
fn what_happens_in_a_pause_is_shown_after_it() {
    let mut model = model();
    press(&mut model, " ");
    let raw = events()
        .iter()
        .map(|event| event.encode().iter().map(|octet| format!("{octet:02x}")).collect())
        .collect();
    let mut snapshot = crate::asking::example();
    snapshot.flows.clear();
    model.take(Answer::Snapshot(Box::new(snapshot)));
    model.take(Answer::Events(sockhop_hosted::control::Events { raw, lost: 3 }));
    assert_eq!((model.snapshot.flows.len(), model.followed.lost), (5, 0));
    press(&mut model, " ");
    assert_eq!(model.followed.lost, 3);
    assert_eq!(model.followed.of(1).map(|tape| tape.events.len()), Some(2 * events().len()));
}

#[test]
fn a_broken_rule_is_named_with_its_section() {
    let mut model = Model::default();
    let mut wrong = events();
    // A state that nothing led to.
    let change = View::State {
        from: State::Established,
        cause: Cause::Ack,
        to: State::TimeWait,
        una: Seq(0),
        rcv_nxt: Seq(0),
    };
    wrong.push(Event::of(change).at(99, 1, Instant::from_micros(5_000_000)));
    model.followed.take(0, wrong.into_iter());
    model.take(Answer::Snapshot(Box::new(crate::asking::example())));
    let screen = drawn(&model, (120, 40), plain());
    assert!(screen.contains("#1 breaks RFC 9293 §") && !screen.contains("9293 ok"), "{screen}");
}
