//! UDP ASSOCIATE.

use super::*;
use std::net::UdpSocket;

/// An association: the connection that holds it, and the client's socket.
struct Association {
    control: TcpStream,
    socket: UdpSocket,
    at: SocketAddr,
}

/// Returns a socket that gives up waiting at the bound.
fn socket(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind(at).expect("it is an address of this host");
    socket.set_read_timeout(Some(BOUND)).expect("it is not zero");
    socket
}

/// Returns a datagram as the client sends it.
fn wrapped(fragment: u8, address: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0, 0, fragment][..], address, payload].concat()
}

impl Association {
    fn open() -> Self {
        Self::asking("0.0.0.0:0".parse().expect("an address"), socket("0.0.0.0:0"))
    }

    fn asking(address_of_client: SocketAddr, socket: UdpSocket) -> Self {
        let control = open();
        let (code, at) = ask(&control, 3, &address(address_of_client));
        assert_eq!(code, 0);
        Self { control, socket, at }
    }

    fn send(&self, address: &[u8], payload: &[u8]) {
        self.socket.send_to(&wrapped(0, address, payload), self.at).expect("there is a way");
    }

    /// Returns the next datagram: who is said to have sent it, and what it carries.
    fn receive(&self) -> (Vec<u8>, Vec<u8>) {
        let mut room = [0; 65_536];
        let (count, from) = self.socket.recv_from(&mut room).expect("something comes");
        assert_eq!(from, self.at, "it comes from BND.ADDR:BND.PORT");
        assert_eq!(room[..3], [0, 0, 0], "RSV and FRAG");
        let length = if room[3] == 1 { 7 } else { 19 };
        (room[3..3 + length].to_vec(), room[3 + length..count].to_vec())
    }

    /// Sends something to a target, and its answer back.
    fn carries(&self, target: &UdpSocket, address: &[u8], payload: &[u8]) {
        self.send(address, payload);
        let (heard, from) = next(target);
        assert_eq!(heard, payload);
        target.send_to(payload, from).expect("there is a way back");
        let (source, back) = self.receive();
        assert_eq!((source, back), (super::address(place(target)), payload.to_vec()));
    }
}

fn place(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("it is bound")
}

/// Returns the next datagram that comes to a target.
fn next(target: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut room = vec![0; 65_536];
    let (count, from) = target.recv_from(&mut room).expect("something comes");
    room.truncate(count);
    (room, from)
}

