//! A load for proxies: `load origin ADDR:PORT` is the target, `load MODE WAY TARGET CONNECTIONS AMOUNT` the clients.
//!
//! WAY is `direct` or the address of a SOCKS5 server. MODE is
//! - `up`, `down`: octets for AMOUNT milliseconds on each connection, all at once;
//! - `rate`: AMOUNT connections one after another on each of so many threads, each opened, used once and closed;
//! - `ping`: AMOUNT round trips of one octet on each connection;
//! - `beside-up`, `beside-down`: AMOUNT round trips of one octet alone, then as many while so many connections carry bulk;
//! - `idle`: so many connections opened by AMOUNT threads, each used once, and held until standard input ends;
//! - `verify`: AMOUNT octets of a pattern there and back at once, with a half-close.
//!
//! One line of JSON says what came of it.

mod bulk;
mod held;
mod origin;
mod turns;

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

/// What a connection says first: its target is to swallow all, and to say how much that was once it hears [`LAST`].
const SINK: u8 = b'u';
/// The last octet of an upload; those before it are 0. It stands for an end that also those can pass on who know no
/// half-close.
const LAST: u8 = 1;
/// What a connection says first: its target is to send for ever.
const SOURCE: u8 = b'd';
/// What a connection says first: its target is to send back what it hears.
const ECHO: u8 = b'e';
const ROOM: usize = 256 * 1_024;
/// A connection on which nothing moves for so long has failed.
const HOPELESS: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["origin", at] => origin::serve(at),
        [mode, way, target, connections, amount] => play(mode, way, target, connections, amount),
        _ => {
            eprintln!("usage: load origin ADDR:PORT, or load MODE WAY TARGET CONNECTIONS AMOUNT");
            std::process::exit(2);
        }
    };
    if let Err(error) = outcome {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => eprintln!("load: nothing moved for {HOPELESS:?}"),
            _ => eprintln!("load: {error}"),
        }
        std::process::exit(1);
    }
}

fn play(mode: &str, way: &str, target: &str, connections: &str, amount: &str) -> io::Result<()> {
    let way = if way == "direct" { None } else { Some(parse(way)?) };
    let load = Load { way, target: parse(target)?, connections: parse(connections)? };
    say(&load.run(mode, parse(amount)?)?);
    Ok(())
}

fn parse<T: core::str::FromStr<Err: core::fmt::Display>>(text: &str) -> io::Result<T> {
    text.parse().map_err(|error| io::Error::other(format!("{text:?}: {error}")))
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // A reader that has gone has seen enough.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Clients of one target.
struct Load {
    way: Option<SocketAddr>,
    target: SocketAddr,
    connections: usize,
}

impl Load {
    fn run(&self, mode: &str, amount: u64) -> io::Result<String> {
        match mode {
            "up" | "down" => self.bulk(mode == "up", Duration::from_millis(amount)),
            "rate" => self.rate(amount),
            "ping" => self.ping(amount),
            "beside-up" | "beside-down" => self.beside(mode == "beside-up", amount),
            "idle" => self.idle(amount),
            "verify" => self.verify(amount),
            _ => Err(io::Error::other(format!(
                "{mode:?} is none of up, down, rate, ping, beside-up, beside-down, idle and verify"
            ))),
        }
    }

    /// Opens a connection to the target, which waits for its first octet then.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.way.unwrap_or(self.target))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HOPELESS))?;
        stream.set_write_timeout(Some(HOPELESS))?;
        if self.way.is_some() {
            self.ask(&mut stream)?;
        }
        Ok(stream)
    }

    /// Opens a connection to the target and says what it is to do.
    fn open(&self, what: u8) -> io::Result<TcpStream> {
        let mut stream = self.connect()?;
        stream.write_all(&[what])?;
        Ok(stream)
    }

    /// Asks a SOCKS5 server for the target (RFC 1928 §3 and §4).
    fn ask(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(&[5, 1, 0])?;
        let mut reply = [0; 22];
        stream.read_exact(&mut reply[..2])?;
        let mut request = vec![5, 1, 0];
        match self.target {
            SocketAddr::V4(at) => request.extend([&[1][..], &at.ip().octets()].concat()),
            SocketAddr::V6(at) => request.extend([&[4][..], &at.ip().octets()].concat()),
        }
        request.extend(self.target.port().to_be_bytes());
        stream.write_all(&request)?;
        stream.read_exact(&mut reply[..4])?;
        if reply[1] != 0 {
            return Err(io::Error::other(format!("reply {}", reply[1])));
        }
        let rest = if reply[3] == 1 { 6 } else { 18 };
        stream.read_exact(&mut reply[4..4 + rest])
    }

    /// Does something on a thread for each connection, and returns what came of each.
    fn each<R: Send>(&self, work: impl Fn() -> io::Result<R> + Sync) -> Vec<io::Result<R>> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(&work)).collect();
            threads.into_iter().map(joined).collect()
        })
    }
}

fn joined<R>(thread: thread::ScopedJoinHandle<'_, io::Result<R>>) -> io::Result<R> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}
