//! What somebody who cannot see a connection, or does not mean to serve it, can do to it: nothing, or nothing for long.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use sockhop::tcp::{Empty, Flags, Rules, Segment, Seq, State};
use sockhop::time::Reason;
use sockhop_hosted::engine::{Config, Engine, Event, Wire};
use sockhop_hosted::lab::{Play, Scenario, Session, play};
use sockhop_hosted::link::Dice;
use sockhop_hosted::proxy::End;
use sockhop_tests::script::{PEER, Script};
use std::collections::HashSet;

const ACK: Flags = Flags::ACK;

#[derive(Default)]
struct Sent(Vec<Segment>);

impl Wire for Sent {
    fn transmit(&mut self, packet: &[u8]) {
        self.0.push(Segment::parse(packet).expect("a whole segment"));
    }
}

/// Returns the initial numbers that an engine with this key gives to SYNs from these ports, a millisecond apart.
fn numbers(key: u64, ports: core::ops::Range<u16>) -> Vec<u32> {
    let (here, there) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let mut engine = Engine::new(Config::new(vec![(IpAddr::from(here), 24)], 1_500, [key, 5]), ());
    engine.listen(SocketAddr::from((here, 80)), 0);
    let (mut sent, mut now) = (Sent::default(), sockhop::time::Instant::ZERO);
    for port in ports {
        now = now + Duration::from_millis(1);
        let syn = Empty { seq: Seq(7), ack: Seq(0), flags: Flags::SYN, window: 1_000 };
        let mut packet = [0; 60];
        let length = syn.write(SocketAddr::from((there, port)), SocketAddr::from((here, 80)), &mut packet);
        engine.ingress(now, &mut packet[..length], &mut sent);
        engine.flush(now, &mut sent);
    }
    // A SYN-ACK that is repeated says nothing new.
    let mut known = HashSet::new();
    sent.0.iter().filter(|segment| known.insert(segment.dst.port())).map(|segment| segment.seq.0).collect()
}

#[test]
fn observed_initial_numbers_predict_nothing() {
    let seen = numbers(1, 1_000..3_000);
    assert_eq!(seen.len(), 2_000);
    // The next number is not the last one plus a difference that was seen before.
    let differences: HashSet<u32> = seen.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert!(differences.len() > 1_990, "{} differences", differences.len());
    let hits = seen.windows(3).filter(|three| {
        let guess = three[1].wrapping_add(three[1].wrapping_sub(three[0]));
        three[2].wrapping_sub(guess).cast_signed().unsigned_abs() < 65_536
    });
    assert!(hits.count() <= 3, "a window of 65,536 around a straight line is hit by chance only");
    // Nor does somebody else's key help.
    let other = numbers(2, 1_000..3_000);
    let near = seen.iter().zip(&other).filter(|(a, b)| a.wrapping_sub(**b) < 65_536).count();
    assert!(near <= 3, "{near} numbers are shared by two keys");
    // Every part of the numbers' space is used alike: 16 parts of 125 numbers each, give or take.
    let mut parts = [0_u32; 16];
    seen.iter().for_each(|number| parts[(number >> 28) as usize] += 1);
    assert!(parts.iter().all(|part| (75..175).contains(part)), "{parts:?}");
}

#[test]
fn blind_resets_and_syns_inside_the_window_change_nothing() {
    let mut script = Script::open(Rules::ALL, 65_535, 65_535);
    let mut dice = Dice::new(1);
    for _ in 0..5_000 {
        let seq = 2 + i64::try_from(dice.below(65_000)).expect("small");
        let flags = if dice.below(2) == 0 { Flags::RST } else { Flags::SYN };
        script.send(seq, None, flags, 1_000, b"");
        assert_eq!(script.state(), State::Established);
    }
    assert!(script.take().len() <= 4, "and are challenged once a second");
    script.send(1, Some(1), ACK, 1_000, b"still here");
    assert_eq!(script.read().0, b"still here");
}

#[test]
fn a_record_in_time_wait_ignores_resets_and_yields_to_a_new_connection_only() {
    let mut script = Script::open(Rules::ALL, 4_096, 4_096);
    script.write(1_000);
    script.close();
    script.send(1, Some(1_002), Flags::FIN | ACK, 4_096, b"");
    assert!(script.read().1, "the peer has ended");
    let last = script.iss + 1_002;
    let flow = script.flow.take().expect("it stood");
    script.engine.release(flow);
    script.wait(Duration::from_secs(1));
    assert_eq!(script.engine.load().time_wait, 1);
    script.take();
    script.send(2, None, Flags::RST, 0, b"");
    script.send(-50, None, Flags::SYN, 4_096, b"");
    assert_eq!(script.engine.load().time_wait, 1, "neither a reset nor an old SYN ends it");
    script.send(1, Some(1_002), Flags::FIN | ACK, 4_096, b"");
    let answer = script.take().pop().expect("a repeated FIN is acknowledged again");
    assert_eq!((answer.flags, answer.ack), (ACK, Seq(PEER + 2)));
    script.send(70_000, None, Flags::SYN, 4_096, b"");
    let answer = script.take().pop().expect("a new SYN is answered");
    assert!(answer.flags.contains(Flags::SYN | ACK) && answer.seq.is_after(last), "beyond the old numbers");
    assert_eq!(script.engine.load().time_wait, 0);
}

