//! Abuse, and what is refused on purpose.

use super::*;

fn v4(text: &str) -> Vec<u8> {
    address(text.parse().expect("an address"))
}

const ABUSE: [Statement; 10] = [
    ("ROBUST: 1 MiB of garbage is closed, and the proxy lives", |_| {
        let stream = open();
        // Whoever is closed while he still speaks cannot say everything.
        let _ = (&stream).write_all(&vec![0xa5; 1 << 20]);
        assert!(rest(&stream).is_empty());
        let (client, target) = through(&target());
        carries(&client, &target);
    }),
    ("POL CWE-918: a CONNECT to the proxy itself is refused", |_| {
        for at in [PROXY, "[::ffff:198.18.0.2]:1080", "[fd00:5ac5::2]:1080"] {
            assert_eq!(refused(&v4(at)), 2, "{at}");
        }
        assert_eq!(refused(&name(b"198.18.0.2", 1080)), 2);
    }),
    ("POL CWE-918: a CONNECT to 0.0.0.0 is refused", |_| {
        for at in ["0.0.0.0:80", "[::]:80", "[::ffff:0.0.0.0]:80"] {
            assert_eq!(refused(&v4(at)), 2, "{at}");
        }
    }),
    ("SEC RFC 1928 s6: a denied address is told as 02, and the connection ends", |_| {
        assert_eq!(refused(&v4("10.99.0.1:80")), 2);
    }),
    ("SEC CWE-918: a denied address within IPv6 is refused", |_| {
        assert_eq!(refused(&v4("[::ffff:10.99.0.1]:80")), 2);
    }),
    ("SEC CWE-918: a denied address as a name is refused", |_| {
        assert_eq!(refused(&name(b"10.99.0.1", 80)), 2);
        assert_eq!(refused(&name(b"[::ffff:10.99.0.1]", 80)), 2);
    }),
    ("SEC CWE-918: a denied address in odd spellings is refused", |_| {
        let listener = TcpListener::bind("10.99.0.1:0").expect("it is an address of this host");
        let port = at(&listener).port();
        for spelling in
            [&b"174260225"[..], b"0x0a630001", b"10.99.1", b"10.99.0.1.", b"012.0143.0.1", b"0xa.99.0.1"]
        {
            let code = refused(&name(spelling, port));
            assert!([2, 4].contains(&code), "{}: {code}", spelling.escape_ascii());
        }
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err(), "nobody has connected");
    }),
    ("SEC RFC 1928 s7: a datagram to a denied address is not relayed", |_| {
        let control = open();
        let (code, at) = ask(&control, 3, &v4("0.0.0.0:0"));
        assert_eq!(code, 0);
        let bound = |at: &str| std::net::UdpSocket::bind(at).expect("it is an address of this host");
        let (client, denied, allowed) = (bound("0.0.0.0:0"), bound("10.99.0.1:0"), bound("127.0.0.1:0"));
        for target in [&denied, &allowed] {
            let to = address(target.local_addr().expect("it is bound"));
            client.send_to(&[&[0, 0, 0][..], &to, b"x"].concat(), at).expect("there is a way");
        }
        allowed.set_read_timeout(Some(BOUND)).expect("it is not zero");
        assert!(allowed.recv(&mut [0; 8]).is_ok(), "the second one comes");
        denied.set_nonblocking(true).expect("it stands");
        assert!(denied.recv(&mut [0; 8]).is_err(), "so the first one never will");
    }),
    ("SEC CWE-117: a newline in a name forges no line of the log", |bed| {
        refused(&name(b"evil\nname", 80));
        assert!(bed.proxy.until("evil").contains("evil\\nname:80"));
    }),
    ("SEC CWE-117: a newline in a SOCKS4 user id forges no line of the log", |bed| {
        let stream = open();
        say(&stream, b"\x04\x01\x00\x50\x00\x00\x00\x01mal\nlory\0nobody.invalid\0");
        assert_eq!(rest(&stream)[..2], [0, 0x5b]);
        assert!(bed.proxy.until("mal").contains("user mal\\nlory to nobody.invalid:80"));
    }),
];

#[test]
fn abuse() {
    if !possible("abuse", &[]) {
        return;
    }
    Bed::new(&["--deny", "10.99.0.0/16"]).hold("abuse", &ABUSE);
}

const DEADLINES: [Statement; 5] = [
    ("SEC CWE-400: a client that says nothing is closed", |_| assert!(rest(&open()).is_empty())),
    ("SEC CWE-400: a client that stops after the greeting is closed", |_| ends_with(&[5, 1, 0], &[5, 0])),
    ("SEC CWE-400: a client that drips is closed by the deadline of the whole handshake", |_| {
        let stream = open();
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("it is not zero");
        say(&stream, &[5, 255]);
        // An octet each time that nothing was heard for a tenth of a second: 25 s would pass before the last one.
        let closed = (0..250).any(|_| match (&stream).read(&mut [0]) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => (&stream).write_all(&[9]).is_err(),
            Err(_) => true,
        });
        assert!(closed);
    }),
    ("POL RFC 1928 s6: a CONNECT that is never answered is told as 06", |_| {
        assert_eq!(refused(&v4("10.96.0.9:80")), 6);
    }),
    ("ROBUST: after all of this the proxy still relays", |_| {
        let (client, target) = through(&target());
        carries(&client, &target);
    }),
];

#[test]
fn deadlines() {
    if !possible("deadlines", &[]) {
        return;
    }
    Bed::new(&["--handshake-timeout", "0.5", "--connect-timeout", "0.5"]).hold("deadlines", &DEADLINES);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ABUSE.iter().chain(&DEADLINES).map(|(name, _)| *name)
}
