//! A load for proxies: `load origin ADDR:PORT` is the target, `load MODE WAY TARGET CONNECTIONS AMOUNT` the clients.
//!
//! WAY is `direct` or the address of a SOCKS5 server. MODE is
//! - `up`, `down`: octets for AMOUNT seconds on each connection;
//! - `rate`: AMOUNT connections one after another on each of so many threads, each opened, used once and closed;
//! - `ping`: AMOUNT round trips of one octet on each connection;
//! - `idle`: so many connections opened and held until standard input ends;
//! - `verify`: AMOUNT octets of a pattern there and back at once, with a half-close.
//!
//! One line of JSON says what came of it.

use core::net::SocketAddr;
use core::time::Duration;
use sockhop_hosted::egress::memory::pattern;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

/// What a connection says first: what its target is to do.
const SINK: u8 = b'u';
const SOURCE: u8 = b'd';
const ECHO: u8 = b'e';
const ROOM: usize = 256 * 1_024;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["origin", at] => origin(at),
        [mode, way, target, connections, amount] => {
            let way = if *way == "direct" { None } else { Some(parse(way)?) };
            let load = Load { way, target: parse(target)?, connections: parse(connections)? };
            let line = load.run(mode, parse(amount)?)?;
            say(&line);
            Ok(())
        }
        _ => {
            eprintln!("usage: load origin ADDR:PORT, or load MODE WAY TARGET CONNECTIONS AMOUNT");
            std::process::exit(2);
        }
    }
}

