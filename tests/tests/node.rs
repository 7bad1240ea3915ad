//! A device's stack and proxy against an engine, on good and bad cables, among floods and holders.

use core::net::{SocketAddr, SocketAddrV4};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use sockhop::node::{Blocking, End, FlowId, Shared};
use sockhop::relay::Stream;
use sockhop::tcp::{Empty, Flags, Law, Seq, State};
use sockhop::time::{Instant, Reason};
use sockhop_hosted::link::{Dice, Path};
use sockhop_hosted::sim::violations;
use sockhop_tests::desk;
use sockhop_tests::desk::{CLIENTS, Client, DEVICE, Desk, ECHO, HOST, SILENT, connect};

const GRANTED: usize = 2 + 10;
const MINUTE: Duration = Duration::from_secs(60);

fn good() -> Path {
    Path { delay: Duration::from_millis(2), ..Path::default() }
}

fn bad() -> Path {
    Path {
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(10),
        loss: 50,
        duplicate: 20,
        reorder: 50,
        corrupt: 20,
        ..Path::default()
    }
}

fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(HOST.into(), port)
}

fn pattern(length: usize) -> Vec<u8> {
    let mut dice = Dice::new(length as u64);
    (0..length).map(|_| dice.roll().to_le_bytes()[4]).collect()
}

/// Asks for the echo of some octets behind a request, and ends.
fn ask(desk: &mut Desk, octets: &[u8]) -> Client {
    let mut client = desk.client();
    client.say(&connect(at(ECHO)));
    client.say(octets);
    client.close();
    client
}

fn echoed(client: &Client, octets: &[u8]) -> bool {
    client.end == Some(Ok(())) && client.heard.get(GRANTED..) == Some(octets)
}

/// Holds the device's events against RFC 9293, but for its TIME-WAIT: it remembers eight connections and no more.
fn assert_legal(desk: &Desk) {
    let violation = violations(desk.node.told().sink()).find(|found| found.law != Law::TwoMsl);
    assert_eq!(violation, None, "{}", violation.map(|found| found.to_string()).unwrap_or_default());
}

#[test]
fn octets_go_both_ways_and_each_side_closes_behind_its_own() {
    let mut desk = Desk::new(&good(), 1);
    let octets = pattern(100_000);
    let mut clients = [ask(&mut desk, &octets), ask(&mut desk, &octets[..7])];
    assert!(desk.run(&mut clients, MINUTE, |desk, _| desk.reports.len() == 2));
    desk.run(&mut clients, MINUTE, |_, clients| clients.iter().all(|client| client.end.is_some()));
    assert!(echoed(&clients[0], &octets) && echoed(&clients[1], &octets[..7]));
    assert!(desk.reports.iter().all(|report| report.end == End::Complete));
    assert_eq!(desk.reports[1].octets, (100_000, 100_000));
    assert_legal(&desk);
}

#[test]
fn on_a_bad_cable_nothing_is_lost_or_cut_short() {
    for seed in 0..60 {
        let mut desk = Desk::new(&bad(), seed);
        let octets = pattern(6_000 + usize::try_from(seed).expect("small"));
        let mut clients = [ask(&mut desk, &octets), ask(&mut desk, &octets)];
        let done = desk
            .run(&mut clients, 20 * MINUTE, |_, clients| clients.iter().all(|client| client.end.is_some()));
        assert!(done, "seed {seed} stands still");
        assert!(clients.iter().all(|client| echoed(client, &octets)), "seed {seed}: {:?}", desk.reports);
        assert_legal(&desk);
    }
}

#[test]
fn a_client_too_many_is_refused_in_good_order_and_served_once_there_is_a_place() {
    let mut desk = Desk::new(&good(), 2);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| desk.client()).collect();
    clients.iter_mut().for_each(|client| client.say(&connect(at(SILENT))));
    let granted =
        |_: &mut Desk, clients: &[Client]| clients.iter().all(|client| client.heard.len() == GRANTED);
    assert!(desk.run(&mut clients, MINUTE, granted));
    clients.push(ask(&mut desk, b""));
    assert!(desk.run(&mut clients, MINUTE, |_, clients| clients[CLIENTS].end.is_some()));
    assert_eq!(clients[CLIENTS].heard[..4], [5, 0, 5, 1], "general failure, as RFC 1928 §6 numbers it");
    assert_eq!(clients[CLIENTS].end, Some(Ok(())));
    clients.iter_mut().for_each(Client::close);
    assert!(desk.run(&mut clients, 10 * MINUTE, |desk, _| desk.proxy.is_empty()));
    let mut client = [ask(&mut desk, b"again")];
    assert!(desk.run(&mut client, MINUTE, |_, client| client[0].end.is_some()));
    assert!(echoed(&client[0], b"again"));
}

