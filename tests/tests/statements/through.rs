//! Out through the stack: the same for a client, though both legs are the stack's own.

use super::*;
use std::net::UdpSocket;

/// The host's end of the TUN, where the stack's connections find it.
const HOST: &str = "198.18.0.1:0";
const HOST6: &str = "[fd00:5ac5::1]:0";
const STACK: [u8; 4] = [198, 18, 0, 2];

fn listen(at: &str) -> TcpListener {
    TcpListener::bind(at).expect("the TUN has its address")
}

fn code(at: &str) -> u8 {
    refused(&address(at.parse().expect("an address")))
}

const THROUGH: [Statement; 13] = [
    (
        "RFC 1928 s4, s6: CONNECT relays, and the reply names the stack's own end as the target sees it",
        |_| {
            let target = listen(HOST);
            let client = open();
            let (code, bound) = ask(&client, 1, &address(at(&target)));
            let peer = accepted(&target);
            assert_eq!((code, bound), (0, peer.peer_addr().expect("it stands")));
            assert_eq!(bound.ip(), IpAddr::from(STACK));
            carries(&client, &peer);
        },
    ),
    ("RFC 1928 s4: CONNECT to an IPv6 address relays", |_| {
        let (client, peer) = through(&listen(HOST6));
        carries(&client, &peer);
    }),
    ("RFC 1928 s6: 4 MiB each way at once arrive unchanged", |_| {
        let (client, peer) = through(&listen(HOST));
        let echo = std::thread::spawn(move || std::io::copy(&mut &peer, &mut &peer));
        let octets: Vec<u8> = (0..4_u32 << 20).map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0]).collect();
        let (sent, mut writer) = (octets.clone(), client.try_clone().expect("a descriptor is left"));
        let writing = std::thread::spawn(move || {
            writer.write_all(&sent).and_then(|()| writer.shutdown(std::net::Shutdown::Write))
        });
        assert!(rest(&client) == octets, "they came back as they went");
        writing.join().expect("no panic").expect("they were taken");
        assert_eq!(echo.join().expect("no panic").expect("they were taken"), 4 << 20);
    }),
    ("RFC 1928 s6: a target's half-close is the client's end of file while it still sends", |_| {
        let (client, mut peer) = through(&listen(HOST));
        peer.shutdown(std::net::Shutdown::Write).expect("it stands");
        assert!(rest(&client).is_empty());
        say(&client, b"still");
        client.shutdown(std::net::Shutdown::Write).expect("it stands");
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("it ends in good order");
        assert_eq!(heard, b"still");
    }),
    ("TCP: a target's reset is the client's reset, behind what came before it", |_| {
        let (mut client, peer) = through(&listen(HOST));
        say(&peer, b"before");
        assert_eq!(hear(&client, 6), b"before");
        reset(peer);
        assert_eq!(client.read(&mut [0; 8]).expect_err("no clean end").kind(), ErrorKind::ConnectionReset);
    }),
    ("RFC 1928 s6: refused is 05, unreachable network 03, unreachable host 04", |_| {
        let closed = at(&listen(HOST));
        assert_eq!(refused(&address(closed)), 5);
        assert_eq!(code("203.0.113.9:80"), 3, "no route");
        assert_eq!(code("10.97.0.1:80"), 4, "an unreachable route");
    }),
    (
        "POL RFC 1928 s6: loopback cannot be reached from the stack, and a route into the TUN would come back: 02",
        |_| {
            assert_eq!(code("127.0.0.1:80"), 2);
            assert_eq!(code("10.98.0.1:80"), 2);
            assert_eq!(code("198.18.0.2:1080"), 2);
        },
    ),
    ("RFC 1928 s4, s6: BIND names a port of the stack's, then its peer, and carries", |_| {
        let client = open();
        let (code, listens) = ask(&client, 2, &address("198.18.0.1:9".parse().expect("an address")));
        assert_eq!((code, listens.ip()), (0, IpAddr::from(STACK)));
        let peer = TcpStream::connect(listens).expect("it listens");
        peer.set_read_timeout(Some(BOUND)).expect("it is not zero");
        assert_eq!(reply(&client), (0, peer.local_addr().expect("it stands")));
        carries(&client, &peer);
        let again = TcpStream::connect(listens).expect_err("it takes one connection only");
        assert_eq!(again.kind(), ErrorKind::ConnectionRefused);
    }),
    ("SEC RFC 1928 s4, s6: a peer other than DST.ADDR finds nobody at the port of a BIND", |_| {
        let client = open();
        let (code, listens) = ask(&client, 2, &address("203.0.113.9:9".parse().expect("an address")));
        assert_eq!(code, 0);
        let stranger = TcpStream::connect(listens).expect_err("it is for somebody else");
        assert_eq!(stranger.kind(), ErrorKind::ConnectionRefused);
    }),
    ("RFC 1928 s4: the port of a BIND goes away with its client", |bed| {
        let client = open();
        let (_, listens) = ask(&client, 2, &address("198.18.0.1:9".parse().expect("an address")));
        let who = client.local_addr().expect("it stands").to_string();
        drop(client);
        bed.proxy.until(&who);
        let late = TcpStream::connect(listens).expect_err("it is gone");
        assert_eq!(late.kind(), ErrorKind::ConnectionRefused);
    }),
    (
        "RFC 1928 s7: datagrams of both families go out from the stack and come back with their own source",
        |_| {
            for host in [HOST, HOST6] {
                let target = UdpSocket::bind(host).expect("the TUN has its address");
                target.set_read_timeout(Some(BOUND)).expect("it is not zero");
                let place = target.local_addr().expect("it is bound");
                let (_control, socket, port) = association();
                let wrapped = [&[0, 0, 0][..], &address(place), b"ping"].concat();
                socket.send_to(&wrapped, port).expect("there is a way");
                let mut room = [0; 64];
                let (count, from) = target.recv_from(&mut room).expect("it comes");
                assert_eq!((&room[..count], from.ip()), (&b"ping"[..], own(place)));
                target.send_to(b"pong", from).expect("there is a way back");
                let (count, from) = socket.recv_from(&mut room).expect("it comes");
                let expected = [&[0, 0, 0][..], &address(place), b"pong"].concat();
                assert_eq!((&room[..count], from), (&expected[..], port));
            }
        },
    ),
    ("RFC 1928 s5, s7: names lead there too, for connections and for datagrams", |_| {
        let target = listen(HOST);
        let client = open();
        assert_eq!(ask(&client, 1, &name(b"host.test", at(&target).port())).0, 0);
        carries(&client, &accepted(&target));
        let target = UdpSocket::bind(HOST).expect("the TUN has its address");
        target.set_read_timeout(Some(BOUND)).expect("it is not zero");
        let port = target.local_addr().expect("it is bound").port();
        let (_control, socket, to) = association();
        let wrapped = [&[0, 0, 0][..], &name(b"host.test", port), b"ping"].concat();
        socket.send_to(&wrapped, to).expect("there is a way");
        let mut room = [0; 8];
        assert_eq!(target.recv_from(&mut room).expect("it comes").0, 4);
    }),
    ("POL RFC 1928 s7: a host that was not written to is not let in", |_| {
        let target = UdpSocket::bind(HOST).expect("the TUN has its address");
        target.set_read_timeout(Some(BOUND)).expect("it is not zero");
        let place = target.local_addr().expect("it is bound");
        let (_control, socket, port) = association();
        socket.send_to(&[&[0, 0, 0][..], &address(place), b"ping"].concat(), port).expect("there is a way");
        let (_, from) = target.recv_from(&mut [0; 8]).expect("it comes");
        let stranger = UdpSocket::bind("10.99.0.1:0").expect("an address of this host");
        stranger.send_to(b"let me in", from).expect("there is a way");
        target.send_to(b"pong", from).expect("there is a way back");
        let mut room = [0; 64];
        let (count, _) = socket.recv_from(&mut room).expect("it comes");
        assert!(room[..count].ends_with(b"pong"), "the stranger's was dropped");
    }),
];

/// Opens an association and returns what holds it, the client's socket and where to send.
fn association() -> (TcpStream, UdpSocket, SocketAddr) {
    let control = open();
    let (code, port) = ask(&control, 3, &address("0.0.0.0:0".parse().expect("an address")));
    assert_eq!(code, 0);
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port is left");
    socket.set_read_timeout(Some(BOUND)).expect("it is not zero");
    (control, socket, port)
}

/// Returns the stack's address on the way to a place.
fn own(place: SocketAddr) -> IpAddr {
    if place.is_ipv4() { STACK.into() } else { "fd00:5ac5::2".parse().expect("an address") }
}

#[test]
fn what_is_said_of_the_way_through_the_stack_holds() {
    if !possible("what_is_said_of_the_way_through_the_stack_holds", &["nft"]) {
        return;
    }
    let bed = Bed::new(&["--egress", "stack", "--setup", "--tun", "through"]);
    let routed =
        std::process::Command::new("ip").args(["route", "add", "10.98.0.0/16", "dev", "through"]).status();
    assert!(routed.expect("ip runs").success());
    bed.hold("the way through the stack", &THROUGH);
}
