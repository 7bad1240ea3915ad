//! What a peer on the wire must see: each behaviour of SOCKS4 and SOCKS5 that clients rely on or attackers try, as a
//! statement with its section, held against the program over a TUN.
//!
//! A statement is a name and what shows it. Those of a module share a proxy; each that does not hold is printed. The
//! table in `README.md` says which of them shows each behaviour.

mod abuse;
mod bind;
mod connect;
mod datagrams;
mod four;
mod framing;
mod login;
mod lookups;
mod through;

use core::net::{IpAddr, SocketAddr};
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use sockhop_tests::netns::{Namespace, Running, possible};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::catch_unwind;

/// Where the proxy is.
const PROXY: &str = "198.18.0.2:1080";
/// How long a peer may be silent before a statement is held to have failed; nothing waits for it to pass.
const BOUND: Duration = Duration::from_secs(10);

/// A namespace with a proxy, in which this thread stands.
struct Bed {
    proxy: Running,
    _namespace: Namespace,
}

/// Every statement that is held here.
fn held() -> impl Iterator<Item = &'static str> {
    let rows = framing::names().chain(connect::names()).chain(login::names()).chain(bind::names());
    rows.chain(datagrams::names()).chain(four::names()).chain(lookups::names()).chain(abuse::names())
}

#[test]
fn every_statement_that_peers_rely_on_has_a_test_that_is_there() {
    let table = include_str!("README.md");
    let cells =
        |row: &'static str| -> Vec<&str> { row.trim_matches('|').split('|').map(str::trim).collect() };
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| **")).map(cells).collect();
    let missing: Vec<_> = rows
        .iter()
        .filter(|row| row.len() != 3 || !held().any(|name| name == row[2]))
        .map(|row| row.join(" | "))
        .collect();
    // Not through `println!`, which the test harness swallows.
    let _ = writeln!(
        std::io::stderr(),
        "  statements: {} of {} have a test",
        rows.len() - missing.len(),
        rows.len()
    );
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(rows.len(), 116, "none has left the table");
    let mut once = std::collections::HashSet::new();
    assert!(held().all(|name| once.insert(name)), "two statements have one name");
}

/// A statement and what shows it.
type Statement = (&'static str, fn(&Bed));

impl Bed {
    fn new(arguments: &[&str]) -> Self {
        let namespace = Namespace::new();
        namespace.hosts(
            "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 four.test\n127.0.0.1 both.test\n::1 both.test\n\
             10.96.0.9 silent.test\n127.0.0.1 silent.test\n198.18.0.1 host.test\n10.99.0.1 hidden.test\n192.0.2.77 told.test\n\
             2001:db8::77 six.test\n",
        );
        namespace.shell(
            "ip addr add 10.99.0.1/32 dev lo; ip link add d0 type veth peer name d1; \
             ip addr add 10.96.0.1/24 dev d0; ip link set d0 up; ip link set d1 up; ip neigh add 10.96.0.9 lladdr 02:00:00:00:00:09 dev d0; \
             ip route add unreachable 10.97.0.0/16",
        );
        let proxy = namespace.proxy(arguments);
        namespace.enter();
        Self { proxy, _namespace: namespace }
    }

    /// Holds every statement, and fails with the names of those that do not.
    fn hold(&self, module: &str, statements: &[Statement]) {
        let broken: Vec<&str> = statements
            .iter()
            .filter(|(_, shows)| catch_unwind(AssertUnwindSafe(|| shows(self))).is_err())
            .map(|(name, _)| *name)
            .collect();
        let held = statements.len() - broken.len();
        // Not through `println!`, which the test harness swallows.
        let _ = writeln!(std::io::stderr(), "  statements: {held} of {} hold on {module}", statements.len());
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

/// Returns a connection to the proxy.
fn open() -> TcpStream {
    let stream = TcpStream::connect(PROXY).expect("the proxy listens");
    stream.set_read_timeout(Some(BOUND)).expect("it is not zero");
    stream.set_nodelay(true).expect("it stands");
    stream
}

/// Says octets.
fn say(mut stream: &TcpStream, octets: &[u8]) {
    stream.write_all(octets).expect("the peer takes them");
}

/// Says octets, each in a segment of its own.
fn drip(stream: &TcpStream, octets: &[u8]) {
    octets.chunks(1).for_each(|octet| say(stream, octet));
}

/// Hears so many octets.
fn hear(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut octets = vec![0; count];
    stream.read_exact(&mut octets).expect("the peer says them");
    octets
}

/// Hears everything up to the end, be it a FIN or a RST.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    match stream.read_to_end(&mut octets) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it did not end"),
    }
    octets
}

/// Says octets and expects the connection to end with nothing but these.
fn ends_with(said: &[u8], heard: &[u8]) {
    let stream = open();
    say(&stream, said);
    assert_eq!(rest(&stream), heard);
}

/// Returns a listener on loopback.
fn target() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("loopback has a port")
}

fn at(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("it is bound")
}

/// Returns an address as it stands in a request.
fn address(at: SocketAddr) -> Vec<u8> {
    let mut octets = match at.ip() {
        IpAddr::V4(ip) => [&[1][..], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&[4][..], &ip.octets()].concat(),
    };
    octets.extend(at.port().to_be_bytes());
    octets
}

/// Returns a name as it stands in a request.
fn name(name: &[u8], port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a name has at most 255 octets");
    [&[3, length][..], name, &port.to_be_bytes()].concat()
}

/// Returns a request for a command (1 CONNECT, 2 BIND, 3 UDP ASSOCIATE).
fn request(command: u8, address: &[u8]) -> Vec<u8> {
    [&[5, command, 0], address].concat()
}

/// Greets, asks and returns the reply: its code and its address.
fn ask(stream: &TcpStream, command: u8, address: &[u8]) -> (u8, SocketAddr) {
    say(stream, &[5, 1, 0]);
    assert_eq!(hear(stream, 2), [5, 0]);
    say(stream, &request(command, address));
    reply(stream)
}

/// Hears a reply.
fn reply(stream: &TcpStream) -> (u8, SocketAddr) {
    let head = hear(stream, 4);
    assert_eq!((head[0], head[2]), (5, 0), "version and RSV");
    let ip: IpAddr = match head[3] {
        1 => <[u8; 4]>::try_from(hear(stream, 4)).expect("four octets").into(),
        4 => <[u8; 16]>::try_from(hear(stream, 16)).expect("sixteen octets").into(),
        other => panic!("address type {other}"),
    };
    let port = hear(stream, 2);
    (head[1], SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]])))
}

/// Connects to a target through the proxy and returns both ends.
fn through(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = open();
    let (code, _) = ask(&client, 1, &address(at(listener)));
    assert_eq!(code, 0);
    (client, accepted(listener))
}

/// Accepts the connection that has been made.
fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("somebody has connected");
    stream.set_read_timeout(Some(BOUND)).expect("it is not zero");
    stream
}

/// Returns the code of the reply to a CONNECT that is refused, after which the connection has to end.
fn refused(address: &[u8]) -> u8 {
    let stream = open();
    let (code, _) = ask(&stream, 1, address);
    assert_ne!(code, 0);
    assert!(rest(&stream).is_empty(), "it ends after the refusal");
    code
}

/// Says something each way and hears it at the other end.
fn carries(client: &TcpStream, target: &TcpStream) {
    say(client, b"up..");
    assert_eq!(hear(target, 4), b"up..");
    say(target, b"down");
    assert_eq!(hear(client, 4), b"down");
}

/// Resets a connection.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("it stands");
    drop(stream);
}