#[test]
fn ten_thousand_syns_that_are_never_answered_leave_an_honest_client_served() {
    let mut script = Script::listening(Rules::ALL, 4_096);
    for flood in 0..10_000_u32 {
        let bytes = flood.to_be_bytes();
        let from = SocketAddr::from(([10, 0, 0, 100 + bytes[2] % 100], 1_024 + u16::from(bytes[3])));
        let from = SocketAddr::new(from.ip(), from.port() + u16::from(bytes[2]) * 256);
        let syn = Empty { seq: Seq(flood), ack: Seq(0), flags: Flags::SYN, window: 1_000 };
        let mut packet = [0; 60];
        let length = syn.write(from, SocketAddr::new(script.address(), 80), &mut packet);
        script.deliver(&mut packet[..length]);
    }
    let load = script.engine.load();
    assert!(load.half_open <= 4_096 && load.flows <= 4_096, "{load:?}");
    script.take();
    script.send(0, None, Flags::SYN, 1_000, b"");
    script.iss = script.take().pop().expect("the honest SYN is answered").seq;
    script.send(1, Some(1), ACK, 1_000, b"hello");
    assert_eq!(script.read().0, b"hello");
    script.wait(Duration::from_secs(40));
    assert_eq!((script.engine.load().half_open, script.state()), (0, State::Established));
}

#[test]
fn a_closed_port_is_answered_at_a_limited_rate() {
    let mut script = Script::listening(Rules::ALL, 4_096);
    for flood in 0..10_000_u32 {
        let syn = Empty { seq: Seq(flood), ack: Seq(0), flags: Flags::SYN, window: 1_000 };
        let mut packet = [0; 60];
        let from = SocketAddr::from(([10, 0, 0, 9], 2_000));
        let length = syn.write(from, SocketAddr::new(script.address(), 81), &mut packet);
        script.deliver(&mut packet[..length]);
    }
    assert_eq!(script.take().len(), 1_000, "that is the limit of a second");
    assert_eq!(script.engine.counters().unanswered, 9_000);
}

#[test]
fn a_packet_that_claims_to_come_from_ourselves_is_nobodys() {
    let mut script = Script::listening(Rules::ALL, 4_096);
    let here = SocketAddr::new(script.address(), 80);
    let syn = Empty { seq: Seq(1), ack: Seq(0), flags: Flags::SYN, window: 1_000 };
    let mut packet = [0; 60];
    let length = syn.write(here, here, &mut packet);
    script.deliver(&mut packet[..length]);
    assert!(script.take().is_empty() && script.engine.load().flows == 0, "LAND");
}

#[test]
fn a_reader_that_never_reads_again_is_dropped_and_the_reason_is_told() {
    let mut scenario = Scenario::named("socks5").expect("it is there");
    let Play::Socks(session) = &mut scenario.play else { panic!("it goes through a proxy") };
    let never = Some((Duration::from_millis(200), Duration::from_secs(3_000)));
    *session = Session { up: 0, down: 120_000, client_closes: false, pause: never, ..session.clone() };
    let outcome = play(&scenario, 1).expect("it starts");
    let report = outcome.report.expect("the session is over");
    assert_eq!(report.end, End::Expired(Reason::HalfClose), "{report}");
    assert!(report.to_string().contains("one side had ended and the other stayed silent"), "{report}");
}

#[test]
fn a_peer_that_never_ends_is_dropped_from_fin_wait_2() {
    let mut script = Script::open(Rules::ALL, 4_096, 4_096);
    script.close();
    script.ack(1, 2, 4_096);
    assert_eq!(script.state(), State::FinWait2);
    let flow = script.flow.take().expect("it stands");
    script.engine.release(flow);
    script.take();
    script.wait(Duration::from_secs(61));
    let sent = script.take();
    assert!(sent.iter().any(|segment| segment.flags.contains(Flags::RST)), "{sent:?}");
    assert_eq!((script.engine.load().flows, script.engine.counters().expired), (0, 1));
}

#[test]
fn a_peer_that_vanishes_is_given_up_after_five_minutes_and_not_taken_for_a_reset() {
    let mut script = Script::open(Rules::ALL, 4_096, 4_096);
    script.write(100);
    script.wait(Duration::from_secs(299));
    assert_eq!(script.state(), State::Established);
    script.wait(Duration::from_secs(2));
    assert_eq!(script.state(), State::Closed);
    let flow = script.flow.expect("its owner has it");
    let mut socket = script.engine.stream(flow).expect("until it is released");
    let read = sockhop::relay::Stream::read(&mut socket, &mut [0; 8]);
    assert_eq!(read, Err(nb::Error::Other(sockhop::relay::Broken::TimedOut)));
    while let Some(event) = script.engine.next_event() {
        assert!(matches!(event, Event::Ready(_)));
    }
}
