//! What the machines cost: `cargo bench -p sockhop-tests --bench machines`.

use core::net::{Ipv4Addr, SocketAddr};
use divan::{Bencher, black_box};
use sockhop::machine::Machine;
use sockhop::socks5::{Event, Login, Server};
use sockhop::tcp::{Segment, Tracker};

fn main() {
    println!("socks5::Server with names and passwords: {} octets", size_of::<Server>());
    println!("socks5::Server for addresses only: {} octets", size_of::<Server<64>>());
    println!("tcp::Tracker: {} octets", size_of::<Tracker>());
    divan::main();
}

/// Greeting and request, to the event that asks for a connection; the budget is 150 ns.
#[divan::bench]
fn handshake() {
    let mut server: Server = Server::new(Login::Open);
    server.feed(black_box(&[5, 1, 0]));
    server.drain(black_box(&mut [0; 16]));
    server.feed(black_box(&[5, 1, 0, 1, 192, 0, 2, 1, 0, 80]));
    let Ok(Event::Request(request)) = server.poll() else { unreachable!("the request is whole") };
    black_box(request.target.port);
}

/// The same with a name, a password and a reply.
#[divan::bench]
fn handshake_with_login_and_reply() {
    let mut server: Server = Server::new(Login::Password);
    let mut out = [0; 32];
    server.feed(black_box(&[5, 1, 2]));
    server.drain(black_box(&mut out));
    server.feed(black_box(b"\x01\x05alice\x06secret"));
    server.judge(true);
    server.drain(black_box(&mut out));
    server.feed(black_box(b"\x05\x01\x00\x03\x0bexample.org\x00\x50"));
    server.answer(Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 80))));
    server.drain(black_box(&mut out));
}

/// A data segment of 1,460 octets as the tracker sees it.
#[divan::bench]
fn tracker_each_packet(bencher: Bencher<'_, '_>) {
    let packet = data();
    let segment = Segment::parse(&packet).expect("it is well-formed");
    bencher.with_inputs(Tracker::new).bench_refs(|tracker| tracker.received(black_box(&segment)));
}

/// A header's view.
#[divan::bench]
fn segment_parse(bencher: Bencher<'_, '_>) {
    let packet = data();
    bencher.bench(|| Segment::parse(black_box(&packet)));
}

fn data() -> Vec<u8> {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};
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
    let (source, target) = (IpAddress::v4(10, 0, 0, 1), IpAddress::v4(10, 0, 0, 2));
    let ip = IpRepr::new(source, target, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let mut packet = vec![0; ip.header_len() + tcp.buffer_len()];
    let checksums = ChecksumCapabilities::default();
    ip.emit(&mut packet[..], &checksums);
    let header = ip.header_len();
    tcp.emit(&mut TcpPacket::new_unchecked(&mut packet[header..]), &source, &target, &checksums);
    packet
}
