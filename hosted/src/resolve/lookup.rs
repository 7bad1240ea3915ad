//! One name that is being asked for.
//!
//! Both families of addresses are asked at once. A server that is silent or fails makes room for the next one; a name that nobody has
//! for the next candidate; an answer that is cut is asked for again over TCP.

use super::system::System;
use super::wire::{Heard, Query, Record, addresses_of, hear, name_of};
use super::{Question, Told, What};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

/// How much longer the second family may take than the first.
const SECOND: Duration = Duration::from_millis(500);
/// Octets of one answer.
const ROOM: usize = 65_536;

/// Where the questions went.
#[derive(Debug)]
enum Line {
    Datagrams(UdpSocket),
    Stream { stream: TcpStream, out: Vec<u8>, heard: Vec<u8> },
}

/// A name under way.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) question: Question,
    /// When the server has had its time.
    pub(super) due: Instant,
    /// What is asked next, if nobody has this.
    candidates: VecDeque<What>,
    servers: Vec<SocketAddr>,
    timeout: Duration,
    /// Servers that may still be asked for this candidate, each as often as `attempts` says.
    tries: VecDeque<SocketAddr>,
    attempts: usize,
    /// What is asked now: both families, or a name.
    queries: Vec<Query>,
    /// What is known of each.
    found: Vec<Option<Vec<Record>>>,
    line: Option<Line>,
    trouble: String,
}

impl Lookup {
    /// Returns a name that nobody has been asked for yet.
    pub(super) fn new(question: Question, system: &System, now: Instant) -> Self {
        let candidates = match &question.what {
            What::Addresses(name, port) => {
                system.candidates(name).into_iter().map(|name| What::Addresses(name, *port)).collect()
            }
            What::Name(ip) => VecDeque::from([What::Name(*ip)]),
        };
        Self {
            candidates,
            servers: system.servers.clone(),
            timeout: system.timeout,
            attempts: system.attempts,
            tries: VecDeque::new(),
            queries: Vec::new(),
            found: Vec::new(),
            line: None,
            trouble: String::new(),
            due: now,
            question,
        }
    }

    /// Asks for the next candidate; an answer when there is none left.
    pub(super) fn begin(&mut self, registry: &Registry, token: Token, now: Instant) -> Option<Told> {
        while let Some(what) = self.candidates.pop_front() {
            let queries = match &what {
                What::Addresses(name, _) => addresses_of(name),
                What::Name(ip) => name_of(*ip),
            };
            match queries {
                Ok(queries) => {
                    self.found = vec![None; queries.len()];
                    self.queries = queries;
                    let asked = self.servers.len() * self.attempts;
                    self.tries = self.servers.iter().cycle().take(asked).copied().collect();
                    return self.ask(registry, token, now);
                }
                Err(text) => self.trouble = text,
            }
        }
        if !self.trouble.is_empty() {
            return Some(self.question.what.nothing(&self.trouble));
        }
        Some(self.question.what.nothing(match self.question.what {
            What::Addresses(..) => "nobody has this name",
            What::Name(_) => "it has no name",
        }))
    }

    /// Asks the next server; an answer when there is none left.
    pub(super) fn ask(&mut self, registry: &Registry, token: Token, now: Instant) -> Option<Told> {
        self.line = None;
        while let Some(server) = self.tries.pop_front() {
            self.due = now + self.timeout;
            match self.datagrams(server, registry, token) {
                Ok(line) => {
                    self.line = Some(line);
                    return None;
                }
                Err(error) => self.blame(server, &error.to_string()),
            }
        }
        let found = self.settled(true);
        found.or_else(|| Some(self.question.what.nothing(&self.trouble)))
    }

    fn blame(&mut self, server: SocketAddr, what: &str) {
        self.trouble = format!("name server {}: {what}", server.ip());
    }

    fn datagrams(&self, server: SocketAddr, registry: &Registry, token: Token) -> io::Result<Line> {
        let any: IpAddr =
            if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // A port of its own for each try, so that an answer is hard to guess.
        let mut socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(server)?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        for query in &self.queries {
            socket.send(query.as_slice())?;
        }
        Ok(Line::Datagrams(socket))
    }

