//! Files between two machines in memory, octet by octet.

use core::time::Duration;
use proptest::prelude::*;
use sockhop::file::{
    Algorithms, Error, Event, Held, Leading, Outcome, Receiver, Refusal, Sender, SenderError, SenderEvent,
    State, Sum,
};
use sockhop::machine::Machine;
use sockhop::time::Reason;
use sockhop_tests::files::{
    Meets, STAT, attempt, every_prefix_of_an_answer_waits, every_prefix_waits, file_arrives_whole, received,
    receiver_is_cut_invariant, sender_is_cut_invariant,
};
use sockhop_tests::properties::corpus;
use sockhop_tests::shelf::{Book, Shelf};

/// A whole framed transfer, as the receiver hears it: four octets of which two are held.
const FRAMED: &[u8] = b"\0HOP\x01\x03\x04name\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\x01\xa4\
    \0\0\0\0\0\0\0\x02cd\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\
    \x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09";
/// What a receiver says that holds two octets.
const ANSWER: &[u8] =
    b"wtok\x01\0\0\0\0\0\0\0\x02\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\
    \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01";

const PLAIN: Meets =
    Meets { cut: 1_460, room: 65_536, reset_after: None, slow: false, algorithms: Algorithms::ALL };

fn book(name: &str, octets: usize) -> Book {
    let content = (0..octets).map(|at| (at * at / 7) as u8).collect();
    Book { name: name.to_owned(), content }
}

fn receiver() -> Receiver {
    Receiver::new(Algorithms::ALL, Leading::Plain)
}

/// Drains everything.
fn said(machine: &mut impl Machine) -> Vec<u8> {
    let mut out = vec![0; 600];
    let count = machine.drain(&mut out);
    out.truncate(count);
    out
}

/// Feeds everything.
fn feed(machine: &mut impl Machine, mut octets: &[u8]) {
    while !octets.is_empty() {
        octets = &octets[machine.feed(octets)..];
    }
}

#[test]
fn a_receiver_and_a_sender_take_at_most_400_octets() {
    println!("Receiver {}, Sender {} octets", size_of::<Receiver>(), size_of::<Sender<&str>>());
    assert!(size_of::<Receiver>() <= 400 && size_of::<Sender<&str>>() <= 400);
}

#[test]
fn a_whole_conversation_is_heard_to_its_end() {
    let heard = received(FRAMED, usize::MAX / 2, 600);
    assert_eq!(heard.taken, FRAMED.len());
    assert!(heard.events.last().is_some_and(|event| event.contains("Done(Verified)")), "{:?}", heard.events);
}

#[test]
fn every_prefix_of_a_conversation_waits_for_more() {
    every_prefix_waits(FRAMED);
    every_prefix_of_an_answer_waits(ANSWER);
}

#[test]
fn the_committed_corpora_are_cut_invariant() {
    let (receivers, senders) = (corpus("file_receive"), corpus("file_send"));
    assert!(receivers.len() >= 10 && senders.len() >= 8);
    receivers.iter().for_each(|input| receiver_is_cut_invariant(input));
    senders.iter().for_each(|input| sender_is_cut_invariant(input));
}

#[test]
fn a_file_arrives_whole_and_both_sides_know() {
    for octets in [0, 1, 1_000, 300_000] {
        file_arrives_whole(&book("a.bin", octets), &[], PLAIN);
    }
}

#[test]
fn what_was_received_before_a_reset_is_not_sent_again() {
    let (book, mut shelf) = (book("a.bin", 300_000), Shelf::default());
    let (sent, got) = attempt(&book, false, &mut shelf, Meets { reset_after: Some(200_000), ..PLAIN });
    assert!(sent.is_err_and(SenderError::is_truncation) && got.is_err_and(Error::is_truncation));
    assert!(shelf.files.is_empty());
    assert_eq!(attempt(&book, false, &mut shelf, PLAIN), (Ok(Outcome::Verified), Ok(Outcome::Verified)));
    assert_eq!((shelf.written, &shelf.files["a.bin"]), (300_000, &book.content));
}

#[test]
fn a_part_that_differs_is_sent_anew() {
    let (book, mut shelf) = (book("a.bin", 10_000), Shelf::default());
    let key = ("a.bin".to_owned(), Some((10_000, 1_700_000_000)));
    shelf.parts.insert(key, vec![1; 5_000]);
    assert_eq!(attempt(&book, false, &mut shelf, PLAIN).1, Ok(Outcome::Verified));
    assert_eq!((shelf.written, &shelf.files["a.bin"]), (10_000, &book.content));
}

