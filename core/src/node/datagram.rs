//! UDP: ports that are open, the datagram that has come to one of them, and one that leaves.
//!
//! A datagram that comes is read where it stands, in the frame; one that leaves waits in a place of its own until the
//! Ethernet address of its target is known. All ports share that place, since it is taken only so long.

use super::seam::{Seam, ipv4};
use super::{Nic, Node};
use crate::tcp::{internet_sum, transport_sum};
use crate::time::Instant;
use crate::trace::Sink;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::ops::Range;

/// How many ports may be open.
const PORTS: usize = 8;
/// How long a datagram may wait for its target's Ethernet address before another takes its place, in microseconds.
const STALE: u64 = 1_000_000;
/// The number of UDP in an IPv4 header.
const UDP: u8 = 17;
/// The octets of an IPv4 header without options, and of UDP's.
const IP: usize = 20;
const HEADER: usize = 8;

/// A datagram that has come, and stands until the next is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The open port it came to.
    pub at: u16,
    /// Who sent it.
    pub from: SocketAddrV4,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Where a datagram stands in the frame that came last.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) at: u16,
    pub(super) from: SocketAddrV4,
    pub(super) payload: Range<usize>,
}

/// A datagram that leaves as soon as its way is known.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    at: u16,
    to: SocketAddrV4,
    length: usize,
    since: Instant,
}

/// The open ports, the datagram that stands and the one that leaves.
pub(super) struct Datagrams<'a> {
    payload: &'a mut [u8],
    leaving: Option<Leaving>,
    open: heapless::Vec<u16, PORTS>,
    port: u16,
    pub(super) standing: Option<Standing>,
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(payload: &'a mut [u8], port: u16) -> Self {
        Self { payload, leaving: None, open: heapless::Vec::new(), port: port % 16_384, standing: None }
    }

    /// Opens a port, any that is free; `None` when there are too many.
    pub(super) fn open(&mut self) -> Option<u16> {
        loop {
            self.port = (self.port + 1) % 16_384;
            let port = 49_152 + self.port;
            if !self.open.contains(&port) {
                return self.open.push(port).ok().map(|()| port);
            }
        }
    }

    /// Opens this port; `false` when there are too many.
    pub(super) fn open_at(&mut self, port: u16) -> bool {
        self.open.contains(&port) || self.open.push(port).is_ok()
    }

    pub(super) fn close(&mut self, port: u16) {
        self.open.retain(|open| *open != port);
        if self.standing.as_ref().is_some_and(|standing| standing.at == port) {
            self.standing = None;
        }
    }

    /// Takes the frame that came last if it is a whole datagram for an open port; returns whether it was one.
    pub(super) fn take<N: Nic, S>(&mut self, seam: &mut Seam<'_, N, S>) -> bool {
        let head = seam.head();
        let address = seam.address;
        let Some(frame) = seam.input.get_mut(..seam.length) else { return false };
        let standing = ipv4(frame, head).and_then(|packet| read(packet, head));
        let standing = standing.filter(|(to, _)| *to.ip() == address && self.open.contains(&to.port()));
        self.standing = standing.map(|(_, standing)| standing);
        self.standing.is_some()
    }

    /// Has a datagram of two parts leave; `false` when it is too long, has no target, or must wait.
    fn send(&mut self, now: Instant, at: u16, to: SocketAddrV4, parts: [&[u8]; 2]) -> bool {
        let waits = self.leaving.is_some_and(|leaving| now < leaving.since.after(STALE));
        if waits || at == 0 || to.port() == 0 || to.ip().is_unspecified() {
            return false;
        }
        let mut place = self.payload.iter_mut();
        let length = parts[0].len() + parts[1].len();
        if length > place.len() {
            return false;
        }
        for (place, octet) in place.by_ref().zip(parts.into_iter().flatten()) {
            *place = *octet;
        }
        self.leaving = Some(Leaving { at, to, length, since: now });
        true
    }

    /// Transmits the datagram that leaves, once its way is known.
    pub(super) fn depart<N: Nic, S>(&mut self, seam: &mut Seam<'_, N, S>) {
        let Some(leaving) = self.leaving else { return };
        let Some(mac) = seam.way(*leaving.to.ip()) else { return };
        self.leaving = None;
        let payload = self.payload.get(..leaving.length).unwrap_or(&[]);
        let from = SocketAddrV4::new(seam.address, leaving.at);
        let length = write(seam.out(), from, leaving.to, payload);
        seam.transmit(mac, length);
    }

    /// Returns when the datagram that leaves may do so, unless its way is learnt before.
    pub(super) fn due<N: Nic, S>(&self, seam: &Seam<'_, N, S>) -> Option<Instant> {
        self.leaving.map(|leaving| seam.asks_at(*leaving.to.ip()))
    }
}

