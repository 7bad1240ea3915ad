//! Parsers and protocol machines.

use super::{Case, Work};
use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddr};
use sockhop::machine::Machine;
use sockhop::socks4;
use sockhop::socks5::{Client, Command, Event, Login, Server, udp};
use sockhop::tcp::{Segment, Tracker};
use sockhop::wire::{HostOf, TargetOf};

/// The cases.
pub const CASES: &[Case] = &[
    Case { name: "socks5_handshake", times: 1_000, make: || Box::new(handshake) },
    Case { name: "socks5_login_and_reply", times: 1_000, make: || Box::new(login_and_reply) },
    Case { name: "socks5_client", times: 1_000, make: || Box::new(client) },
    Case { name: "socks4_request_and_reply", times: 1_000, make: || Box::new(four) },
    Case { name: "udp_header", times: 1_000, make: || Box::new(datagram) },
    Case { name: "segment_parse", times: 1_000, make: segment },
    Case { name: "tracker_each_packet", times: 1_000, make: tracker },
];

const HERE: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// Greeting and request, to the event that asks for a connection.
fn handshake() {
    let mut server: Server = Server::new(Login::Open);
    server.feed(black_box(&[5, 1, 0]));
    server.drain(black_box(&mut [0; 16]));
    server.feed(black_box(&[5, 1, 0, 1, 192, 0, 2, 1, 0, 80]));
    let Ok(Event::Request(request)) = server.poll() else { unreachable!("the request is whole") };
    black_box(request.target.port);
}

/// The same with a name, a password and a reply.
fn login_and_reply() {
    let mut server: Server = Server::new(Login::Password);
    let mut out = [0; 32];
    server.feed(black_box(&[5, 1, 2]));
    server.drain(black_box(&mut out));
    server.feed(black_box(b"\x01\x05alice\x06secret"));
    server.judge(true);
    server.drain(black_box(&mut out));
    server.feed(black_box(b"\x05\x01\x00\x03\x0bexample.org\x00\x50"));
    server.answer(Ok(HERE));
    server.drain(black_box(&mut out));
}

/// The other side of a handshake, to the reply.
fn client() {
    let target = TargetOf { host: HostOf::Name(&b"example.org"[..]), port: 80 };
    let Ok(mut client) = Client::<_>::new(Command::Connect, black_box(target), None) else {
        unreachable!("the name is short")
    };
    let mut out = [0; 32];
    client.drain(black_box(&mut out));
    client.feed(black_box(&[5, 0]));
    client.drain(black_box(&mut out));
    for octets in [&[5, 0, 0, 1][..], &[192, 0, 2, 1, 0, 80]] {
        client.feed(black_box(octets));
    }
    black_box(client.state());
}

/// A request by name in SOCKS4a, and its reply.
fn four() {
    let mut server: socks4::Server = socks4::Server::new();
    server.feed(black_box(b"\x04\x01\x00\x50\x00\x00\x00\x01ann\x00example.org\x00"));
    server.answer(Ok(HERE));
    server.drain(black_box(&mut [0; 16]));
    black_box(server.state());
}

/// The header of a datagram, read and written.
fn datagram() {
    let octets = black_box(b"\x00\x00\x00\x01\xc0\x00\x02\x01\x00\x50payload");
    assert!(udp::Datagram::parse(octets).is_ok());
    let mut room = [0; 64];
    black_box(udp::prepend(black_box(&mut room), 32, HERE));
}

/// A header's view.
fn segment() -> Work {
    let packet = data();
    Box::new(move || {
        assert!(black_box(Segment::parse(black_box(&packet))).is_ok());
    })
}

/// A data segment of 1,460 octets as the tracker sees it.
fn tracker() -> Work {
    let packet = data();
    let segment = Segment::parse(&packet).expect("it is well-formed");
    Box::new(move || {
        let mut tracker = Tracker::new();
        tracker.received(black_box(&segment));
        black_box(&tracker);
    })
}

fn data() -> Vec<u8> {
    use crate::script::packet;
    use smoltcp::wire::{IpAddress, TcpControl, TcpRepr, TcpSeqNumber};
    let payload = [0; 1_460];
    let tcp = TcpRepr {
        src_port: 1,
        dst_port: 2,
        control: TcpControl::Psh,
        seq_number: TcpSeqNumber(1),
        ack_number: Some(TcpSeqNumber(1)),
        window_len: 65_535,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &payload,
    };
    packet(&tcp, IpAddress::v4(10, 0, 0, 1), IpAddress::v4(10, 0, 0, 2))
}