#[test]
fn a_retry_after_a_lost_yes_sends_no_content_and_is_verified() {
    let (book, mut shelf) = (book("a.bin", 10_000), Shelf::default());
    shelf.files.insert("a.bin".to_owned(), book.content.clone());
    assert_eq!(attempt(&book, false, &mut shelf, PLAIN), (Ok(Outcome::Verified), Ok(Outcome::Verified)));
    assert_eq!(shelf.written, 0);
}

#[test]
fn a_file_of_that_name_with_other_content_stays_as_it_is() {
    let (book, mut shelf) = (book("a.bin", 10_000), Shelf::default());
    shelf.files.insert("a.bin".to_owned(), vec![1; 10_000]);
    let (sent, _) = attempt(&book, false, &mut shelf, PLAIN);
    assert_eq!(sent, Err(SenderError::Refused(Refusal::Exists)));
    assert_eq!(shelf.files["a.bin"], vec![1; 10_000]);
}

#[test]
fn a_refusal_in_the_middle_is_heard_and_the_part_is_kept() {
    let (book, mut shelf) = (book("a.bin", 3_000_000), Shelf::of(50_000));
    let (sent, got) = attempt(&book, false, &mut shelf, PLAIN);
    assert_eq!(sent, Err(SenderError::Refused(Refusal::NoSpace)));
    assert_eq!(got, Err(Error::Refused(Refusal::NoSpace)));
    assert!(shelf.files.is_empty() && shelf.parts.values().all(|part| part.len() > 40_000));
}

#[test]
fn two_classic_ends_agree_on_what_they_cannot_prove() {
    let (book, mut shelf) = (book("a.bin", 100_000), Shelf::default());
    assert_eq!(attempt(&book, true, &mut shelf, PLAIN), (Ok(Outcome::Unverified), Ok(Outcome::Unverified)));
    assert_eq!(shelf.files["a.bin"], book.content);
}

#[test]
fn a_classic_file_that_is_reset_leaves_nothing() {
    let mut shelf = Shelf::default();
    let meets = Meets { reset_after: Some(5_000), ..PLAIN };
    let (_, got) = attempt(&book("a.bin", 100_000), true, &mut shelf, meets);
    assert!(got.is_err_and(Error::is_truncation) && shelf.files.is_empty() && shelf.parts.is_empty());
}

#[test]
fn a_classic_ok_waits_for_a_quiet_second_and_padding_is_no_content() {
    let mut receiver = receiver();
    for piece in [&b"na"[..], b"me.txt", b"\0\0\0\0", &[0; 100]] {
        feed(&mut receiver, piece);
        let patience = receiver.patience().expect("it waits for time");
        assert!(patience.limit == Duration::from_secs(1) || receiver.state() != State::Naming);
        assert_eq!(said(&mut receiver), b"");
    }
    assert_eq!(receiver.patience().map(|patience| patience.reason), Some(Reason::Pause));
    receiver.expire();
    assert!(matches!(receiver.poll(), Ok(Event::Offer(offer)) if offer.name.as_str() == "name.txt"));
    receiver.feed(&[0; 7]);
    receiver.accept(Held { octets: 0, sum: Sum([0; 32]) });
    assert_eq!(receiver.feed(b"content"), 0);
    assert_eq!(said(&mut receiver), b"ok");
    assert!(matches!(receiver.poll(), Ok(Event::Content { at: 0, .. })));
}

#[test]
fn a_classic_name_ends_at_a_nul_a_line_feed_or_a_pause() {
    for (field, name) in [(&b"a b.txt"[..], "a b.txt"), (b"a\0junk", "a"), (b"a\r\n", "a"), (b"a\n", "a")] {
        let mut receiver = receiver();
        feed(&mut receiver, field);
        receiver.expire();
        assert!(
            matches!(receiver.poll(), Ok(Event::Offer(offer)) if offer.name.as_str() == name),
            "{field:?}"
        );
    }
}

#[test]
fn a_classic_name_of_256_octets_or_one_that_goes_on_after_its_pause_is_refused() {
    let mut long = receiver();
    feed(&mut long, &[b'a'; 256]);
    long.expire();
    assert_eq!(long.refusal(), Some(Refusal::BadName));
    let mut split = receiver();
    feed(&mut split, b"half a ");
    split.expire();
    split.feed(b"name");
    assert_eq!(split.refusal(), Some(Refusal::BadName));
    assert_eq!(said(&mut split), b"no, the name is not safe");
}