const DATAGRAMS: [Statement; 19] = [
    ("RFC 1928 s7: an association for 0.0.0.0:0 relays to IPv4 and back", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), b"hello");
    }),
    ("RFC 1928 s7: a reply has RSV 0000, FRAG 00 and the target's own address", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), b"header");
    }),
    ("RFC 1928 s6: BND.ADDR can be sent to", |_| {
        let at = Association::open().at;
        assert!(!at.ip().is_unspecified() && at.port() != 0, "{at}");
    }),
    ("RFC 1928 s7: replies come from BND.ADDR:BND.PORT", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), b"from");
    }),
    ("RFC 1928 s7: to IPv6", |_| {
        let target = socket("[::1]:0");
        Association::open().carries(&target, &address(place(&target)), b"six");
    }),
    ("RFC 1928 s7: to a name", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &name(b"four.test", place(&target).port()), b"name");
    }),
    ("RFC 1928 s7: a client that names its own address is served", |_| {
        let (own, target) = (socket("198.18.0.1:0"), socket("127.0.0.1:0"));
        Association::asking(place(&own), own).carries(&target, &address(place(&target)), b"own");
    }),
    ("RFC 1928 s7: a fragment never arrives", |_| {
        let target = socket("127.0.0.1:0");
        let association = Association::open();
        for fragment in [1, 2, 0x80, 0xff] {
            let octets = wrapped(fragment, &address(place(&target)), b"fragment");
            association.socket.send_to(&octets, association.at).expect("there is a way");
        }
        association.carries(&target, &address(place(&target)), b"whole");
    }),
    ("SEC RFC 1928 s7: another source than the client is dropped", |_| {
        let (target, stranger) = (socket("127.0.0.1:0"), socket("10.99.0.1:0"));
        let association = Association::open();
        association.carries(&target, &address(place(&target)), b"mine");
        let octets = wrapped(0, &address(place(&target)), b"stranger");
        stranger.send_to(&octets, association.at).expect("there is a way");
        association.carries(&target, &address(place(&target)), b"mine again");
    }),
    ("SEC RFC 1928 s7: a stranger cannot take the association before the client has sent", |_| {
        let (target, stranger) = (socket("127.0.0.1:0"), socket("10.99.0.1:0"));
        let association = Association::open();
        let octets = wrapped(0, &address(place(&target)), b"stranger");
        stranger.send_to(&octets, association.at).expect("there is a way");
        association.carries(&target, &address(place(&target)), b"mine");
    }),
    ("RFC 1928 s7: the association ends with its connection", |bed| {
        let target = socket("127.0.0.1:0");
        let ended = Association::open();
        ended.carries(&target, &address(place(&target)), b"before");
        let Association { control, socket, at } = ended;
        drop(control);
        bed.proxy.until(&format!("udp at {at}"));
        let octets = wrapped(0, &address(place(&target)), b"after");
        socket.send_to(&octets, at).expect("there is a way");
        Association::open().carries(&target, &address(place(&target)), b"another");
    }),
    ("ROBUST RFC 1928 s7: what is malformed is dropped and the association lives on", |_| {
        let target = socket("127.0.0.1:0");
        let association = Association::open();
        let whole = wrapped(0, &address(place(&target)), b"");
        for length in 0..whole.len() {
            association.socket.send_to(&whole[..length], association.at).expect("there is a way");
        }
        for octets in [&b"\0\0\0\x02\x7f\0\0\x01\0\x50x"[..], b"\0\0\0\x03\0\0\x50x", b"\0\0\0\x03\xffshort"]
        {
            association.socket.send_to(octets, association.at).expect("there is a way");
        }
        association.carries(&target, &address(place(&target)), b"lives");
    }),
    ("ROBUST RFC 1928 s7: an empty payload is relayed", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), b"");
    }),
    ("ROBUST RFC 1928 s7: 1472 octets are relayed", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), &[7; 1_472]);
    }),
    ("ROBUST RFC 1928 s7: 8 KiB are relayed", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), &[7; 8 << 10]);
    }),
    ("ROBUST RFC 1928 s7: 60 KiB are relayed", |_| {
        let target = socket("127.0.0.1:0");
        Association::open().carries(&target, &address(place(&target)), &[7; 60 << 10]);
    }),
    ("RFC 1928 s7: two targets, each reply with its own source", |_| {
        let (one, other) = (socket("127.0.0.1:0"), socket("[::1]:0"));
        let association = Association::open();
        association.carries(&one, &address(place(&one)), b"one");
        association.carries(&other, &address(place(&other)), b"other");
        association.carries(&one, &address(place(&one)), b"one again");
    }),
    ("RFC 1928 s7: 8 associations at once do not mix", |_| {
        let target = socket("127.0.0.1:0");
        let many: Vec<_> = (0..8).map(|_| Association::open()).collect();
        let mut back = Vec::new();
        for (number, association) in (0_u8..).zip(&many) {
            association.send(&address(place(&target)), &[number]);
            let (heard, from) = next(&target);
            assert_eq!(heard, [number]);
            back.push(from);
        }
        for (number, from) in (0_u8..8).zip(&back).rev() {
            target.send_to(&[number], from).expect("there is a way back");
        }
        for (number, association) in (0_u8..).zip(&many) {
            assert_eq!(association.receive().1, [number]);
        }
    }),
    ("POL RFC 1928 s7: a host the client never wrote to is not let in", |_| {
        let (target, stranger) = (socket("127.0.0.1:0"), socket("10.99.0.1:0"));
        let association = Association::open();
        association.send(&address(place(&target)), b"out");
        let (_, from) = next(&target);
        let to = SocketAddr::new(from.ip(), from.port());
        stranger.send_to(b"stranger", to).expect("there is a way");
        target.send_to(b"known", from).expect("there is a way back");
        assert_eq!(association.receive().1, b"known");
    }),
];

#[test]
fn udp_associate() {
    if !possible("udp_associate", &[]) {
        return;
    }
    Bed::new(&[]).hold("UDP ASSOCIATE", &DATAGRAMS);
}

/// Every statement of this module.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    DATAGRAMS.iter().map(|(name, _)| *name)
}
