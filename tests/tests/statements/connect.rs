//! CONNECT and the relay.

use super::*;
use std::net::Shutdown;

/// Returns the code of the reply to a request with this command and address, after which the connection ends.
fn answered(command: u8, address: &[u8]) -> u8 {
    let stream = open();
    say(&stream, &[5, 1, 0]);
    say(&stream, &request(command, address));
    let heard = rest(&stream);
    assert!(heard.len() >= 12, "{heard:?}");
    heard[3]
}

fn v4(text: &str) -> Vec<u8> {
    address(text.parse().expect("an address"))
}

/// Connects to a name that means both families, of which only one is listened at.
fn falls_back_to(listens: &str) {
    let listener = TcpListener::bind(listens).expect("there is a port");
    let client = open();
    assert_eq!(ask(&client, 1, &name(b"both.test", at(&listener).port())).0, 0);
    carries(&client, &accepted(&listener));
}

const CONNECT: [Statement; 25] = [
    ("RFC 1928 s4, s5: an IPv4 address relays", |_| {
        let (client, target) = through(&target());
        carries(&client, &target);
    }),
    ("RFC 1928 s4, s5: an IPv6 address relays", |_| {
        let (client, target) = through(&TcpListener::bind("[::1]:0").expect("loopback has a port"));
        carries(&client, &target);
    }),
    ("RFC 1928 s5: a name relays", |_| {
        let listener = target();
        let client = open();
        assert_eq!(ask(&client, 1, &name(b"localhost", at(&listener).port())).0, 0);
        carries(&client, &accepted(&listener));
    }),
    ("ROBUST RFC 1928 s5: a literal as a name relays", |_| {
        let listener = target();
        let client = open();
        assert_eq!(ask(&client, 1, &name(b"127.0.0.1", at(&listener).port())).0, 0);
        carries(&client, &accepted(&listener));
    }),
    ("RFC 1928 s6: the reply that grants has its form and nothing behind it", |_| {
        let listener = target();
        let client = open();
        ask(&client, 1, &address(at(&listener)));
        drop(accepted(&listener));
        assert!(rest(&client).is_empty());
    }),
    ("RFC 1928 s6: BND.ADDR and BND.PORT are what the target sees", |_| {
        let listener = target();
        let client = open();
        let (_, bound) = ask(&client, 1, &address(at(&listener)));
        assert_eq!(bound, accepted(&listener).peer_addr().expect("it stands"));
    }),
    ("RFC 1928 s6: a refused port is told as 05", |_| {
        let closed = at(&target());
        assert_eq!(refused(&address(closed)), 5);
    }),
    ("RFC 1928 s6: an unreachable network is told as 03", |_| assert_eq!(refused(&v4("203.0.113.1:80")), 3)),
    ("RFC 1928 s6: an unreachable host is told as 04", |_| assert_eq!(refused(&v4("10.97.0.1:80")), 4)),
    ("RFC 1928 s6: the unknown command 63 is told as 07, and the connection ends", |_| {
        assert_eq!(answered(63, &v4("127.0.0.1:80")), 7);
    }),
    ("RFC 1928 s6: the command 00 is told as 07, and the connection ends", |_| {
        assert_eq!(answered(0, &v4("127.0.0.1:80")), 7);
    }),
    ("RFC 1928 s6: the unknown address type 02 is told as 08, and the connection ends", |_| {
        assert_eq!(answered(1, &[2, 127, 0, 0, 1, 0, 80]), 8);
    }),
    ("RFC 1928 s6: a name that does not resolve is told as 04", |_| {
        assert_eq!(refused(&name(b"nobody.invalid", 80)), 4);
    }),
    ("ROBUST RFC 1928 s5: an empty name is refused", |_| assert_ne!(refused(&name(b"", 80)), 0)),
    ("SEC RFC 1928 s5: a NUL does not end a name", |_| {
        let listener = target();
        assert_ne!(refused(&name(b"localhost\0.invalid", at(&listener).port())), 0);
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err(), "nobody has connected");
    }),
    ("ROBUST RFC 1928 s5: a name of 255 octets is refused", |_| {
        assert_eq!(refused(&name(&[b'a'; 255], 80)), 4);
    }),
    ("ROBUST RFC 1928 s5: a name of control and high octets is refused", |_| {
        assert_eq!(refused(&name(b"\x01\x7f\x80\xff\r\n", 80)), 4);
    }),
    ("ROBUST RFC 1928 s4: an RSV that is not 0 is answered", |_| {
        let listener = target();
        let client = open();
        say(&client, &[5, 1, 0]);
        hear(&client, 2);
        let mut asked = request(1, &address(at(&listener)));
        asked[2] = 7;
        say(&client, &asked);
        assert_eq!(reply(&client).0, 0);
    }),
    ("ROBUST RFC 1928 s4: a wrong version in the request is not served", |_| {
        let mut asked = request(1, &v4("127.0.0.1:80"));
        asked[0] = 4;
        ends_with(&[&[5, 1, 0][..], &asked].concat(), &[5, 0]);
    }),
    ("ROBUST RFC 1928 s4: port 0 is refused", |_| assert_ne!(refused(&v4("127.0.0.1:0")), 0)),
    ("ROBUST RFC 8305 s5: a name falls back to IPv4", |_| falls_back_to("127.0.0.1:0")),
    ("ROBUST RFC 8305 s5: a name falls back to IPv6", |_| falls_back_to("[::1]:0")),
    ("ROBUST RFC 8305 s5: a name falls back from an address that never answers", |_| {
        let listener = target();
        let client = open();
        assert_eq!(ask(&client, 1, &name(b"silent.test", at(&listener).port())).0, 0);
        carries(&client, &accepted(&listener));
    }),
    ("RFC 1928 s6: nothing is granted before the target has accepted", |_| {
        let stream = open();
        say(&stream, &[5, 1, 0]);
        hear(&stream, 2);
        say(&stream, &request(1, &v4("10.96.0.9:80")));
        // Another request is served meanwhile, and still nothing is heard of the first.
        let (client, target) = through(&target());
        carries(&client, &target);
        stream.set_nonblocking(true).expect("it stands");
        assert_eq!((&stream).read(&mut [0]).expect_err("no reply").kind(), ErrorKind::WouldBlock);
    }),
    ("ROBUST: a client that leaves while its CONNECT is pending leaves nothing behind", |bed| {
        let before = bed.proxy.descriptors();
        let stream = open();
        say(&stream, &[&[5, 1, 0][..], &request(1, &v4("10.96.0.9:81"))].concat());
        hear(&stream, 2);
        reset(stream);
        assert!(bed.proxy.until("10.96.0.9:81").contains("the client left"));
        assert!(bed.proxy.descriptors() <= before, "the half-made connection is dropped");
    }),
];

