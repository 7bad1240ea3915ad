//! The SOCKS5 machines, octet by octet.

use proptest::prelude::*;
use sockhop::machine::Machine;
use sockhop::socks5::{Command, Error, Login, Refusal, Server, State};
use sockhop_tests::properties::{
    any_server_is_cut_invariant, both_sides_agree, client_is_cut_invariant, corpus, datagram_is_read_back,
    every_prefix_waits, server_is_cut_invariant, socks4_client_is_cut_invariant, transcript,
};

const CONNECT: &[u8] = b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50GET";
const BY_NAME: &[u8] = b"\x05\x02\x00\x02\x05\x01\x00\x03\x09localhost\x00\x50";
const WITH_PASSWORD: &[u8] = b"\x05\x01\x02\x01\x04user\x04pass\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50";

fn said(input: &[u8], login: Login) -> Vec<u8> {
    transcript(input, &[usize::MAX], 64, login).said
}

#[test]
fn a_granted_connect_is_told_our_end_and_leaves_what_follows() {
    let heard = transcript(CONNECT, &[1], 1, Login::Open);
    assert_eq!(heard.said, b"\x05\x00\x05\x00\x00\x01\xc0\x00\x02\x07\x10\x00");
    assert_eq!(heard.taken, CONNECT.len() - 3);
    assert_eq!(heard.state, Some(State::Relaying));
}

#[test]
fn the_method_wanted_is_found_among_255() {
    let mut input = vec![5, 255];
    input.extend((0..254).map(|octet| 3 + (octet % 250) as u8));
    input.push(0);
    assert_eq!(said(&input, Login::Open), b"\x05\x00");
}

#[test]
fn an_offer_without_the_method_wanted_is_answered_ff() {
    assert_eq!(said(b"\x05\x01\x00", Login::Password), b"\x05\xff");
    assert_eq!(said(b"\x05\x00", Login::Open), b"\x05\xff");
    let heard = transcript(b"\x05\x01\x01\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", &[99], 64, Login::Open);
    assert_eq!(
        (heard.said, heard.taken),
        (b"\x05\xff".to_vec(), 3),
        "and the request behind it is not heard"
    );
}

#[test]
fn what_is_no_socks5_is_not_answered() {
    for input in [&b"\x06\x01\x00"[..], b"GET / HTTP/1.1\r\n", b"\x04\x01\x00\x50"] {
        let heard = transcript(input, &[99], 64, Login::Open);
        assert_eq!((heard.said.len(), heard.state), (0, Some(State::Failed)));
        assert_eq!(heard.taken, 1, "one octet tells");
    }
}

