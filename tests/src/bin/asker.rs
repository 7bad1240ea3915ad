//! A client for tests: `asker PROXY TARGET MODE [FIFO]`, where MODE says what it does once the proxy has connected. Behind
//! `datagrams` may stand the most octets that one has.
//!
//! It prints one line when it has ended.

use core::net::SocketAddr;
use sockhop::io::drive;
use sockhop::socks5::udp::Datagram;
use sockhop::socks5::{Client, Command};
use sockhop::wire::{Host, Target};
use sockhop_hosted::egress::memory::pattern;
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [proxy, _, mode @ ("stall" | "churn"), count] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
        && let Ok(count) = count.parse()
    {
        return crowd(proxy, mode, count);
    }
    let [proxy, target, mode, rest @ ..] = arguments.as_slice() else {
        eprintln!(
            "usage: asker PROXY TARGET silent|reset|bind|datagrams|rest [FIFO|MOST], or stall|churn COUNT"
        );
        std::process::exit(2);
    };
    let mut stream = Blocking(TcpStream::connect(proxy)?);
    if mode == "silent" {
        // Says nothing at all, and hears how that ends.
        let heard = stream.0.read(&mut [0; 8])?;
        println!("ended after {heard} octets");
        return Ok(());
    }
    if mode == "bind" {
        return bind(proxy);
    }
    if mode == "datagrams" {
        let most = rest.first().map_or(Ok(u64::MAX), |most| most.parse()).map_err(io::Error::other)?;
        return datagrams(stream.0, target, most);
    }
    let target: SocketAddr = target.parse().map_err(io::Error::other)?;
    let target = Target { host: Host::Ip(target.ip()), port: target.port() };
    let mut client = Client::new(Command::Connect, target, None).map_err(io::Error::other)?;
    drive(&mut client, &mut stream).map_err(|error| io::Error::other(error.to_string()))?;
    let Blocking(mut stream) = stream;
    match mode.as_str() {
        // Sends a little and resets.
        "reset" => {
            stream.write_all(b"cut sho")?;
            rustix::net::sockopt::set_socket_linger(&stream, Some(core::time::Duration::ZERO))?;
            println!("reset");
        }
        // Reads nothing until somebody opens the FIFO, then everything.
        _ => {
            if let [fifo] = rest {
                std::fs::read(fifo)?;
            }
            let (mut room, mut heard, mut right) = (vec![0; 65_536], 0, true);
            loop {
                let count = stream.read(&mut room)?;
                if count == 0 {
                    break;
                }
                for octet in &room[..count] {
                    right &= *octet == pattern(heard);
                    heard += 1;
                }
            }
            println!("received {heard} {}", if right { "right" } else { "wrong" });
        }
    }
    Ok(())
}

/// Opens many connections that say one octet and no more, or that leave at once.
fn crowd(proxy: &str, mode: &str, count: usize) -> io::Result<()> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(proxy)?;
        if mode == "stall" {
            stream.write_all(&[5])?;
            streams.push(stream);
        }
    }
    println!("{mode} {count}");
    // The proxy gives them up, the first of them first.
    for mut stream in streams {
        let _nothing = stream.read(&mut [0; 8])?;
    }
    println!("ended");
    Ok(())
}

/// Lets the proxy listen for one peer, connects as another and as that one, and says what became of them.
fn bind(proxy: &str) -> io::Result<()> {
    let (_stranger, at) = listen(proxy, [127, 0, 0, 2])?;
    let turned_away = TcpStream::connect(at)?.read(&mut [0; 8]);
    println!("stranger {}", if matches!(turned_away, Ok(0) | Err(_)) { "turned away" } else { "let in" });
    let (mut client, at) = listen(proxy, [127, 0, 0, 1])?;
    let mut peer = TcpStream::connect(at)?;
    let told = reply(&mut client)?;
    println!("peer {}", if told == peer.local_addr()? { "named" } else { "misnamed" });
    println!("second {}", if TcpStream::connect(at).is_err() { "refused" } else { "let in" });
    let mut room = [0; 4];
    client.write_all(b"up..")?;
    peer.read_exact(&mut room)?;
    peer.write_all(b"down")?;
    let mut back = [0; 4];
    client.read_exact(&mut back)?;
    println!("carried {} {}", String::from_utf8_lossy(&room), String::from_utf8_lossy(&back));
    Ok(())
}