#[test]
fn a_target_that_refuses_or_is_not_allowed_is_named_so() {
    for (target, code) in [(at(1), 5), (SocketAddrV4::new(DEVICE.into(), 1_080), 2)] {
        let mut desk = Desk::new(&good(), 3);
        let mut client = [desk.client()];
        client[0].say(&connect(target));
        client[0].close();
        assert!(desk.run(&mut client, MINUTE, |_, client| client[0].end.is_some()));
        assert_eq!(client[0].heard[..4], [5, 0, 5, code], "{target}");
    }
}

#[test]
fn a_flood_of_syns_keeps_nobody_out() {
    let mut desk = Desk::new(&good(), 4);
    let mut dice = Dice::new(4);
    let mut clients: Vec<Client> = vec![];
    for _ in 0..400 {
        for _ in 0..4 {
            let from =
                SocketAddr::from(([10, 0, 0, 99], 1_024 + u16::try_from(dice.below(60_000)).expect("small")));
            let syn = Empty { seq: Seq(9), ack: Seq(0), flags: Flags::SYN, window: 1_000 };
            let mut packet = [0; 60];
            let length = syn.write(from, SocketAddr::from((DEVICE, 1_080)), &mut packet);
            desk.inject(&packet[..length]);
        }
        desk.settle(&mut clients);
        desk.advance(desk.now() + Duration::from_millis(10));
    }
    assert!(desk.node.counters().evicted > 1_000);
    clients.push(ask(&mut desk, b"through"));
    assert!(desk.run(&mut clients, MINUTE, |_, clients| clients[0].end.is_some()));
    assert!(echoed(&clients[0], b"through"));
    assert_legal(&desk);
}

#[test]
fn a_storm_of_resets_and_clients_that_vanish_leaves_every_place_free() {
    let mut desk = Desk::new(&good(), 5);
    let mut dice = Dice::new(5);
    for round in 0..40 {
        let mut client = [desk.client()];
        client[0].say(&connect(at(ECHO)));
        client[0].say(&pattern(3_000));
        let until = desk.now() + Duration::from_millis(dice.below(40));
        while desk.now() < until {
            desk.settle(&mut client);
            desk.advance(until);
        }
        let from = desk.local(&client[0]);
        for _ in 0..20 {
            let seq = Seq(dice.roll().to_le_bytes()[0].into());
            let reset = Empty { seq, ack: Seq(0), flags: Flags::RST, window: 0 };
            let mut packet = [0; 60];
            let length = reset.write(from, SocketAddr::from((DEVICE, 1_080)), &mut packet);
            desk.inject(&packet[..length]);
        }
        if round % 2 == 0 {
            client[0].abort(&mut desk.engine);
        } else {
            client[0].close();
        }
        desk.run(&mut client, MINUTE, |desk, _| desk.proxy.is_empty());
    }
    assert!(desk.run(&mut [], 10 * MINUTE, |desk, _| desk.proxy.is_empty()));
    let mut client = [ask(&mut desk, b"still here")];
    assert!(desk.run(&mut client, MINUTE, |_, client| client[0].end.is_some()));
    assert!(echoed(&client[0], b"still here"));
    assert_legal(&desk);
}

#[test]
fn a_client_that_stays_silent_is_given_up_with_its_reason() {
    let mut desk = Desk::new(&good(), 6);
    let mut clients: Vec<Client> = (0..=CLIENTS).map(|_| desk.client()).collect();
    assert!(desk.run(&mut clients, MINUTE, |desk, _| desk.reports.len() > CLIENTS));
    assert!(desk.now().micros() < 17_000_000, "after the 15 seconds of a handshake, not {}", desk.now());
    assert!(desk.reports.iter().all(|report| matches!(report.end, End::Failed(_))), "{:?}", desk.reports);
}

#[test]
fn a_relay_without_an_octet_is_given_up_after_five_minutes() {
    let mut desk = Desk::new(&good(), 7);
    let mut client = [desk.client()];
    client[0].say(&connect(at(SILENT)));
    assert!(desk.run(&mut client, 10 * MINUTE, |desk, _| !desk.reports.is_empty()));
    assert_eq!(desk.reports[0].end, End::Expired(Reason::Idle));
    assert_eq!(desk.now().micros() / 60_000_000, 5);
}

#[test]
fn a_fin_that_is_repeated_is_acknowledged_after_the_socket_has_gone() {
    let mut path = good();
    let mut desk = Desk::new(&path, 8);
    let mut client = [ask(&mut desk, b"x")];
    assert!(desk.run(&mut client, MINUTE, |desk, _| desk.reports.len() == 1));
    // The acknowledgment of the origin's FIN is lost for a while: its end waits in LAST-ACK.
    path.cuts = vec![(desk.now().since(Instant::ZERO), Duration::from_secs(9))];
    desk.back = sockhop_hosted::link::Pipe::new(path, 8);
    desk.run(&mut client, 2 * MINUTE, |desk, _| desk.engine.load().flows == 0);
    assert_eq!(desk.engine.load().flows, 0, "the origin's end has heard the acknowledgment");
    assert_eq!(desk.state(&client[0]), State::Closed);
}

