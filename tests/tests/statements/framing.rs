//! Greeting and framing.

use super::*;

const FRAMING: [Statement; 14] = [
    ("RFC 1928 s3: the usable method is answered and nothing follows unasked", |_| {
        let stream = open();
        say(&stream, &[5, 1, 0]);
        stream.shutdown(std::net::Shutdown::Write).expect("it stands");
        assert_eq!(rest(&stream), [5, 0]);
    }),
    ("RFC 1928 s3: of 255 methods the last is found", |_| {
        let stream = open();
        let mut methods = [9; 257];
        methods[..2].copy_from_slice(&[5, 255]);
        methods[256] = 0;
        say(&stream, &methods);
        assert_eq!(hear(&stream, 2), [5, 0]);
    }),
    ("RFC 1928 s3: no acceptable method is answered 05 FF", |_| {
        let stream = open();
        say(&stream, &[5, 2, 1, 9]);
        assert_eq!(hear(&stream, 2), [5, 255]);
    }),
    ("RFC 1928 s3: after 05 FF nothing is served", |_| {
        let listener = target();
        let said = [&[5, 1, 9][..], &request(1, &address(at(&listener)))].concat();
        ends_with(&said, &[5, 255]);
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err(), "nobody has connected");
    }),
    ("RFC 1928 s3: an offer of nothing is refused", |_| ends_with(&[5, 0], &[5, 255])),
    ("RFC 1928 s3: a wrong version is closed", |_| ends_with(&[6, 1, 0], &[])),
    ("ROBUST: an HTTP request is closed", |_| ends_with(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[])),
    ("RFC 1928 s3: one octet a segment works", |_| {
        let listener = target();
        let stream = open();
        drip(&stream, &[5, 1, 0]);
        assert_eq!(hear(&stream, 2), [5, 0]);
        drip(&stream, &request(1, &address(at(&listener))));
        assert_eq!(reply(&stream).0, 0);
        carries(&stream, &accepted(&listener));
    }),
    ("RFC 1928 s3: greeting and request in one segment work", |_| {
        let listener = target();
        let stream = open();
        say(&stream, &[&[5, 1, 0][..], &request(1, &address(at(&listener)))].concat());
        assert_eq!(hear(&stream, 2), [5, 0]);
        assert_eq!(reply(&stream).0, 0);
        carries(&stream, &accepted(&listener));
    }),
    ("ROBUST: data behind greeting and request reach the target once, in order", |_| {
        let listener = target();
        let stream = open();
        say(&stream, &[&[5, 1, 0][..], &request(1, &address(at(&listener))), b"first "].concat());
        say(&stream, b"second");
        stream.shutdown(std::net::Shutdown::Write).expect("it stands");
        assert_eq!(rest(&accepted(&listener)), b"first second");
    }),
    ("ROBUST: data behind the request in one segment reach the target", |_| {
        let listener = target();
        let stream = open();
        say(&stream, &[5, 1, 0]);
        assert_eq!(hear(&stream, 2), [5, 0]);
        say(&stream, &[&request(1, &address(at(&listener)))[..], b"data"].concat());
        assert_eq!(hear(&accepted(&listener), 4), b"data");
    }),
    ("ROBUST: a greeting in two segments works", |_| {
        let stream = open();
        say(&stream, &[5]);
        say(&stream, &[2, 9, 0]);
        assert_eq!(hear(&stream, 2), [5, 0]);
    }),
    ("ROBUST: a FIN within the greeting closes", |_| {
        let stream = open();
        say(&stream, &[5, 2]);
        stream.shutdown(std::net::Shutdown::Write).expect("it stands");
        assert!(rest(&stream).is_empty());
    }),
    ("ROBUST: a FIN within the request closes and connects nothing", |_| {
        let listener = target();
        let stream = open();
        let whole = request(1, &address(at(&listener)));
        say(&stream, &[5, 1, 0]);
        say(&stream, &whole[..whole.len() - 1]);
        stream.shutdown(std::net::Shutdown::Write).expect("it stands");
        assert_eq!(rest(&stream), [5, 0]);
        listener.set_nonblocking(true).expect("it stands");
        assert!(listener.accept().is_err(), "nobody has connected");
    }),
];

#[test]
fn greeting_and_framing() {
    if !possible("greeting_and_framing", &[]) {
        return;
    }
    Bed::new(&[]).hold("greeting and framing", &FRAMING);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FRAMING.iter().map(|(name, _)| *name)
}