fn parse<T: core::str::FromStr<Err: core::fmt::Display>>(text: &str) -> io::Result<T> {
    text.parse().map_err(|error| io::Error::other(format!("{text:?}: {error}")))
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // A reader that has gone has seen enough.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Serves each connection as its first octet says.
fn origin(at: &str) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    say("ready");
    for stream in listener.incoming() {
        let stream = stream?;
        // A client that has gone is no matter.
        thread::spawn(move || drop(serve(stream)));
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let mut room = vec![0; ROOM];
    loop {
        let count = if first[0] == SOURCE { ROOM } else { stream.read(&mut room)? };
        if count == 0 {
            return stream.shutdown(Shutdown::Write);
        }
        if first[0] != SINK {
            stream.write_all(&room[..count])?;
        }
    }
}

/// Clients of one target.
struct Load {
    way: Option<SocketAddr>,
    target: SocketAddr,
    connections: usize,
}

impl Load {
    /// Opens a connection to the target and says what it is to do.
    fn open(&self, what: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.way.unwrap_or(self.target))?;
        stream.set_nodelay(true)?;
        if self.way.is_some() {
            self.ask(&mut stream)?;
        }
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

    fn run(&self, mode: &str, amount: u64) -> io::Result<String> {
        match mode {
            "up" | "down" => self.bulk(mode == "up", Duration::from_secs(amount)),
            "rate" => self.rate(amount),
            "ping" => self.ping(amount),
            "idle" => self.idle(),
            "verify" => self.verify(amount),
            _ => Err(io::Error::other(format!("{mode:?} is none of up, down, rate, ping, idle and verify"))),
        }
    }

    /// Does something on each connection, on a thread of its own, and returns what came of each.
    fn each<R: Send>(&self, work: impl Fn() -> io::Result<R> + Sync) -> Vec<io::Result<R>> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(&work)).collect();
            let broken = |_| Err(io::Error::other("a thread panicked"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(broken)).collect()
        })
    }

    fn bulk(&self, up: bool, lasting: Duration) -> io::Result<String> {
        let outcomes = self.each(|| {
            let mut stream = self.open(if up { SINK } else { SOURCE })?;
            let (began, mut room, mut octets) = (Instant::now(), vec![0; ROOM], 0_u64);
            while began.elapsed() < lasting {
                octets += if up { stream.write(&room)? } else { stream.read(&mut room)? } as u64;
            }
            Ok(octets as f64 / began.elapsed().as_secs_f64())
        });
        let rates: Vec<f64> = outcomes.into_iter().collect::<io::Result<_>>()?;
        let (sum, squares) = (rates.iter().sum::<f64>(), rates.iter().map(|rate| rate * rate).sum::<f64>());
        // Jain's index: 1 when all get the same, 1/n when one gets everything.
        let fair = sum * sum / (rates.len() as f64 * squares);
        Ok(format!("{{\"octets_per_second\":{sum:.0},\"jain\":{fair:.3}}}"))
    }

    fn rate(&self, each: u64) -> io::Result<String> {
        let began = Instant::now();
        let outcomes = self.each(|| {
            let mut failed = 0;
            for _ in 0..each {
                let used = self.open(ECHO).and_then(|mut stream| {
                    stream.write_all(b"x")?;
                    stream.read_exact(&mut [0])
                });
                failed += u64::from(used.is_err());
            }
            Ok(failed)
        });
        let failed: u64 = outcomes.into_iter().sum::<io::Result<u64>>()?;
        let rate = (self.connections as u64 * each) as f64 / began.elapsed().as_secs_f64();
        Ok(format!("{{\"connections_per_second\":{rate:.0},\"failed\":{failed}}}"))
    }

    fn ping(&self, each: u64) -> io::Result<String> {
        let outcomes = self.each(|| {
            let opening = Instant::now();
            let mut stream = self.open(ECHO)?;
            let opened = opening.elapsed();
            let mut times = Vec::new();
            for _ in 0..each {
                let began = Instant::now();
                stream.write_all(b"x")?;
                stream.read_exact(&mut [0])?;
                times.push(began.elapsed());
            }
            Ok((opened, times))
        });
        let (mut opened, mut times) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            let (first, rest) = outcome?;
            opened.push(first);
            times.extend(rest);
        }
        opened.sort_unstable();
        times.sort_unstable();
        let at = |times: &[Duration], part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
        Ok(format!(
            "{{\"handshake_us\":{:.1},\"median_us\":{:.1},\"p99_us\":{:.1}}}",
            at(&opened, 50),
            at(&times, 50),
            at(&times, 99)
        ))
    }

    fn idle(&self) -> io::Result<String> {
        let began = Instant::now();
        let held: Vec<TcpStream> =
            (0..self.connections).map(|_| self.open(ECHO)).collect::<io::Result<_>>()?;
        let took = began.elapsed().as_secs_f64();
        say(&format!("{{\"opened\":{},\"seconds\":{took:.3}}}", held.len()));
        io::stdin().read_to_end(&mut Vec::new())?;
        Ok(format!("{{\"closed\":{}}}", held.len()))
    }

    fn verify(&self, octets: u64) -> io::Result<String> {
        let outcomes = self.each(|| {
            let stream = self.open(ECHO)?;
            let mut writer = stream.try_clone()?;
            let writing = thread::spawn(move || {
                let mut at = 0;
                while at < octets {
                    let end = octets.min(at + ROOM as u64);
                    let piece: Vec<u8> = (at..end).map(pattern).collect();
                    writer.write_all(&piece)?;
                    at = end;
                }
                writer.shutdown(Shutdown::Write)
            });
            let (mut reader, mut room, mut heard, mut wrong) = (stream, vec![0; ROOM], 0, 0_u64);
            loop {
                let count = reader.read(&mut room)?;
                if count == 0 {
                    break;
                }
                for octet in &room[..count] {
                    wrong += u64::from(*octet != pattern(heard));
                    heard += 1;
                }
            }
            writing.join().map_err(|_| io::Error::other("a thread panicked"))??;
            Ok(wrong + octets.abs_diff(heard))
        });
        let wrong: u64 = outcomes.into_iter().sum::<io::Result<u64>>()?;
        Ok(format!("{{\"octets\":{},\"wrong\":{wrong}}}", octets * self.connections as u64))
    }
}