/// Opens a connection of the device's own to the echo.
fn dial(desk: &mut Desk) -> FlowId {
    let flow = desk.node.connect(at(ECHO)).expect("a free place");
    assert!(desk.run(&mut [], MINUTE, |desk, _| desk.node.state(flow) == State::Established));
    flow
}

#[test]
fn a_connection_is_read_and_written_as_an_embedded_io_stream() {
    use embedded_io::{Error as _, ErrorKind, Read, Write};
    let mut desk = Desk::new(&good(), 10);
    let flow = dial(&mut desk);
    let now = desk.now();
    Blocking::new(&mut desk.node, flow, || now).write_all(b"to and fro").expect("it is taken");
    desk.run(&mut [], MINUTE / 60, |_, _| false);
    let now = desk.now();
    let mut stream = Blocking::new(&mut desk.node, flow, || now);
    stream.flush().expect("it was acknowledged");
    let mut heard = [0; 10];
    stream.read_exact(&mut heard).expect("it came back");
    assert_eq!(&heard, b"to and fro");
    desk.node.stream(flow).expect("it stands").abort();
    desk.run(&mut [], MINUTE / 60, |_, _| false);
    let broken = Blocking::new(&mut desk.node, flow, || now).read(&mut heard).expect_err("it is over");
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_task_that_waits_for_a_connection_is_woken_when_the_node_works() {
    use core::cell::RefCell;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};
    use embedded_io_async::{Read, Write};
    let mut desk = Desk::new(&good(), 11);
    let flow = dial(&mut desk);
    let Desk { engine, node, .. } = desk;
    drop(engine);
    let node = RefCell::new(node);
    let (woken, mut heard) = (std::sync::Arc::new(Woken::default()), [0; 4]);
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let mut stream = Shared::new(&node, flow);
    let write = pin!(stream.write(b"octets")).as_mut().poll(&mut context);
    assert!(matches!(write, Poll::Ready(Ok(6))));
    let mut read = pin!(stream.read(&mut heard));
    assert!(read.as_mut().poll(&mut context).is_pending());
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    node.borrow_mut().poll(Instant::from_micros(60_000_000));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(read.as_mut().poll(&mut context).is_pending(), "and waits again, since nothing has come");
}

#[derive(Default)]
struct Woken(AtomicU32);

impl std::task::Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_datagram_goes_through_an_association_and_its_answer_comes_back_by_the_same_port() {
    let mut desk = Desk::new(&good(), 9);
    let mut client = [desk.client()];
    client[0].say(&desk::ask(3, SocketAddrV4::new([0; 4].into(), 0)));
    assert!(desk.run(&mut client, MINUTE, |_, client| client[0].heard.len() == GRANTED));
    let [ref port @ .., high, low] = client[0].heard[..] else { panic!("a reply") };
    assert_eq!(port[3..], [0, 0, 1, 10, 0, 0, 1], "granted, at the device's own address");
    let relay = SocketAddr::from((DEVICE, u16::from_be_bytes([high, low])));
    let ours = desk.engine.open_port(HOST.into()).expect("a free port");
    let target = desk.engine.open_port(HOST.into()).expect("another");
    let wrap = |to: u16, payload: &[u8]| {
        let mut octets = vec![0, 0, 0, 1];
        octets.extend(HOST);
        octets.extend(to.to_be_bytes());
        octets.extend(payload);
        octets
    };
    let mut heard = vec![];
    assert!(desk.engine.send_datagram(ours, relay, &wrap(target.port(), b"question")));
    desk.run(&mut client, Duration::from_secs(1), |desk, _| {
        while let Some(datagram) = desk.engine.next_datagram() {
            if datagram.at == target {
                desk.engine.send_datagram(target, datagram.from, b"answer");
            }
            heard.push((datagram.at, datagram.from, datagram.payload));
        }
        false
    });
    assert_eq!(heard[0], (target, relay, b"question".to_vec()), "by the same port to the target");
    assert_eq!(heard[1], (ours, relay, wrap(target.port(), b"answer")));
    client[0].close();
    assert!(desk.run(&mut client, MINUTE, |desk, _| desk.reports.len() == 1));
    assert_eq!((desk.reports[0].end, desk.reports[0].octets), (End::Complete, (8, 6)));
    assert!(desk.engine.send_datagram(ours, relay, &wrap(target.port(), b"late")));
    desk.run(&mut client, Duration::from_secs(1), |_, _| false);
    assert_eq!(desk.engine.next_datagram(), None, "the port is closed with the connection");
}