/// Asks for a BIND and returns where the peer is awaited.
fn listen(proxy: &str, peer: [u8; 4]) -> io::Result<(TcpStream, SocketAddr)> {
    let mut client = TcpStream::connect(proxy)?;
    client.write_all(&[5, 1, 0])?;
    client.read_exact(&mut [0; 2])?;
    client.write_all(&[&[5, 2, 0, 1][..], &peer, &[0, 0]].concat())?;
    let at = reply(&mut client)?;
    Ok((client, at))
}

/// Reads a reply that grants and names an IPv4 address.
fn reply(client: &mut TcpStream) -> io::Result<SocketAddr> {
    let mut reply = [0; 10];
    client.read_exact(&mut reply)?;
    if reply[..4] != [5, 0, 0, 1] {
        return Err(io::Error::other(format!("refused with code {}", reply[1])));
    }
    let ip = [reply[4], reply[5], reply[6], reply[7]];
    Ok(SocketAddr::from((ip, u16::from_be_bytes([reply[8], reply[9]]))))
}

/// Opens an association and says of each datagram, of at most so many octets, what became of it.
///
/// `target` is `ADDRESS:PORT` or `NAME:PORT` of something that sends datagrams back.
fn datagrams(mut stream: TcpStream, target: &str, most: u64) -> io::Result<()> {
    stream.write_all(&[5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0])?;
    stream.read_exact(&mut [0; 2])?;
    let relay = reply(&mut stream)?;
    let socket = UdpSocket::bind((stream.local_addr()?.ip(), 0))?;
    let header = header(target);
    let ask =
        |from: &UdpSocket, header: &[u8], payload: &[u8]| from.send_to(&[header, payload].concat(), relay);
    let stranger = UdpSocket::bind("10.99.0.1:0")?;
    ask(&stranger, &header, b"stranger")?;
    ask(&socket, &[&[0, 0, 1], &header[3..]].concat(), b"fragment")?;
    ask(&socket, &header[..5], b"")?;
    let mut room = vec![0; 65_535];
    // One that is lost has been lost, and is not waited for without end.
    socket.set_read_timeout(Some(core::time::Duration::from_secs(20)))?;
    for size in [1, 0, 1_472, 8_192, 60_000].map(|size: u64| size.min(most)) {
        let payload: Vec<u8> = (0..size).map(pattern).collect();
        ask(&socket, &header, &payload)?;
        let (count, from) = socket.recv_from(&mut room)?;
        let datagram = Datagram::parse(&room[..count]).map_err(io::Error::other)?;
        let right = datagram.payload == payload && from == relay;
        println!("{size} from {} {}", datagram.target, if right { "right" } else { "wrong" });
    }
    // Once the connection is gone nobody answers there, and the host says so.
    // One that comes just before the end is lost without a word, so each is waited for a little only.
    socket.connect(relay)?;
    socket.set_read_timeout(Some(core::time::Duration::from_millis(50)))?;
    drop(stream);
    loop {
        match socket.send(&[&header[..], b"late"].concat()).and_then(|_| socket.recv(&mut room)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    println!("closed");
    Ok(())
}

/// Returns the header of a datagram to a target.
fn header(target: &str) -> Vec<u8> {
    let mut header = vec![0, 0, 0];
    let (host, port) = target.rsplit_once(':').expect("HOST:PORT");
    match target.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(at)) => {
            header.push(1);
            header.extend(at.ip().octets());
        }
        Ok(SocketAddr::V6(at)) => {
            header.push(4);
            header.extend(at.ip().octets());
        }
        Err(_) => {
            header.extend([3, u8::try_from(host.len()).expect("short")]);
            header.extend(host.bytes());
        }
    }
    header.extend(port.parse::<u16>().expect("a port").to_be_bytes());
    header
}

/// A socket as embedded-io sees it.
struct Blocking(TcpStream);

impl embedded_io::ErrorType for Blocking {
    type Error = io::Error;
}

impl embedded_io::Read for Blocking {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl embedded_io::Write for Blocking {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
