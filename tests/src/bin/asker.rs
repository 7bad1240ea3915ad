//! A client for tests: `asker PROXY TARGET MODE [FIFO]`, where MODE says what it does once the proxy has connected.
//!
//! It prints one line when it has ended.

use core::net::SocketAddr;
use sockhop::io::drive;
use sockhop::socks5::Client;
use sockhop::wire::{Host, Target};
use sockhop_hosted::egress::memory::pattern;
use std::io::{self, Read, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [proxy, target, mode, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: asker PROXY TARGET silent|reset|rest [FIFO]");
        std::process::exit(2);
    };
    let mut stream = Blocking(TcpStream::connect(proxy)?);
    if mode == "silent" {
        // Says nothing at all, and hears how that ends.
        let heard = stream.0.read(&mut [0; 8])?;
        println!("ended after {heard} octets");
        return Ok(());
    }
    let target: SocketAddr = target.parse().map_err(io::Error::other)?;
    let target = Target { host: Host::Ip(target.ip()), port: target.port() };
    let mut client = Client::new(target, None).map_err(io::Error::other)?;
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
