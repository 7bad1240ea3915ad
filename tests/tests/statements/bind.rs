//! BIND.

use super::*;

/// Asks for a listener that waits for a peer on loopback, and returns where it is.
fn listener(stream: &TcpStream) -> SocketAddr {
    let (code, listens) = ask(stream, 2, &address("127.0.0.1:9".parse().expect("an address")));
    assert_eq!(code, 0);
    listens
}

/// Connects from another address of this host.
fn from_elsewhere(to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)
        .expect("there is a descriptor");
    let from: SocketAddr = "10.99.0.1:0".parse().expect("an address");
    rustix::net::bind(&socket, &from).expect("it is an address of this host");
    rustix::net::connect(&socket, &to).expect("it listens for everybody");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(BOUND)).expect("it is not zero");
    stream
}

const BIND: [Statement; 6] = [
    ("RFC 1928 s4, s6: the second reply names the peer, and data go both ways", |_| {
        let client = open();
        let peer = TcpStream::connect(listener(&client)).expect("it listens");
        peer.set_read_timeout(Some(BOUND)).expect("it is not zero");
        assert_eq!(reply(&client), (0, peer.local_addr().expect("it stands")));
        carries(&client, &peer);
    }),
    ("RFC 1928 s4, s6: a BIND for IPv6 is answered twice, and data go both ways", |_| {
        let client = open();
        let (code, listens) = ask(&client, 2, &address("[::1]:9".parse().expect("an address")));
        assert_eq!(code, 0);
        let peer = TcpStream::connect(listens).expect("it listens");
        peer.set_read_timeout(Some(BOUND)).expect("it is not zero");
        assert_eq!(reply(&client), (0, peer.local_addr().expect("it stands")));
        carries(&client, &peer);
    }),
    ("RFC 1928 s6: the first reply names a usable address", |_| {
        let client = open();
        let listens = listener(&client);
        assert!(!listens.ip().is_unspecified() && listens.port() != 0, "{listens}");
    }),
    ("RFC 1928 s4: it takes one connection only", |_| {
        let client = open();
        let listens = listener(&client);
        let _peer = TcpStream::connect(listens).expect("it listens");
        assert_eq!(reply(&client).0, 0);
        assert_eq!(TcpStream::connect(listens).expect_err("it is gone").kind(), ErrorKind::ConnectionRefused);
    }),
    ("SEC RFC 1928 s4, s6: a peer other than DST.ADDR is refused", |_| {
        let client = open();
        let listens = listener(&client);
        assert!(rest(&from_elsewhere(listens)).is_empty(), "it is turned away");
        let peer = TcpStream::connect(listens).expect("it still listens");
        assert_eq!(reply(&client).1, peer.local_addr().expect("it stands"));
    }),
    ("RFC 1928 s4: the listener goes when the client leaves", |bed| {
        let client = open();
        let listens = listener(&client);
        let who = client.local_addr().expect("it stands").to_string();
        drop(client);
        assert!(bed.proxy.until(&who).contains("Binding was awaited"));
        assert_eq!(TcpStream::connect(listens).expect_err("it is gone").kind(), ErrorKind::ConnectionRefused);
    }),
];

#[test]
fn bind() {
    if !possible("bind", &[]) {
        return;
    }
    Bed::new(&[]).hold("BIND", &BIND);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BIND.iter().map(|(name, _)| *name)
}
