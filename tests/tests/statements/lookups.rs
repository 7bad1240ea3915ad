//! RESOLVE and RESOLVE_PTR, as Tor's clients speak them (socks-extensions §2).

use super::*;

const RESOLVE: u8 = 0xf0;
const RESOLVE_PTR: u8 = 0xf1;

/// Asks for a name's address and returns the whole answer, after which the connection has to end.
fn answered(command: u8, asked: &[u8]) -> Vec<u8> {
    let stream = open();
    say(&stream, &[5, 1, 0]);
    assert_eq!(hear(&stream, 2), [5, 0]);
    say(&stream, &request(command, asked));
    rest(&stream)
}

fn ip(text: &str) -> Vec<u8> {
    address(SocketAddr::new(text.parse().expect("an address"), 0))
}

const LOOK_UPS: [Statement; 11] = [
    ("Tor s2: RESOLVE of a name is answered with its address and port 0, and the connection ends", |_| {
        assert_eq!(answered(RESOLVE, &name(b"told.test", 0)), [5, 0, 0, 1, 192, 0, 2, 77, 0, 0]);
    }),
    ("Tor s2: RESOLVE of a name that has an IPv6 address only is answered with that", |_| {
        let told = [&[5, 0, 0][..], &ip("2001:db8::77")].concat();
        assert_eq!(answered(RESOLVE, &name(b"six.test", 0)), told);
    }),
    ("Tor s2: RESOLVE of a literal is answered with it", |_| {
        assert_eq!(answered(RESOLVE, &name(b"192.0.2.9", 0)), [5, 0, 0, 1, 192, 0, 2, 9, 0, 0]);
    }),
    ("Tor s2: RESOLVE of what nobody has is answered 04", |_| {
        assert_eq!(answered(RESOLVE, &name(b"nobody.invalid", 0))[1], 4);
    }),
    ("Tor s2: RESOLVE_PTR is answered with a counted name, and the connection ends", |_| {
        let told = [&[5, 0, 0][..], &name(b"told.test", 0)].concat();
        assert_eq!(answered(RESOLVE_PTR, &ip("192.0.2.77")), told);
        let told = [&[5, 0, 0][..], &name(b"six.test", 0)].concat();
        assert_eq!(answered(RESOLVE_PTR, &ip("2001:db8::77")), told);
    }),
    ("Tor s2: RESOLVE_PTR of an address without a name is answered 04", |_| {
        assert_eq!(answered(RESOLVE_PTR, &ip("192.0.2.78"))[1], 4);
    }),
    ("Tor s2: RESOLVE_PTR of a name is answered 08", |_| {
        assert_eq!(answered(RESOLVE_PTR, &name(b"told.test", 0))[1], 8);
    }),
    ("ROBUST: a look-up sent octet by octet works", |_| {
        let stream = open();
        drip(&stream, &[&[5, 1, 0][..], &request(RESOLVE, &name(b"told.test", 0))].concat());
        assert_eq!(rest(&stream), [5, 0, 5, 0, 0, 1, 192, 0, 2, 77, 0, 0]);
    }),
    ("SEC: an address that the rules deny is not told, nor is its name", |_| {
        assert_eq!(answered(RESOLVE, &name(b"hidden.test", 0))[1], 2);
        assert_eq!(answered(RESOLVE_PTR, &ip("10.99.0.1"))[1], 2);
        assert_eq!(answered(RESOLVE_PTR, &ip("::ffff:10.99.0.1"))[1], 2);
    }),
    ("SEC RFC 1928 s5: a NUL does not end a name that is looked up", |_| {
        assert_eq!(answered(RESOLVE, &name(b"told.test\0.invalid", 0))[1], 4);
    }),
    ("POL: the log says what was told", |bed| {
        answered(RESOLVE, &name(b"told.test", 0));
        assert!(bed.proxy.until("told.test is 192.0.2.77").contains("reply 0"));
    }),
];

#[test]
fn look_ups() {
    if !possible("look_ups", &[]) {
        return;
    }
    Bed::new(&["--deny", "10.99.0.0/16"]).hold("look-ups", &LOOK_UPS);
}

const OFF: [Statement; 1] = [("RFC 1928 s6: look-ups that are turned off are told as 07", |bed| {
    assert_eq!(answered(RESOLVE, &name(b"told.test", 0))[1], 7);
    assert_eq!(answered(RESOLVE_PTR, &ip("192.0.2.77"))[1], 7);
    assert!(bed.proxy.until("reply 7").contains("--no-resolve"));
})];

#[test]
fn look_ups_off() {
    if !possible("look_ups_off", &[]) {
        return;
    }
    Bed::new(&["--no-resolve"]).hold("look-ups that are off", &OFF);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    LOOK_UPS.iter().chain(&OFF).map(|(name, _)| *name)
}
