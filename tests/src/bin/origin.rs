//! A target for tests: `origin ADDR:PORT MODE`, where MODE says what it does with each connection.
//!
//! It prints `ready` once it listens, and one line for each connection that has ended: how many octets it heard,
//! and how the connection ended.

use sockhop_hosted::egress::memory::pattern;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, mode] = arguments.as_slice() else {
        eprintln!("usage: origin ADDR:PORT echo|answer|http|line|source|flood|reset|hold|udp");
        std::process::exit(2);
    };
    if mode == "udp" {
        return echo_datagrams(address);
    }
    let listener = TcpListener::bind(address)?;
    say("ready");
    for stream in listener.incoming() {
        let (stream, mode) = (stream?, mode.clone());
        thread::spawn(move || {
            let line = match serve(stream, &mode) {
                Ok(heard) => format!("ended {heard}"),
                Err(error) => format!("broke {:?}", error.kind()),
            };
            say(&line);
        });
    }
    Ok(())
}

/// Sends every datagram back to where it came from.
fn echo_datagrams(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    say("ready");
    let mut room = vec![0; 65_535];
    loop {
        let (count, from) = socket.recv_from(&mut room)?;
        socket.send_to(&room[..count], from)?;
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // A test that has ended reads no more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn serve(mut stream: TcpStream, mode: &str) -> io::Result<u64> {
    let mut heard = 0;
    let mut room = vec![0; 65_536];
    match mode {
        // Sends back what it hears, and ends when the peer does.
        "echo" => loop {
            let count = stream.read(&mut room)?;
            if count == 0 {
                return Ok(heard);
            }
            heard += count as u64;
            stream.write_all(&room[..count])?;
        },
        // Hears everything to the end, and says then how much it was.
        "answer" => {
            heard = io::copy(&mut stream, &mut io::sink())?;
            writeln!(stream, "{heard}")?;
        }
        // Answers one HTTP request and ends.
        "http" => {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                stream.read_exact(&mut octet)?;
                request.push(octet[0]);
            }
            heard = request.len() as u64;
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello")?;
        }
        // Ends its own half first, after a megabyte of the pattern, and goes on hearing.
        "source" => {
            let octets: Vec<u8> = (0..1 << 20).map(pattern).collect();
            stream.write_all(&octets)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            heard = io::copy(&mut stream, &mut io::sink())?;
        }
        // Hears a line, and ends first.
        "line" => {
            while room[0] != b'\n' {
                heard += stream.read(&mut room[..1])? as u64;
            }
            stream.shutdown(std::net::Shutdown::Write)?;
            io::copy(&mut stream, &mut io::sink())?;
        }
        // Sends 64 MiB of the pattern and ends; what it hears is read, for a close upon unread octets is a reset.
        "flood" => {
            for part in 0..1_024 {
                let octets: Vec<u8> = (part << 16..(part + 1) << 16).map(pattern).collect();
                stream.write_all(&octets)?;
            }
            stream.shutdown(std::net::Shutdown::Write)?;
            heard = io::copy(&mut stream, &mut io::sink())?;
        }
        // Sends a little and resets.
        "reset" => {
            stream.read_exact(&mut room[..1])?;
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\ncut sho")?;
            rustix::net::sockopt::set_socket_linger(&stream, Some(core::time::Duration::ZERO))?;
        }
        // Sends without end and says how much was taken when it is told to stop by a reset.
        _ => {
            let octets = vec![7; 65_536];
            while let Ok(count) = stream.write(&octets) {
                heard += count as u64;
            }
        }
    }
    Ok(heard)
}
