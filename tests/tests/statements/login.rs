//! User name and password (RFC 1929).

use super::*;

/// Returns a sub-negotiation.
fn password(user: &[u8], password: &[u8]) -> Vec<u8> {
    let length = |text: &[u8]| u8::try_from(text.len()).expect("at most 255 octets");
    [&[1, length(user)][..], user, &[length(password)], password].concat()
}

/// Offers a password, says a sub-negotiation and expects to be refused and closed.
fn is_wrong(said: &[u8]) {
    let stream = open();
    say(&stream, &[5, 1, 2]);
    assert_eq!(hear(&stream, 2), [5, 2]);
    say(&stream, said);
    let heard = rest(&stream);
    assert!(heard.len() == 2 && heard[0] == 1 && heard[1] != 0, "{heard:?}");
}

const LOGIN: [Statement; 20] = [
    ("RFC 1929 s2: the right password is answered 01 00 and then a CONNECT works", |_| {
        let listener = target();
        let stream = open();
        say(&stream, &[5, 1, 2]);
        assert_eq!(hear(&stream, 2), [5, 2]);
        say(&stream, &password(b"ann", b"secret"));
        assert_eq!(hear(&stream, 2), [1, 0]);
        say(&stream, &request(1, &address(at(&listener))));
        assert_eq!(reply(&stream).0, 0);
        carries(&stream, &accepted(&listener));
    }),
    ("RFC 1929 s2: a wrong password is answered 01 and not 00", |_| {
        let stream = open();
        say(&stream, &[5, 1, 2]);
        say(&stream, &password(b"ann", b"wrong"));
        let heard = hear(&stream, 4);
        assert!(heard[..3] == [5, 2, 1] && heard[3] != 0, "{heard:?}");
    }),
    ("RFC 1929 s2: after a failure the server closes", |_| is_wrong(&password(b"ann", b"wrong"))),
    ("RFC 1929 s2: a wrong user is refused and closed", |_| is_wrong(&password(b"eve", b"secret"))),
    ("RFC 1928 s3: of 00 and 02 a server with passwords chooses 02", |_| {
        let stream = open();
        say(&stream, &[5, 2, 0, 2]);
        assert_eq!(hear(&stream, 2), [5, 2]);
    }),
    ("RFC 1928 s3: 00 alone is answered 05 FF", |_| ends_with(&[5, 1, 0], &[5, 255])),
    ("SEC RFC 1928 s3: a request in place of the sub-negotiation is not served", |_| {
        let listener = target();
        is_wrong(&request(1, &address(at(&listener))));
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err());
    }),
    ("RFC 1929 s2: a wrong version of the sub-negotiation is refused and closed", |_| {
        is_wrong(b"\x05\x03ann\x06secret");
    }),
    ("RFC 1929 s2: one octet a segment works", |_| {
        let stream = open();
        drip(&stream, &[5, 1, 2]);
        assert_eq!(hear(&stream, 2), [5, 2]);
        drip(&stream, &password(b"ann", b"secret"));
        assert_eq!(hear(&stream, 2), [1, 0]);
    }),
    ("ROBUST: greeting, password and request in one segment work", |_| {
        let listener = target();
        let stream = open();
        let login = password(b"ann", b"secret");
        say(&stream, &[&[5, 1, 2][..], &login, &request(1, &address(at(&listener)))].concat());
        assert_eq!(hear(&stream, 4), [5, 2, 1, 0]);
        assert_eq!(reply(&stream).0, 0);
        carries(&stream, &accepted(&listener));
    }),
    ("RFC 1929 s2: an empty name is refused and closed", |_| is_wrong(&password(b"", b"secret"))),
    ("RFC 1929 s2: an empty password is refused and closed", |_| is_wrong(&password(b"ann", b""))),
    ("RFC 1929 s2: both empty are refused and closed", |_| is_wrong(&password(b"", b""))),
    ("RFC 1929 s2: 255 octets each are refused in good order", |_| {
        is_wrong(&password(&[b'a'; 255], &[b'b'; 255]));
    }),
    ("SEC RFC 1929 s2: a NUL does not end the name", |_| is_wrong(&password(b"ann\0junk", b"secret"))),
    ("SEC RFC 1929 s2: a NUL does not end the password", |_| is_wrong(&password(b"ann", b"secret\0junk"))),
    ("SEC RFC 1929 s2: a prefix of the password does not log in", |_| is_wrong(&password(b"ann", b"secre"))),
    ("SEC RFC 1929 s2: behind a wrong password no CONNECT is served", |_| {
        let listener = target();
        is_wrong(&[password(b"ann", b"wrong"), request(1, &address(at(&listener)))].concat());
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err());
    }),
    ("SEC RFC 1928 s3: who offers no password gets nothing whatever is answered", |_| {
        let listener = target();
        let said = [&[5, 1, 0][..], &request(1, &address(at(&listener)))].concat();
        ends_with(&said, &[5, 255]);
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err());
    }),
    ("ROBUST: a FIN within the sub-negotiation closes", |_| {
        let stream = open();
        say(&stream, &[5, 1, 2, 1, 3, b'a']);
        stream.shutdown(std::net::Shutdown::Write).expect("it stands");
        assert_eq!(rest(&stream), [5, 2]);
    }),
];

#[test]
fn user_name_and_password() {
    if !possible("user_name_and_password", &[]) {
        return;
    }
    Bed::new(&["--user", "ann:secret"]).hold("name and password", &LOGIN);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    LOGIN.iter().map(|(name, _)| *name)
}
