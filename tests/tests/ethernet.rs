//! A device on an Ethernet: whom it asks for addresses, whom it answers, and where its frames go.

use core::cell::RefCell;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use sockhop::node::{Config, FlowId, Limits, Memory, Nic, Node};
use sockhop::relay::Stream;
use sockhop::tcp::{Empty, Flags, Segment, Seq, State, internet_sum};
use sockhop::time::Instant;
use std::collections::VecDeque;
use std::rc::Rc;

type Mac = [u8; 6];

const OWN: Mac = [2, 0, 0, 0, 0, 1];
const PEER: Mac = [2, 0, 0, 0, 0, 2];
const MOVED: Mac = [2, 0, 0, 0, 0, 3];
const EVERYBODY: Mac = [0xff; 6];
const DEVICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_question_for_the_device_is_answered_and_one_for_another_is_not() {
    let mut desk = Desk::new();
    for asker in [HOST, Ipv4Addr::UNSPECIFIED] {
        desk.hear(&arp(1, (PEER, asker), DEVICE));
        let answer = desk.heard();
        assert_eq!(answer, [frame(PEER, OWN, 0x0806, &arp_body(2, (OWN, DEVICE), (PEER, asker)))]);
    }
    desk.hear(&arp(1, (PEER, HOST), GATEWAY));
    desk.hear(&arp(1, (EVERYBODY, HOST), DEVICE)); // nobody is everybody
    desk.hear(&arp(1, (PEER, DEVICE), DEVICE)); // somebody else has its address
    desk.hear(&arp(1, (PEER, HOST), DEVICE)[..41]);
    assert_eq!(desk.heard(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_dial_asks_once_a_second_and_leaves_with_the_answer() {
    let mut desk = Desk::new();
    let flow = desk.dial(HOST);
    assert_eq!(desk.heard(), [question(HOST)]);
    desk.pass(SECOND - Duration::from_millis(1));
    assert_eq!(desk.heard().len(), 0);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.heard(), [question(HOST)]);
    assert_eq!(desk.node.poll_at(), Some(desk.now + SECOND), "nothing is to be done before");
    desk.hear(&arp(2, (PEER, HOST), DEVICE));
    let [syn] = &desk.heard()[..] else { panic!("one frame") };
    assert_eq!((&syn[..6], &syn[6..12]), (&PEER[..], &OWN[..]));
    assert_eq!(segment(syn).flags, Flags::SYN);
    assert_eq!(desk.node.state(flow), State::SynSent);
}

#[test]
fn a_dial_beyond_the_network_asks_for_the_gateway() {
    let mut desk = Desk::new();
    desk.dial(FAR);
    assert_eq!(desk.heard(), [question(GATEWAY)]);
    desk.hear(&arp(2, (MOVED, GATEWAY), DEVICE));
    assert_eq!(desk.heard()[0][..6], MOVED);
}

#[test]
fn a_dial_to_nobody_ends_with_its_deadline_and_says_nothing_but_questions() {
    let mut desk = Desk::new();
    let flow = desk.dial(HOST);
    for _ in 0..160 {
        desk.pass(Duration::from_millis(100));
    }
    assert_eq!(desk.node.state(flow), State::Closed);
    let heard = desk.heard();
    assert_eq!(heard.len(), 15, "once a second until the deadline of 15 s");
    assert!(heard.iter().all(|frame| *frame == question(HOST)));
}

#[test]
fn a_client_is_answered_to_where_its_frames_come_from_without_a_question() {
    let mut desk = Desk::new();
    desk.hear(&tcp(PEER, SYN));
    let [answer] = &desk.heard()[..] else { panic!("one frame") };
    assert_eq!((&answer[..6], segment(answer).flags), (&PEER[..], Flags::SYN | Flags::ACK));
}

#[test]
fn a_neighbour_that_has_moved_says_so_and_is_believed() {
    let mut desk = Desk::new();
    let flow = desk.stands();
    desk.hear(&arp(1, (MOVED, HOST), HOST)); // gratuitous: it asks for itself
    desk.say(flow, b"where");
    assert_eq!(desk.heard()[0][..6], MOVED);
}

#[test]
fn a_peer_that_takes_nothing_for_a_minute_is_asked_for_before_anything_is_sent_again() {
    let mut desk = Desk::new();
    let flow = desk.stands();
    desk.pass(61 * SECOND);
    desk.heard();
    desk.say(flow, b"are you there");
    assert_eq!(desk.heard(), [question(HOST)]);
    desk.hear(&arp(2, (MOVED, HOST), DEVICE));
    let heard = desk.heard();
    assert_eq!((&heard[0][..6], segment(&heard[0]).len), (&MOVED[..], 13));
}

#[test]
fn a_flood_of_answers_that_nobody_asked_for_fills_nothing() {
    let mut desk = Desk::new();
    let flow = desk.stands();
    for at in 0..2_000_u16 {
        let [high, low] = at.to_be_bytes();
        let from = ([2, 9, 9, 9, high, low], Ipv4Addr::new(192, 0, 2, low | 0x80));
        desk.hear(&arp(1 + at % 2, from, DEVICE));
    }
    desk.heard();
    desk.say(flow, b"still");
    assert_eq!(desk.heard()[0][..6], PEER);
    desk.dial(HOST);
    assert_eq!(desk.heard(), [question(HOST)]);
    desk.hear(&arp(2, (PEER, HOST), DEVICE));
    assert_eq!(segment(&desk.heard()[0]).flags, Flags::SYN);
}

#[test]
fn a_datagram_waits_for_its_way_and_the_next_leaves_at_once() {
    let mut desk = Desk::new();
    let (to, port) = (SocketAddrV4::new(HOST, 53), desk.node.open_port().expect("a free port"));
    assert!(desk.node.send_datagram(port, to, b"odd"));
    assert!(!desk.node.send_datagram(port, to, b"too early"), "there is one place");
    assert_eq!(desk.heard(), [question(HOST)]);
    desk.hear(&arp(2, (PEER, HOST), DEVICE));
    assert!(desk.node.send_datagram(port, to, b"next"));
    assert!(desk.node.send_datagram(port, to, b"and another"));
    let heard = desk.heard();
    let payloads: Vec<_> = heard.iter().map(|frame| datagram(frame, port, to)).collect();
    assert_eq!(payloads, [&b"odd"[..], b"next", b"and another"]);
    assert!(heard.iter().all(|frame| frame[..6] == PEER));
}

#[test]
fn a_datagram_for_everybody_or_a_group_is_sent_to_them() {
    let mut desk = Desk::new();
    let everybody = Ipv4Addr::new(192, 0, 2, 255);
    let group = Ipv4Addr::new(239, 129, 2, 3);
    let there = [(Ipv4Addr::BROADCAST, EVERYBODY), (everybody, EVERYBODY), (group, [1, 0, 0x5e, 1, 2, 3])];
    for (ip, mac) in there {
        assert!(desk.node.send_datagram(7, SocketAddrV4::new(ip, 7), b"all"));
        assert_eq!(desk.heard()[0][..6], mac, "{ip}");
    }
}

#[test]
fn a_datagram_for_an_open_port_stands_if_its_sums_are_right_or_it_has_none() {
    let mut desk = Desk::new();
    assert!(desk.node.open_port_at(99));
    let good = udp((HOST, 5), (DEVICE, 99), b"in");
    let mut none = good.clone();
    none[40..42].fill(0);
    for whole in [&good, &none] {
        desk.hear(whole);
        let stands = desk.node.datagram().expect("it stands");
        assert_eq!((stands.at, stands.from, stands.payload), (99, SocketAddrV4::new(HOST, 5), &b"in"[..]));
        desk.node.drop_datagram();
    }
    for at in [14 + 2, 14 + 6, 14 + 8, 14 + 13, 34 + 1, 34 + 4, 34 + 5, 34 + 6, 42] {
        let mut wrong = good.clone();
        wrong[at] ^= 0x20;
        desk.hear(&wrong);
        assert_eq!(desk.node.datagram(), None, "octet {at}");
    }
}

#[test]
fn a_frame_for_another_card_or_from_everybody_is_not_heard() {
    let mut desk = Desk::new();
    let mut other = tcp(PEER, SYN);
    other[..6].copy_from_slice(&MOVED);
    desk.hear(&other);
    desk.hear(&tcp(EVERYBODY, SYN));
    assert_eq!(desk.heard().len(), 0);
}

#[test]
fn a_ping_is_answered_and_a_closed_port_is_named_so() {
    let mut desk = Desk::new();
    let mut ping = vec![8, 0, 0, 0, 0, 1, 0, 2, b'h', b'i'];
    let sum = !internet_sum(&ping);
    ping[2..4].copy_from_slice(&sum.to_be_bytes());
    desk.hear(&frame(OWN, PEER, 0x0800, &ip(HOST, DEVICE, 1, &ping)));
    let [answer] = &desk.heard()[..] else { panic!("one frame") };
    assert_eq!((&answer[..6], &answer[34..36], &answer[38..]), (&PEER[..], &[0, 0][..], &ping[4..]));
    assert_eq!(internet_sum(&answer[34..]), 0xffff);
    desk.hear(&udp((HOST, 5), (DEVICE, 99), b"in"));
    let [notice] = &desk.heard()[..] else { panic!("one frame") };
    assert_eq!((&notice[..6], &notice[34..36]), (&PEER[..], &[3, 3][..]), "port unreachable");
    assert_eq!(internet_sum(&notice[34..]), 0xffff);
}

/// The frames that wait at a card.
#[derive(Debug, Default)]
struct Waiting {
    came: VecDeque<Vec<u8>>,
    left: Vec<Vec<u8>>,
}

/// A card whose frames are read and written by hand.
#[derive(Clone, Debug, Default)]
struct Card(Rc<RefCell<Waiting>>);

impl Nic for Card {
    fn address(&self) -> Option<Mac> {
        Some(OWN)
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        let frame = self.0.borrow_mut().came.pop_front()?;
        into.get_mut(..frame.len())?.copy_from_slice(&frame);
        Some(frame.len())
    }

    fn transmit(&mut self, frame: &[u8]) {
        self.0.borrow_mut().left.push(frame.to_vec());
    }
}

struct Desk {
    node: Node<'static, Card>,
    card: Card,
    now: Instant,
}

/// A segment of the host's to the device's port 80.
const SYN: Empty = Empty { seq: Seq(100), ack: Seq(0), flags: Flags::SYN, window: 4_096 };

impl Desk {
    fn new() -> Self {
        let card = Card::default();
        // A node's memory stands in a static, as on a device.
        let memory: &'static mut Memory<'static, 4, 512> = Box::leak(Box::default());
        let limits = Limits::default();
        let config = Config { address: (DEVICE, 24), gateway: Some(GATEWAY), seed: [1, 2], limits };
        let mut node = Node::new(card.clone(), memory, config, ());
        assert!(node.listen(80));
        let mut desk = Self { node, card, now: Instant::ZERO + SECOND };
        desk.pass(Duration::ZERO);
        desk
    }

    fn dial(&mut self, to: Ipv4Addr) -> FlowId {
        let flow = self.node.connect(SocketAddrV4::new(to, 80)).expect("a free place");
        self.pass(Duration::ZERO);
        flow
    }

    /// Returns a connection of the host's that stands.
    fn stands(&mut self) -> FlowId {
        self.hear(&tcp(PEER, SYN));
        let ack = segment(&self.heard()[0]).seq + 1;
        self.hear(&tcp(PEER, Empty { seq: Seq(101), ack, flags: Flags::ACK, window: 4_096 }));
        self.heard();
        self.node.accept().expect("it stands").flow
    }

    fn say(&mut self, flow: FlowId, octets: &[u8]) {
        assert_eq!(self.node.stream(flow).expect("it stands").write(octets), Ok(octets.len()));
        self.pass(Duration::ZERO);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.node.poll(self.now);
    }

    fn hear(&mut self, frame: &[u8]) {
        self.card.0.borrow_mut().came.push_back(frame.to_vec());
        self.pass(Duration::ZERO);
    }

    /// Returns the frames that the device has sent since.
    fn heard(&mut self) -> Vec<Vec<u8>> {
        self.node.poll(self.now);
        core::mem::take(&mut self.card.0.borrow_mut().left)
    }
}

fn frame(to: Mac, from: Mac, kind: u16, body: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), body].concat()
}

