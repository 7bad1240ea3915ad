//! UDP: ports that are open, the datagram that has come to one of them, and one that leaves.
//!
//! A datagram that comes is read where it stands, in the frame; one that leaves goes by a socket of smoltcp's, which
//! finds the way to its target. All ports share that socket, since it holds one datagram only as long as the target's
//! Ethernet address is asked for.

use super::seam::{Seam, ipv4};
use super::{Nic, Node};
use crate::time::Instant;
use crate::trace::Sink;
use core::net::SocketAddrV4;
use core::ops::Range;
use core::time::Duration;
use smoltcp::iface::{SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::udp;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, UdpPacket, UdpRepr};

/// How many ports may be open.
const PORTS: usize = 8;
/// How long a datagram may wait for its target's Ethernet address before another takes its place.
const STALE: Duration = Duration::from_secs(1);

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

/// The open ports, and the socket by which they send.
pub(super) struct Datagrams<'a> {
    pub(super) sockets: SocketSet<'a>,
    handle: SocketHandle,
    open: heapless::Vec<u16, PORTS>,
    port: u16,
    since: Instant,
    pub(super) standing: Option<Standing>,
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(
        place: &'a mut [SocketStorage<'a>],
        waiting: &'a mut [udp::PacketMetadata],
        payload: &'a mut [u8],
        port: u16,
    ) -> Self {
        let nothing = udp::PacketBuffer::new(&mut [][..], &mut [][..]);
        let mut sockets = SocketSet::new(place);
        let handle = sockets.add(udp::Socket::new(nothing, udp::PacketBuffer::new(waiting, payload)));
        Self {
            sockets,
            handle,
            open: heapless::Vec::new(),
            port: port % 16_384,
            since: Instant::ZERO,
            standing: None,
        }
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

    /// Sends a datagram of two parts; `false` when it is too long or must wait.
    pub(super) fn send(&mut self, now: Instant, at: u16, to: SocketAddrV4, parts: [&[u8]; 2]) -> bool {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.handle);
        let waits = socket.send_queue() > 0;
        if waits && now < self.since + STALE {
            return false;
        }
        if waits || socket.endpoint().port != at {
            socket.close();
            if socket.bind(at).is_err() {
                return false;
            }
        }
        self.since = now;
        let Ok(place) = socket.send(parts[0].len() + parts[1].len(), to) else { return false };
        let Some((front, back)) = place.split_at_mut_checked(parts[0].len()) else { return false };
        let Some(back) = back.get_mut(..parts[1].len()) else { return false };
        front.copy_from_slice(parts[0]);
        back.copy_from_slice(parts[1]);
        true
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
        self.datagrams.send(self.seam.now, at, to, [header, payload.unwrap_or(&[])])
    }

    /// Sends a datagram; `false` if it is longer than the link takes, or the one before waits for its way.
    pub fn send_datagram(&mut self, at: u16, to: SocketAddrV4, payload: &[u8]) -> bool {
        self.datagrams.send(self.seam.now, at, to, [payload, &[]])
    }
}

/// Reads a datagram whose checksums are right: to where, and the rest with its payload's place in the frame.
fn read(packet: &[u8], head: usize) -> Option<(SocketAddrV4, Standing)> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    let whole = !ip.more_frags() && ip.frag_offset() == 0;
    if ip.next_header() != IpProtocol::Udp || !whole || !ip.verify_checksum() {
        return None;
    }
    let (begin, end) = (usize::from(ip.header_len()), usize::from(ip.total_len()));
    let udp = UdpPacket::new_checked(packet.get(begin..end)?).ok()?;
    let (source, target) = (ip.src_addr(), ip.dst_addr());
    let checksums = ChecksumCapabilities::default();
    let repr = UdpRepr::parse(&udp, &IpAddress::Ipv4(source), &IpAddress::Ipv4(target), &checksums).ok()?;
    let payload = head + begin + 8..head + begin + usize::from(udp.len());
    let from = SocketAddrV4::new(source, repr.src_port);
    Some((SocketAddrV4::new(target, repr.dst_port), Standing { at: repr.dst_port, from, payload }))
}
