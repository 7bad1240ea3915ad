//! A connection to somewhere, waited for: straight or through a SOCKS5 server.
//!
//! ```no_run
//! use sockhop_hosted::via::dial;
//! use std::io::Write;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let server = "socks5://ann:secret@198.18.0.2:1080".parse()?;
//! let mut stream = dial("example.org", 80, Some(&server))?; // the server resolves the name
//! stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
//! # Ok(())
//! # }
//! ```

use crate::egress::Upstream;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::machine::Machine;
use sockhop::socks5::{Client, ClientError, ClientEvent, Command};
use sockhop::wire::{HostOf, TargetOf};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a SOCKS server may be silent.
const SILENCE: Duration = Duration::from_secs(45);

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The place cannot be found or reached.
    Host(String, io::Error),
    /// The SOCKS server does not lead there.
    Server(String, ClientError),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(at, error) => {
                write!(f, "{at} cannot be reached: {error}; does anything listen there?")
            }
            Self::Server(at, error) => write!(f, "{at}: {error}"),
        }
    }
}

impl core::error::Error for DialError {}

/// Connects to a host and port, waiting for it.
///
/// # Errors
/// [`DialError`].
pub fn dial(host: &str, port: u16, via: Option<&Upstream>) -> Result<TcpStream, DialError> {
    Road::find(host, port, via)?.dial()
}

/// Opens an association at a SOCKS5 server: datagrams go to the address returned, for as long as the stream stands.
///
/// # Errors
/// [`DialError`].
pub fn associate(server: &Upstream) -> Result<(TcpStream, SocketAddr), DialError> {
    associate_at(server, &resolve(&server.at().host.to_string(), server.at().port)?)
}

/// How to get to a place, with its names resolved: what is left to do needs sockets of TCP and nothing else.
#[derive(Clone, Debug)]
pub struct Road<'a> {
    target: TargetOf<Vec<u8>>,
    /// The addresses of the server, and without one those of the place.
    first: Vec<SocketAddr>,
    server: Option<&'a Upstream>,
}

impl<'a> Road<'a> {
    /// Resolves a server's name and leaves the place's own to it, or resolves that without a server.
    ///
    /// # Errors
    /// [`DialError::Host`].
    pub fn find(host: &str, port: u16, via: Option<&'a Upstream>) -> Result<Self, DialError> {
        let first = match via {
            None => resolve(host, port)?,
            Some(server) => resolve(&server.at().host.to_string(), server.at().port)?,
        };
        Ok(Self { target: target(host, port), first, server: via })
    }

    /// Returns the addresses that are connected to, in the order in which they are tried; there is one at least.
    pub fn first(&self) -> &[SocketAddr] {
        &self.first
    }

    /// Connects, waiting for it.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial(&self) -> Result<TcpStream, DialError> {
        match self.server {
            None => reach(&self.target.to_string(), &self.first),
            Some(server) => {
                ask(server, &self.first, Command::Connect, self.target.clone()).map(|(stream, _)| stream)
            }
        }
    }

    /// Opens an association as [`associate`] does; `None` where the road leads through no server.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn associate(&self) -> Result<Option<(TcpStream, SocketAddr)>, DialError> {
        self.server.map(|server| associate_at(server, &self.first)).transpose()
    }
}

fn associate_at(server: &Upstream, at: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), DialError> {
    let from = TargetOf { host: HostOf::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port: 0 };
    let (stream, bound) = ask(server, at, Command::Associate, from)?;
    let host = |error: io::Error| DialError::Host(server.to_string(), error);
    let peer = stream.peer_addr().map_err(host)?;
    // A server that names no address means its own.
    let at = bound
        .map_or(peer, |at| if at.ip().is_unspecified() { SocketAddr::new(peer.ip(), at.port()) } else { at });
    Ok((stream, at))
}

/// Returns where datagrams or octets are to go, a name as it is.
pub fn target(host: &str, port: u16) -> TargetOf<Vec<u8>> {
    let host = match host.parse::<IpAddr>() {
        Ok(ip) => HostOf::Ip(ip),
        Err(_) => HostOf::Name(host.as_bytes().to_vec()),
    };
    TargetOf { host, port }
}

/// Asks a server for something, and returns its connection and the address it answers with.
fn ask(
    server: &Upstream,
    at: &[SocketAddr],
    command: Command,
    target: TargetOf<Vec<u8>>,
) -> Result<(TcpStream, Option<SocketAddr>), DialError> {
    let mut stream = reach(&server.at().to_string(), at)?;
    let refused = |error| DialError::Server(server.to_string(), error);
    let client = Client::new(command, target, server.login().cloned()).map_err(refused)?;
    match talk(&mut stream, client) {
        Ok(Ok(bound)) => Ok((stream, bound)),
        Ok(Err(error)) => Err(refused(error)),
        Err(error) => Err(DialError::Host(server.to_string(), error)),
    }
}

/// Returns the addresses of a host, one at least.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let named = |error: io::Error| DialError::Host(format!("{host}:{port}"), error);
    let found: Vec<_> = (host.trim_matches(['[', ']']), port).to_socket_addrs().map_err(named)?.collect();
    if found.is_empty() { Err(named(io::ErrorKind::NotFound.into())) } else { Ok(found) }
}

/// Tries each address of a place.
fn reach(place: &str, at: &[SocketAddr]) -> Result<TcpStream, DialError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for at in at {
        match TcpStream::connect_timeout(at, CONNECT) {
            Ok(stream) if is_itself(&stream) => last = io::ErrorKind::ConnectionRefused.into(),
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(DialError::Host(place.to_owned(), last))
}

/// Returns whether both ends are one: a port that nobody listens at can be the one that is dialled from.
fn is_itself(stream: &TcpStream) -> bool {
    let ends: (Option<SocketAddr>, Option<SocketAddr>) = (stream.local_addr().ok(), stream.peer_addr().ok());
    ends.0.is_some() && ends.0 == ends.1
}

/// Lets a client talk until it is granted what it asked for; octet by octet, since what follows is not its.
fn talk(
    stream: &mut TcpStream,
    mut client: Client<Vec<u8>>,
) -> io::Result<Result<Option<SocketAddr>, ClientError>> {
    stream.set_read_timeout(Some(SILENCE))?;
    let bound = loop {
        let mut out = [0; 600];
        let count = client.drain(&mut out);
        stream.write_all(&out[..count])?;
        match client.poll() {
            Ok(ClientEvent::Relay { bound }) => break bound,
            // No look-up is asked for here.
            Ok(ClientEvent::Name { .. } | ClientEvent::Resolved { .. }) => break None,
            Ok(ClientEvent::Listening { .. }) => client.noted(),
            Err(nb::Error::Other(error)) => return Ok(Err(error)),
            Err(nb::Error::WouldBlock) if count > 0 => {}
            Err(nb::Error::WouldBlock) => {
                let mut octet = [0];
                match stream.read(&mut octet)? {
                    0 => client.end(),
                    _ => {
                        client.feed(&octet);
                    }
                }
            }
        }
    };
    stream.set_read_timeout(None)?;
    Ok(Ok(bound))
}
