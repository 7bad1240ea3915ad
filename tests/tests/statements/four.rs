//! SOCKS4 and 4a.

use super::*;

/// Returns a SOCKS4 request for an address of loopback.
fn connect(port: u16) -> Vec<u8> {
    [&[4, 1][..], &port.to_be_bytes(), &[127, 0, 0, 1], b"ann\0"].concat()
}

const FOUR: [Statement; 5] = [
    ("SOCKS4: a CONNECT is answered 00 5A and relays", |_| {
        let listener = target();
        let stream = open();
        say(&stream, &connect(at(&listener).port()));
        assert_eq!(hear(&stream, 8)[..2], [0, 0x5a]);
        carries(&stream, &accepted(&listener));
    }),
    ("SOCKS4a: a CONNECT by name relays", |_| {
        let listener = target();
        let stream = open();
        let port = at(&listener).port().to_be_bytes();
        say(&stream, &[&[4, 1][..], &port, &[0, 0, 0, 7], b"ann\0", b"localhost\0"].concat());
        assert_eq!(hear(&stream, 8)[..2], [0, 0x5a]);
        carries(&stream, &accepted(&listener));
    }),
    ("SOCKS4: a refused port is answered 00 5B and closed", |_| {
        let port = at(&target()).port();
        let stream = open();
        say(&stream, &connect(port));
        assert_eq!(rest(&stream)[..2], [0, 0x5b]);
    }),
    ("SOCKS4: octet by octet, with data behind", |_| {
        let listener = target();
        let stream = open();
        drip(&stream, &[&connect(at(&listener).port())[..], b"data"].concat());
        assert_eq!(hear(&accepted(&listener), 4), b"data");
    }),
    ("ROBUST SOCKS4: an endless user id is closed", |_| {
        let stream = open();
        let mut endless = vec![b'a'; 1 << 20];
        endless[..8].copy_from_slice(&connect(80)[..8]);
        // Whoever is closed while he still speaks cannot say everything.
        let _ = (&stream).write_all(&endless);
        assert!(rest(&stream).len() <= 8);
    }),
];

#[test]
fn socks4_and_4a() {
    if !possible("socks4_and_4a", &[]) {
        return;
    }
    Bed::new(&[]).hold("SOCKS4 and 4a", &FOUR);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FOUR.iter().map(|(name, _)| *name)
}