#[test]
fn connect() {
    if !possible("connect", &[]) {
        return;
    }
    Bed::new(&[]).hold("CONNECT", &CONNECT);
}

const RELAY: [Statement; 13] = [
    ("RFC 1928 s6: 4 MiB of every octet go unchanged each way", |_| {
        let (client, target) = through(&target());
        let octets: Vec<u8> = (0..4_u32 << 20).map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0]).collect();
        std::thread::scope(|scope| {
            for (from, to) in [(&client, &target), (&target, &client)] {
                let octets = &octets;
                scope.spawn(move || say(from, octets));
                scope.spawn(move || assert!(hear(to, octets.len()) == *octets, "other octets came"));
            }
        });
    }),
    ("RFC 1928 s6: the client's half-close reaches the target, whose answer comes back", |_| {
        let (client, target) = through(&target());
        say(&client, b"question");
        client.shutdown(Shutdown::Write).expect("it stands");
        assert_eq!(rest(&target), b"question");
        say(&target, b"answer");
        drop(target);
        assert_eq!(rest(&client), b"answer");
    }),
    ("RFC 1928 s6: the target's half-close reaches the client, whose data still go", |_| {
        let (client, target) = through(&target());
        target.shutdown(Shutdown::Write).expect("it stands");
        assert!(rest(&client).is_empty());
        say(&client, b"still");
        client.shutdown(Shutdown::Write).expect("it stands");
        assert_eq!(rest(&target), b"still");
    }),
    ("ROBUST: a target that speaks first is heard behind the reply", |_| {
        let listener = target();
        let client = open();
        say(&client, &[&[5, 1, 0][..], &request(1, &address(at(&listener)))].concat());
        let target = accepted(&listener);
        say(&target, b"220 hello");
        assert_eq!(hear(&client, 2), [5, 0]);
        assert_eq!(reply(&client).0, 0);
        assert_eq!(hear(&client, 9), b"220 hello");
    }),
    ("ROBUST: a target's reset is the client's end", |_| {
        let (client, target) = through(&target());
        reset(target);
        assert!(rest(&client).is_empty());
    }),
    ("ROBUST: a target's reset is passed on as a reset", |_| {
        let (client, target) = through(&target());
        say(&target, b"cut sho");
        reset(target);
        let mut heard = Vec::new();
        let error = (&client).read_to_end(&mut heard).expect_err("a cut stream does not look whole");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }),
    ("ROBUST: a client's reset is the target's end", |_| {
        let (client, target) = through(&target());
        reset(client);
        assert!(rest(&target).is_empty());
    }),
    ("ROBUST: a client that does not read stops the sender, and then gets everything", |bed| {
        let (client, target) = through(&target());
        target.set_nonblocking(true).expect("it stands");
        let before = bed.proxy.memory();
        let mut sent = 0_usize;
        let block = vec![7; 65_536];
        // Until neither the proxy nor the kernel takes any more.
        let mut silent = 0;
        while silent < 3 {
            match (&target).write(&block) {
                Ok(count) => (sent, silent) = (sent + count, 0),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    silent += 1;
                    // Another session passes through meanwhile, so the proxy has had its turns.
                    let (other, end) = through(&super::target());
                    carries(&other, &end);
                }
            }
            assert!(sent < 64 << 20, "somebody keeps what nobody reads");
        }
        assert!(bed.proxy.memory() < before + (16 << 20), "the proxy keeps it");
        drop(target);
        assert_eq!(rest(&client).len(), sent);
    }),
    ("ROBUST: 64 clients at once are relayed", |_| {
        let listener = target();
        let pairs: Vec<_> = (0..64).map(|_| through(&listener)).collect();
        pairs.iter().for_each(|(client, target)| carries(client, target));
    }),
    ("ROBUST: a CONNECT that hangs holds nobody up", |_| {
        let hanging = open();
        let silent = address("10.96.0.9:80".parse().expect("an address"));
        say(&hanging, &[&[5, 1, 0][..], &request(1, &silent)].concat());
        hear(&hanging, 2);
        let (client, target) = through(&target());
        carries(&client, &target);
    }),
    ("ROBUST: 100 idle handshakes hold nobody up", |_| {
        let idle: Vec<_> = (0..100).map(|_| open()).collect();
        let (client, target) = through(&target());
        carries(&client, &target);
        drop(idle);
    }),
    ("ROBUST: 500 connections one after another all work", |_| {
        let listener = target();
        for _ in 0..500 {
            let (client, target) = through(&listener);
            carries(&client, &target);
        }
    }),
    ("ROBUST: after the relay's tests the proxy still relays", |_| {
        let (client, target) = through(&target());
        carries(&client, &target);
    }),
];

#[test]
fn relay() {
    if !possible("relay", &[]) {
        return;
    }
    Bed::new(&[]).hold("the relay", &RELAY);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CONNECT.iter().chain(&RELAY).map(|(name, _)| *name)
}