fn arp_body(verb: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let kinds = [0, 1, 8, 0, 6, 4];
    let (from, to) = (sender.1.octets(), target.1.octets());
    [&kinds[..], &verb.to_be_bytes(), &sender.0, &from, &target.0, &to].concat()
}

fn arp(verb: u16, sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
    frame(EVERYBODY, sender.0, 0x0806, &arp_body(verb, sender, ([0; 6], target)))
}

/// The device's question.
fn question(target: Ipv4Addr) -> Vec<u8> {
    arp(1, (OWN, DEVICE), target)
}

fn tcp(from: Mac, segment: Empty) -> Vec<u8> {
    let mut packet = [0; 60];
    let ends = [(HOST, 40_000), (DEVICE, 80)].map(SocketAddr::from);
    let length = segment.write(ends[0], ends[1], &mut packet);
    frame(OWN, from, 0x0800, &packet[..length])
}

fn segment(frame: &[u8]) -> Segment {
    Segment::parse(&frame[14..]).expect("it is TCP")
}

fn ip(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(20 + body.len()).expect("it is short");
    let fixed = [0x45, 0, 0, length, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    let mut header = [&fixed[..], &from.octets(), &to.octets()].concat();
    let sum = !internet_sum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, body.to_vec()].concat()
}

/// The sum of a datagram and its pseudo-header (RFC 768).
fn udp_sum(packet: &[u8]) -> u16 {
    let length = packet[24..26].to_vec();
    internet_sum(&[&packet[12..20], &[0, 17], &length, &packet[20..]].concat())
}

fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("it is short");
    let header: Vec<u8> = [from.1, to.1, length, 0].into_iter().flat_map(u16::to_be_bytes).collect();
    let mut packet = ip(from.0, to.0, 17, &[header, payload.to_vec()].concat());
    let sum = !udp_sum(&packet);
    packet[26..28].copy_from_slice(&sum.to_be_bytes());
    frame(OWN, PEER, 0x0800, &packet)
}

/// Returns the payload of a datagram of the device's, whose headers and sums are right.
fn datagram(frame: &[u8], port: u16, to: SocketAddrV4) -> &[u8] {
    let packet = &frame[14..];
    assert_eq!((packet[0], packet[9], internet_sum(&packet[..20])), (0x45, 17, 0xffff));
    assert_eq!((&packet[12..16], &packet[16..20]), (&DEVICE.octets()[..], &to.ip().octets()[..]));
    assert_eq!((&packet[20..22], &packet[22..24]), (&port.to_be_bytes()[..], &to.port().to_be_bytes()[..]));
    assert_eq!(udp_sum(packet), 0xffff);
    &packet[28..]
}
