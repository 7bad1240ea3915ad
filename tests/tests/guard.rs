//! Each rule of the guard against its defect: the shortest script that shows it, with the rule alone and without.

use core::time::Duration;
use sockhop::tcp::{Flags, Rule, Rules, State};
use sockhop_tests::script::{PEER, Script};

const ACK: Flags = Flags::ACK;

/// Opens a connection with one rule, or with none.
fn with(rule: Rule, on: bool, ring: usize, window: u16) -> Script {
    let rules = if on { Rules::NONE.with(rule) } else { Rules::NONE };
    Script::open(rules, ring, window)
}

fn fin() -> Flags {
    Flags::FIN | ACK
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_fin_behind_octets_that_do_not_fit_is_no_end_of_stream() {
    for on in [true, false] {
        let mut script = with(Rule::FinIn, on, 64, 1_000);
        script.send(1, Some(1), fin(), 1_000, &[1; 100]);
        let (heard, ended) = script.read();
        assert_eq!((heard.len(), ended), (64, !on));
        // The rest comes again, FIN and all.
        script.send(65, Some(1), fin(), 1_000, &[1; 36]);
        assert_eq!(script.read().0.len() == 100, on);
    }
}

#[test]
fn octets_up_to_the_furthest_edge_that_was_shown_are_taken() {
    for on in [true, false] {
        let mut script = with(Rule::Slack, on, 1 << 17, 60_000);
        let (mut edge, mut acknowledged) = (0, 0);
        let mut hear = |script: &mut Script| {
            for sent in script.take() {
                acknowledged = sent.ack.0.wrapping_sub(PEER);
                // smoltcp's shift for such a ring is 2.
                edge = edge.max(acknowledged + (u32::from(sent.window) << 2));
            }
            (acknowledged, edge)
        };
        // With the fifth octet smoltcp rounds down, and its edge moves left by three.
        for at in 1..=5 {
            script.send(at, Some(1), ACK, 60_000, b"x");
            hear(&mut script);
        }
        let (_, edge) = hear(&mut script);
        for at in (6..edge).step_by(1_000) {
            let count = 1_000.min(edge - at) as usize;
            script.send(at.into(), Some(1), ACK, 60_000, &vec![2; count]);
        }
        assert_eq!(hear(&mut script).0 == edge, on);
    }
}

#[test]
fn a_fast_retransmit_stays_inside_the_window() {
    for on in [true, false] {
        let mut script = with(Rule::Trim, on, 4_096, 100);
        script.write(1_500);
        for _ in 0..3 {
            script.ack(1, 1, 100);
        }
        script.wait(Duration::from_millis(1));
        let furthest = script.take().iter().map(|sent| script.relative(sent.end())).max();
        assert_eq!(furthest.is_some_and(|end| end <= 101), on, "{furthest:?}");
    }
}

#[test]
fn a_late_closed_window_does_not_stop_the_retransmission_timer() {
    for on in [true, false] {
        let mut script = with(Rule::Edge, on, 4_096, 1_000);
        script.write(1_000);
        script.take();
        script.ack(1, 1, 0);
        script.wait(seconds(60));
        assert_eq!(!script.take().is_empty(), on);
    }
}

#[test]
fn a_closed_window_is_hidden_while_octets_are_in_flight() {
    for on in [true, false] {
        let mut script = with(Rule::One, on, 4_096, 1_000);
        script.write(1_000);
        script.take();
        script.ack(1, 1, 0);
        script.wait(seconds(60));
        assert_eq!(!script.take().is_empty(), on);
    }
}

#[test]
fn three_duplicates_in_a_window_smaller_than_a_segment_retransmit_nothing() {
    for on in [true, false] {
        let mut script = with(Rule::OverDup, on, 4_096, 100);
        script.write(1_500);
        script.take();
        for _ in 0..4 {
            script.ack(1, 1, 100);
        }
        script.wait(Duration::from_millis(1));
        assert_eq!(script.take().is_empty(), on);
    }
}

#[test]
fn three_duplicates_of_a_lone_fin_do_not_forget_it() {
    for on in [true, false] {
        let mut script = with(Rule::FinDup, on, 4_096, 1_000);
        script.close();
        script.take();
        for _ in 0..4 {
            script.ack(1, 1, 1_000);
        }
        script.wait(seconds(100));
        let fins = script.take().iter().filter(|sent| sent.flags.contains(Flags::FIN)).count();
        assert_eq!(fins > 0, on, "{fins} FINs");
    }
}

#[test]
fn a_forgotten_fin_is_sent_by_the_guard() {
    for on in [true, false] {
        let mut script = with(Rule::FinKeep, on, 4_096, 1_000);
        script.close();
        script.take();
        for _ in 0..4 {
            script.ack(1, 1, 1_000);
        }
        script.wait(seconds(100));
        let fins = script.take().iter().filter(|sent| sent.flags.contains(Flags::FIN)).count();
        assert_eq!(fins > 2, on, "{fins} FINs");
        script.ack(1, 2, 1_000);
        assert_eq!(script.state(), State::FinWait2);
    }
}

#[test]
fn an_acknowledgment_after_a_timeout_has_the_furthest_number() {
    for on in [true, false] {
        let mut script = with(Rule::Seq, on, 4_096, 4_000);
        script.write(2_000);
        script.wait(Duration::from_millis(1_100));
        script.take();
        script.send(1, Some(1), ACK, 4_000, b"x");
        script.wait(Duration::from_millis(1));
        let bare = script.take().into_iter().find(|sent| sent.seg_len() == 0).expect("it is acknowledged");
        assert_eq!(script.relative(bare.seq) == 2_001, on, "{}", script.relative(bare.seq));
    }
}

#[test]
fn an_acknowledgment_with_a_rewound_number_counts() {
    for on in [true, false] {
        let mut script = with(Rule::AckSeq, on, 4_096, 1_000);
        script.send(1, Some(1), ACK, 1_000, &[1; 500]);
        script.write(1_000);
        script.ack(1, 1_001, 1_000);
        let left = script.engine.tracker(script.flow.expect("it stands")).expect("it is there");
        assert_eq!(left.snd_una() == left.snd_max(), on);
    }
}

#[test]
fn octets_behind_an_old_acknowledgment_are_heard() {
    for on in [true, false] {
        let mut script = with(Rule::OldAck, on, 4_096, 1_000);
        script.write(1_000);
        script.ack(1, 501, 1_000);
        script.send(1, Some(1), ACK, 1_000, b"late");
        assert_eq!(script.read().0 == b"late", on);
    }
}

#[test]
fn a_reset_inside_the_window_needs_the_exact_number() {
    for on in [true, false] {
        let mut script = with(Rule::Reset, on, 4_096, 1_000);
        script.take();
        script.send(100, None, Flags::RST, 0, b"");
        assert_eq!(script.state() == State::Established, on);
        assert_eq!(script.take().len(), usize::from(on), "it is challenged");
        script.send(1, None, Flags::RST, 0, b"");
        assert_eq!(script.state(), State::Closed, "the exact number resets");
    }
}

#[test]
fn a_reset_does_not_end_time_wait() {
    for on in [true, false] {
        let mut script = with(Rule::Reset, on, 4_096, 1_000);
        script.close();
        script.send(1, Some(2), fin(), 1_000, b"unread");
        assert_eq!(script.state(), State::TimeWait);
        script.send(8, None, Flags::RST, 0, b"");
        assert_eq!(script.state() == State::TimeWait, on);
    }
}

#[test]
fn a_syn_on_a_standing_connection_is_challenged_once_a_second() {
    for on in [true, false] {
        let mut script = with(Rule::Syn, on, 4_096, 1_000);
        script.take();
        for _ in 0..5 {
            script.send(100, None, Flags::SYN, 1_000, b"");
        }
        let answers = script.take();
        assert_eq!(answers.len(), usize::from(on));
        assert!(answers.iter().all(|answer| answer.flags == ACK));
        assert_eq!(script.state(), State::Established);
        script.wait(seconds(2));
        script.send(100, None, Flags::SYN, 1_000, b"");
        assert_eq!(script.take().len(), usize::from(on));
    }
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    for on in [true, false] {
        let mut script = with(Rule::AckMax, on, 8_192, 65_535);
        script.write(8_000);
        let sent = script.take().iter().map(|sent| script.relative(sent.end())).max().expect("octets");
        assert!(sent < 8_001, "the congestion window holds some back");
        script.ack(1, 8_001, 65_535);
        script.ack(1, i64::from(sent), 65_535);
        script.wait(Duration::from_millis(1));
        let more = script.take().iter().any(|segment| segment.len > 0);
        assert_eq!(more, on, "what was held back is sent, not forgotten");
    }
}

#[test]
fn the_wires_numbers_are_not_smoltcps() {
    let number = |rules, port| {
        let mut script = Script::listening(rules, 4_096).from_port(port);
        script.send(0, None, Flags::SYN, 1_000, b"");
        script.take().pop().expect("a SYN-ACK").seq
    };
    assert_eq!(number(Rules::NONE, 1), number(Rules::NONE, 2), "one seed, one number: it can be guessed");
    let on = Rules::NONE.with(Rule::Isn);
    assert_ne!(number(on, 1), number(on, 2), "each pair of addresses has its own");
    assert_eq!(number(on, 1), number(on, 1), "the key and the clock make it");
}

#[test]
fn a_sender_that_has_fallen_asleep_is_woken() {
    for on in [true, false] {
        let mut script = with(Rule::Stall, on, 4_096, 1_000);
        script.write(1_000);
        script.take();
        script.ack(1, 1, 0);
        script.wait(seconds(60));
        assert_eq!(!script.take().is_empty(), on);
    }
}

#[test]
fn a_peer_that_owes_its_fin_is_reminded() {
    for on in [true, false] {
        let mut script = with(Rule::Nudge, on, 4_096, 1_000);
        script.take();
        script.wait(seconds(60));
        assert_eq!(script.take().len(), if on { 3 } else { 0 }, "after 10, 20 and 40 seconds");
    }
}

#[test]
fn old_octets_are_acknowledged_twice_a_second_at_most() {
    for on in [true, false] {
        let mut script = with(Rule::Damp, on, 4_096, 1_000);
        script.send(1, Some(1), ACK, 1_000, b"abc");
        script.read();
        script.wait(seconds(2));
        script.take();
        for _ in 0..6 {
            script.send(1, Some(1), ACK, 1_000, b"abc");
        }
        assert_eq!(script.take().len(), if on { 2 } else { 6 });
    }
}

#[test]
fn a_silent_peer_is_asked_with_no_octet_of_data() {
    for on in [true, false] {
        let mut script = with(Rule::KeepAlive, on, 4_096, 1_000);
        script.take();
        script.wait(seconds(80));
        let asked = script.take();
        assert_eq!(asked.len(), usize::from(on));
        for segment in asked {
            assert_eq!((segment.len, script.relative(segment.seq)), (0, 0), "one below SND.UNA, and empty");
        }
    }
}

#[test]
fn unread_octets_outlive_smoltcps_time_wait() {
    for on in [true, false] {
        let mut script = with(Rule::TimeWait, on, 4_096, 1_000);
        script.close();
        script.send(1, Some(2), fin(), 1_000, b"unread");
        script.wait(seconds(30));
        let (heard, ended) = script.read();
        assert_eq!((heard == b"unread", ended), (on, on));
    }
}

#[test]
fn a_peer_that_really_shrinks_its_window_gets_everything_in_the_end() {
    // The peer grants 2,000 octets, changes its mind, and takes 200 at a time from then on.
    let mut script = Script::open(Rules::ALL, 4_096, 2_000);
    script.write(3_000);
    script.take();
    let mut taken = 1;
    for _ in 0..200 {
        script.ack(1, taken, 200);
        script.wait(seconds(3));
        for segment in script.take() {
            let (from, to) =
                (i64::from(script.relative(segment.seq)), i64::from(script.relative(segment.end())));
            if from <= taken && to > taken {
                taken = to.min(taken + 200);
            }
        }
        if taken == 3_001 {
            break;
        }
    }
    assert_eq!(taken, 3_001);
}

#[test]
fn numbers_may_wrap_in_the_middle_of_a_connection() {
    let begin = |script: &mut Script| {
        script.send(0, None, Flags::SYN, 60_000, b"");
        script.take().pop().expect("a SYN-ACK").seq
    };
    let first = begin(&mut Script::listening(Rules::ALL, 4_096));
    // The clock of initial numbers counts 4 us: at this time they stand 20,000 below zero.
    let mut script = Script::listening(Rules::ALL, 4_096);
    script.wait(Duration::from_micros(4 * u64::from((0_u32.wrapping_sub(20_000)).wrapping_sub(first.0))));
    script.iss = begin(&mut script);
    assert_eq!(script.iss.0, 0_u32.wrapping_sub(20_000));
    script.send(1, Some(1), ACK, 60_000, b"");
    for at in 1..=40 {
        script.write(1_000);
        script.wait(Duration::from_millis(1));
        script.ack(1, 1 + at * 1_000, 60_000);
    }
    let tracker = script.engine.tracker(script.flow.expect("it stands")).expect("it is there");
    assert_eq!(tracker.snd_una(), tracker.snd_max());
    assert_eq!(script.relative(script.iss + 40_001), 40_001);
    assert_eq!(script.state(), State::Established);
}