#[test]
fn unknown_commands_and_address_types_have_their_codes() {
    let reply = |request: &[u8]| {
        let input = [b"\x05\x01\x00", request].concat();
        said(&input, Login::Open)[3]
    };
    assert_eq!(reply(b"\x05\x3f\x00\x01\x7f\x00\x00\x01\x00\x50"), 7);
    assert_eq!(reply(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"), 7);
    assert_eq!(reply(b"\x05\x01\x00\x02"), 8);
    assert_eq!(reply(b"\x05\x01\x00\x03\x00\x00\x50"), 1, "an empty name");
    assert_eq!(reply(b"\x05\x01\x07\x01\x7f\x00\x00\x01\x00\x50"), 0, "a reserved octet says nothing");
}

#[test]
fn empty_names_and_passwords_and_a_wrong_version_are_refused() {
    for login in [&b"\x01\x00\x00"[..], b"\x01\x00\x04pass", b"\x01\x04user\x00", b"\x05\x04user\x04pass"] {
        let input = [b"\x05\x01\x02", login].concat();
        let heard = transcript(&input, &[99], 64, Login::Password);
        assert_eq!((heard.said, heard.state), (b"\x05\x02\x01\x01".to_vec(), Some(State::Failed)));
    }
}

#[test]
fn a_wrong_password_is_told_and_nothing_behind_it_is_served() {
    let input = b"\x05\x01\x02\x01\x01u\x04pass\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50";
    let heard = transcript(input, &[99], 64, Login::Password);
    assert_eq!(heard.said, b"\x05\x02\x01\x01");
    assert_eq!(heard.taken, 3 + 8);
}

#[test]
fn nul_octets_stay_part_of_names_and_passwords() {
    let input = b"\x05\x01\x02\x01\x09user\0junk\x04pass";
    let heard = transcript(input, &[99], 64, Login::Password);
    assert!(heard.events[0].contains("117, 115, 101, 114, 0, 106"), "{}", heard.events[0]);
}

#[test]
fn a_refusal_is_drained_before_it_is_an_error() {
    let mut server: Server = Server::new(Login::Open);
    server.feed(b"\x05\x01\x00");
    server.drain(&mut [0; 2]);
    server.feed(b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50");
    server.answer(Err(Refusal::ConnectionRefused));
    for _ in 0..10 {
        assert_eq!(server.poll(), Err(nb::Error::WouldBlock));
        server.drain(&mut [0]);
    }
    assert_eq!(server.poll(), Err(nb::Error::Other(Error::Refused(Refusal::ConnectionRefused))));
}

#[test]
fn time_runs_out_with_a_reply_where_there_is_one() {
    let mut server: Server = Server::new(Login::Open);
    server.feed(b"\x05\x01\x00");
    server.drain(&mut [0; 2]);
    server.feed(b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50");
    server.expire();
    let mut reply = [0; 10];
    server.drain(&mut reply);
    assert_eq!(reply[1], Refusal::TtlExpired.code());
    let mut silent: Server = Server::new(Login::Open);
    silent.expire();
    assert_eq!(silent.poll(), Err(nb::Error::Other(Error::Expired(State::Greeting))));
}

#[test]
fn every_prefix_of_a_conversation_waits_for_more() {
    every_prefix_waits(CONNECT, Login::Open);
    every_prefix_waits(BY_NAME, Login::Open);
    every_prefix_waits(WITH_PASSWORD, Login::Password);
}

#[test]
fn the_committed_corpus_is_cut_invariant() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/socks5_parse");
    let mut seeds = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus is part of the repository") {
        let input = std::fs::read(entry.expect("a folder can be listed").path()).expect("a seed can be read");
        server_is_cut_invariant(&input);
        client_is_cut_invariant(&input);
        seeds += 1;
    }
    assert!(seeds >= 10, "{seeds} seeds");
}

#[test]
fn a_server_with_names_and_passwords_takes_at_most_600_octets() {
    println!("size_of::<Server>() = {} octets", size_of::<Server>());
    assert!(size_of::<Server>() <= 600);
}

proptest! {
    #[test]
    fn any_octets_are_heard_alike_however_they_are_cut(input in proptest::collection::vec(any::<u8>(), 0..700)) {
        server_is_cut_invariant(&input);
        client_is_cut_invariant(&input);
    }

    #[test]
    fn nearly_right_conversations_are_heard_alike_however_they_are_cut(
        base in prop_oneof![Just(CONNECT), Just(BY_NAME), Just(WITH_PASSWORD)],
        at in 0_usize..64,
        octet in any::<u8>(),
    ) {
        let mut input = base.to_vec();
        let place = at % input.len();
        input[place] = octet;
        server_is_cut_invariant(&input);
    }

    #[test]
    fn client_and_server_agree_through_any_cut(
        name in proptest::collection::vec(any::<u8>(), 0..300),
        port in 1_u16..,
        login in any::<bool>(),
        command in prop::sample::select(Command::ALL.to_vec()),
        cut in 1_usize..64,
    ) {
        both_sides_agree(command, &name, port, login, cut);
    }
}

proptest! {
    #[test]
    fn any_version_is_heard_alike_however_it_is_cut(
        head in prop::sample::select(vec![&b"\x04\x01\x00\x50\xc0\x00\x02\x01"[..], b"\x04\x02\x00\x50\0\0\0\x01", b"\x05\x01\x00", b""]),
        rest in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..700),
    ) {
        any_server_is_cut_invariant(&[head, &rest].concat());
    }
}

#[test]
fn a_name_is_told_its_address_and_an_address_its_name_and_nothing_follows() {
    let resolve = b"\x05\x01\x00\x05\xf0\x00\x03\x01a\x00\x00more";
    let heard = transcript(resolve, &[1], 1, Login::Open);
    assert_eq!(heard.said, b"\x05\x00\x05\x00\x00\x01\xc0\x00\x02\x07\x10\x00");
    assert_eq!((heard.taken, heard.state), (resolve.len() - 4, Some(State::Resolved)));
    let reverse = b"\x05\x01\x00\x05\xf1\x00\x01\xc0\x00\x02\x01\x00\x00";
    let heard = transcript(reverse, &[1], 1, Login::Open);
    assert_eq!(heard.said, b"\x05\x00\x05\x00\x00\x03\x0eorigin.example\x00\x00");
    assert_eq!(heard.events.last().map(String::as_str), Some("Ok(Close)"));
}

#[test]
fn a_name_that_does_not_fit_its_reply_is_a_general_failure_and_none_is_cut() {
    let replied = |name: &[u8]| {
        let mut server: Server = Server::new(Login::Open);
        server.feed(b"\x05\x01\x00");
        server.drain(&mut [0; 2]);
        server.feed(b"\x05\xf1\x00\x01\xc0\x00\x02\x01\x00\x00");
        server.name(Ok(name));
        let mut reply = [0; 300];
        let count = server.drain(&mut reply);
        (reply[1], count)
    };
    assert_eq!(replied(&[b'a'; 255]), (0, 5 + 255 + 2));
    assert_eq!(replied(&[b'a'; 256]), (1, 10));
    assert_eq!(replied(b""), (1, 10));
}

#[test]
fn the_committed_corpora_of_clients_are_cut_invariant() {
    corpus("socks5_client").iter().for_each(|input| client_is_cut_invariant(input));
    corpus("socks4_client").iter().for_each(|input| socks4_client_is_cut_invariant(input));
}

#[test]
fn the_committed_corpus_of_any_version_is_cut_invariant() {
    corpus("socks4_parse").iter().for_each(|input| any_server_is_cut_invariant(input));
}

proptest! {
    #[test]
    fn a_datagrams_header_is_read_back(
        head in prop::sample::select(vec![&[0, 0, 0, 1][..], &[0, 0, 0, 4], &[0, 0, 0, 3, 5], &[0, 0, 1, 1], &[]]),
        rest in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        datagram_is_read_back(&[head, &rest].concat());
    }
}

#[test]
fn the_committed_corpus_of_datagrams_is_read_back() {
    corpus("udp_header").iter().for_each(|input| datagram_is_read_back(input));
}

proptest! {
    #[test]
    fn nearly_right_replies_are_heard_alike_however_they_are_cut(
        pieces in prop::collection::vec(prop::sample::select(vec![
            &b"\x05\x00"[..], b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x01\xc0\x00\x02\x01\x12\x34",
            b"\x05\x00\x00\x03\x05proxy\x12\x34", b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0", b"\x05\x00\x00\x03\x00\x12\x34", b"\x05\x05\x00\x03\x01a\x00\x00",
            b"\x00\x5a\x12\x34\xc0\x00\x02\x01", b"\x00\x5b\0\0\0\0\0\0", b"\x05", b"\x00", b"\xff",
        ]), 0..6),
    ) {
        client_is_cut_invariant(&pieces.concat());
    }
}