#[test]
fn a_receiver_that_only_says_ok_is_known_for_a_classic_one() {
    let mut sender = Sender::new("a", STAT, Algorithms::ALL).expect("a safe name");
    said(&mut sender);
    assert_eq!(sender.patience().map(|patience| patience.limit), Some(Duration::from_secs(60)));
    assert_eq!(sender.feed(b"ok"), 2);
    assert_eq!(sender.patience().map(|patience| patience.limit), Some(Duration::from_secs(2)));
    sender.expire();
    assert_eq!(sender.poll(), Err(nb::Error::Other(SenderError::Classic)));
}

#[test]
fn a_classic_receiver_that_says_anything_but_ok_is_shown() {
    let mut sender = Sender::classic("a", STAT).expect("a safe name");
    assert_eq!(said(&mut sender), b"a");
    feed(&mut sender, b"once, and no more");
    sender.end();
    assert_eq!(sender.poll(), Err(nb::Error::Other(SenderError::Unknown(0))));
    assert_eq!(sender.text(), b"once, and no more");
}

#[test]
fn a_refusal_is_heard_while_content_is_sent() {
    let mut sender = Sender::new("a", STAT, Algorithms::ALL).expect("a safe name");
    said(&mut sender);
    sender.feed(b"ok\x01\0\0\0\0\0\0\0\0");
    assert_eq!(said(&mut sender), [0; 8]);
    assert_eq!(sender.poll(), Ok(SenderEvent::Send { offset: 0, left: 300 }));
    sender.advance(100);
    feed(&mut sender, b"no\x04\x05never");
    sender.feed(b"x");
    assert_eq!(sender.poll(), Err(nb::Error::Other(SenderError::Refused(Refusal::NoSpace))));
    assert_eq!(sender.text(), b"never");
}

#[test]
fn a_refused_sender_may_go_on_for_a_mebibyte_and_no_more() {
    let mut receiver = receiver();
    feed(&mut receiver, b"\0HOP\x02");
    assert_eq!(said(&mut receiver)[..3], *b"no\x0a");
    assert_eq!(receiver.poll(), Ok(Event::Finish));
    receiver.finish();
    let mut discarded = 0;
    while receiver.state() == State::Discarding {
        assert_eq!(receiver.poll(), Err(nb::Error::WouldBlock));
        discarded += receiver.feed(&[0; 1_000]);
    }
    assert_eq!(discarded, 1 << 20);
    assert_eq!(receiver.poll(), Err(nb::Error::Other(Error::Refused(Refusal::Version))));
}

#[test]
fn nothing_common_to_digest_with_is_refused_before_anything_is_sent() {
    let heard = received(b"\0HOP\x01\xfc\x01a", 1, 1);
    assert_eq!(heard.said[..3], *b"no\x07");
}

proptest! {
    #[test]
    fn any_octets_are_heard_alike_however_they_are_cut(
        head in prop::sample::select(vec![&b""[..], b"\0", b"\0HOP", b"\0HOP\x01\x03", b"name"]),
        rest in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        receiver_is_cut_invariant(&[head, &rest].concat());
    }

    #[test]
    fn nearly_right_transfers_are_heard_alike_however_they_are_cut(at in 0..FRAMED.len(), octet in any::<u8>()) {
        let mut input = FRAMED.to_vec();
        input[at] = octet;
        receiver_is_cut_invariant(&input);
    }

    #[test]
    fn nearly_right_answers_are_heard_alike_however_they_are_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            &b"ok"[..], b"wt", b"no", b"\0\0\0\0\0\0\0\0\0", b"\x01\0\0\0\0\0\0\0\x02", &[1; 32], b"\x04\x02hi", b"x",
        ]), 0..8),
    ) {
        sender_is_cut_invariant(&pieces.concat());
    }

    #[test]
    fn a_file_arrives_whole_through_any_cut_and_after_any_resets(
        octets in 0_usize..3_000,
        resets in prop::collection::vec(0_u64..3_200, 0..4),
        cut in 1_usize..400,
        room in 1_usize..2_000,
        slow in any::<bool>(),
        algorithms in (1_u8..4).prop_map(Algorithms),
    ) {
        let meets = Meets { cut, room, reset_after: None, slow, algorithms };
        file_arrives_whole(&book("a.bin", octets), &resets, meets);
    }
}