impl<N: Nic, S: Sink> Node<'_, N, S> {
    /// Opens a UDP port, any that is free; `None` when there are too many.
    pub fn open_port(&mut self) -> Option<u16> {
        self.datagrams.open()
    }

    /// Opens this UDP port; `false` when there are too many.
    pub fn open_port_at(&mut self, port: u16) -> bool {
        self.datagrams.open_at(port)
    }

    /// Closes a UDP port.
    pub fn close_port(&mut self, port: u16) {
        self.datagrams.close(port);
    }

    /// Returns the datagram that stands.
    pub fn datagram(&self) -> Option<Datagram<'_>> {
        let standing = self.datagrams.standing.as_ref()?;
        let payload = self.seam.input.get(standing.payload.clone())?;
        Some(Datagram { at: standing.at, from: standing.from, payload })
    }

    /// Forgets the datagram that stands.
    pub fn drop_datagram(&mut self) {
        self.datagrams.standing = None;
    }

    /// Passes the datagram that stands on: without its first `skip` octets, behind `header`; `false` if it is lost.
    pub fn pass_datagram(&mut self, at: u16, to: SocketAddrV4, header: &[u8], skip: usize) -> bool {
        let Some(standing) = self.datagrams.standing.take() else { return false };
        let payload = self.seam.input.get(standing.payload).and_then(|payload| payload.get(skip..));
        let taken = self.datagrams.send(self.seam.now, at, to, [header, payload.unwrap_or(&[])]);
        self.datagrams.depart(&mut self.seam);
        taken
    }

    /// Sends a datagram; `false` if it is longer than the link takes, or the one before waits for its way.
    pub fn send_datagram(&mut self, at: u16, to: SocketAddrV4, payload: &[u8]) -> bool {
        let taken = self.datagrams.send(self.seam.now, at, to, [payload, &[]]);
        self.datagrams.depart(&mut self.seam);
        taken
    }
}

/// Reads a datagram whose checksums are right: to where, and the rest with its payload's place in the frame.
fn read(packet: &[u8], head: usize) -> Option<(SocketAddrV4, Standing)> {
    let ip = packet.first_chunk::<IP>()?;
    let begin = usize::from(ip[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let whole = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff == 0;
    if begin < IP || ip[9] != UDP || !whole || internet_sum(packet.get(..begin)?) != 0xffff {
        return None;
    }
    let udp = packet.get(begin..total)?;
    let &[s0, s1, t0, t1, l0, l1, c0, c1] = udp.first_chunk::<HEADER>()?;
    let udp = udp.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
    // A sender that computes no checksum says 0 (RFC 768).
    let intact = [c0, c1] == [0, 0] || transport_sum(packet, UDP, udp) == 0xffff;
    let (source, target) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([t0, t1]));
    if udp.len() < HEADER || !intact || target == 0 {
        return None;
    }
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let payload = head + begin + HEADER..head + begin + udp.len();
    let from = SocketAddrV4::new(address(12), source);
    Some((SocketAddrV4::new(address(16), target), Standing { at: target, from, payload }))
}

/// Writes a datagram with its headers; returns its length, 0 if it does not fit.
fn write(out: &mut [u8], from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> usize {
    let length = IP + HEADER + payload.len();
    let Some(packet) = out.get_mut(..length) else { return 0 };
    let (ip, udp) = packet.split_at_mut(IP);
    let octets = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    ip[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, UDP, 0, 0]);
    ip[2..4].copy_from_slice(&octets(length));
    ip[12..16].copy_from_slice(&from.ip().octets());
    ip[16..].copy_from_slice(&to.ip().octets());
    let check = !internet_sum(ip);
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    udp[..2].copy_from_slice(&from.port().to_be_bytes());
    udp[2..4].copy_from_slice(&to.port().to_be_bytes());
    udp[4..6].copy_from_slice(&octets(length - IP));
    udp[6..HEADER].copy_from_slice(&[0, 0]);
    udp[HEADER..].copy_from_slice(payload);
    // A sum of 0 is sent as its other form, since 0 says that there is none (RFC 768).
    let check = match !transport_sum(ip, UDP, udp) {
        0 => u16::MAX,
        check => check,
    };
    udp[6..HEADER].copy_from_slice(&check.to_be_bytes());
    length
}