    /// Asks the same server over TCP (RFC 7766 §5).
    fn stream(&self, server: SocketAddr, registry: &Registry, token: Token) -> io::Result<Line> {
        let mut stream = TcpStream::connect(server)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut out = Vec::new();
        for query in &self.queries {
            let octets = query.as_slice();
            out.extend(u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(octets);
        }
        Ok(Line::Stream { stream, out, heard: Vec::new() })
    }

    /// Takes note that its socket is ready; an answer when the name is settled.
    pub(super) fn ready(
        &mut self,
        registry: &Registry,
        token: Token,
        now: Instant,
        room: &mut [u8],
    ) -> Option<Told> {
        let mut messages = Vec::new();
        let (server, outcome) = match self.line.as_mut()? {
            Line::Datagrams(socket) => (socket.peer_addr(), datagrams_of(socket, room, &mut messages)),
            Line::Stream { stream, out, heard } => {
                (stream.peer_addr(), talk(stream, out, heard, room, &mut messages))
            }
        };
        let mut cut = false;
        for message in messages {
            match self.take(&message, now) {
                Some(Heard::Cut) => cut = true,
                Some(Heard::NoName) => {
                    self.trouble.clear();
                    return self.begin(registry, token, now);
                }
                Some(Heard::Failed(code)) => {
                    if let Ok(server) = server {
                        self.blame(server, &format!("it says {code}"));
                    }
                    return self.ask(registry, token, now);
                }
                Some(Heard::Found(_) | Heard::Stranger) | None => {}
            }
        }
        if let Some(answer) = self.settled(false) {
            return Some(answer);
        }
        if self.found.iter().all(Option::is_some) {
            return self.begin(registry, token, now);
        }
        if cut && let Ok(server) = server {
            self.line = self.stream(server, registry, token).ok();
            self.due = now + self.timeout;
            return if self.line.is_some() { None } else { self.ask(registry, token, now) };
        }
        match outcome {
            Ok(()) => None,
            Err(error) => {
                if let Ok(server) = server {
                    self.blame(server, &error.to_string());
                }
                self.ask(registry, token, now)
            }
        }
    }

    /// Takes a message; returns what has to be done about it beyond taking its addresses.
    fn take(&mut self, octets: &[u8], now: Instant) -> Option<Heard> {
        for (query, found) in self.queries.iter().zip(&mut self.found) {
            match hear(query, octets) {
                Heard::Stranger => {}
                Heard::Found(records) => {
                    if !records.is_empty() {
                        self.due = self.due.min(now + SECOND);
                    }
                    *found = Some(records);
                    return None;
                }
                other => return Some(other),
            }
        }
        None
    }

    /// Takes note that the server's time is over; an answer when there is nothing left to try.
    pub(super) fn expire(&mut self, registry: &Registry, token: Token, now: Instant) -> Option<Told> {
        if let Some(answer) = self.settled(true) {
            return Some(answer);
        }
        let server = self.line.as_ref().and_then(|line| match line {
            Line::Datagrams(socket) => socket.peer_addr().ok(),
            Line::Stream { stream, .. } => stream.peer_addr().ok(),
        });
        if let Some(server) = server {
            self.blame(server, &format!("no answer in {} s", self.timeout.as_secs_f32()));
        }
        self.ask(registry, token, now)
    }

    /// Returns the answer once everything is known, or part of it if the rest is not waited for any longer.
    fn settled(&self, enough: bool) -> Option<Told> {
        if !enough && self.found.iter().any(Option::is_none) {
            return None;
        }
        let mut records = self.found.iter().flatten().flatten();
        match self.question.what {
            What::Addresses(_, port) => {
                let addresses: Vec<IpAddr> = records.filter_map(Record::address).collect();
                (!addresses.is_empty()).then(|| Told::Addresses(Ok(in_order(addresses, port))))
            }
            What::Name(_) => records.find_map(Record::name).map(|name| Told::Name(Ok(name.to_owned()))),
        }
    }
}

/// Returns the addresses as they are to be tried: IPv6 first where this host has a way to it (RFC 6724 §6).
pub(super) fn in_order(mut addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    // Connecting a datagram's socket sends nothing and fails when there is no way.
    let way = |ip: &IpAddr| {
        std::net::UdpSocket::bind(any).is_ok_and(|socket| socket.connect(SocketAddr::new(*ip, 53)).is_ok())
    };
    let has_way = addresses.iter().find(|ip| ip.is_ipv6()).is_some_and(way);
    addresses.sort_by_key(|ip| ip.is_ipv6() != has_way);
    addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

fn datagrams_of(socket: &UdpSocket, room: &mut [u8], messages: &mut Vec<Vec<u8>>) -> io::Result<()> {
    loop {
        match socket.recv(room) {
            Ok(count) => messages.push(room[..count].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends what is left of the questions and reads whole answers, each behind its length.
fn talk(
    stream: &mut TcpStream,
    out: &mut Vec<u8>,
    heard: &mut Vec<u8>,
    room: &mut [u8],
    messages: &mut Vec<Vec<u8>>,
) -> io::Result<()> {
    while !out.is_empty() {
        match stream.write(out) {
            Ok(count) => drop(out.drain(..count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
            Err(error) => return Err(error),
        }
    }
    let mut outcome = Ok(());
    while heard.len() < 4 * ROOM {
        match stream.read(room) {
            Ok(0) => {
                outcome = Err(io::Error::from(ErrorKind::UnexpectedEof));
                break;
            }
            Ok(count) => heard.extend(&room[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
            Err(error) => return Err(error),
        }
    }
    while let Some((length, rest)) = heard.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some(message) = rest.get(..length) else { break };
        messages.push(message.to_vec());
        heard.drain(..2 + length);
    }
    outcome
}
