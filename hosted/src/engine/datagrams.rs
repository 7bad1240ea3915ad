//! UDP without sockets: datagrams for the ports that are open wait for the owner, and his leave with the next flush.

use super::directory::{Claim, claim, give_up};
use super::{Engine, Wire};
use core::net::{IpAddr, SocketAddr};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, UdpPacket, UdpRepr};
use sockhop::trace::Sink;
use std::collections::{HashSet, VecDeque};

/// Datagrams that may wait in one direction; more are dropped, as UDP may.
const WAITING: usize = 512;
/// The octets of IPv6 and UDP headers.
const HEADERS: usize = 48;

/// A datagram that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The open port it came to.
    pub at: SocketAddr,
    /// Who sent it.
    pub from: SocketAddr,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The open ports and what waits.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    open: HashSet<SocketAddr>,
    arrived: VecDeque<Datagram>,
    leaving: VecDeque<Vec<u8>>,
}

impl Datagrams {
    pub(super) fn is_idle(&self) -> bool {
        self.leaving.is_empty() && self.arrived.is_empty()
    }

    /// Takes a datagram for an open port.
    fn take(&mut self, at: SocketAddr, from: SocketAddr, payload: &[u8]) {
        if self.arrived.len() < WAITING {
            self.arrived.push_back(Datagram { at, from, payload: payload.to_vec() });
        }
    }
}

impl<S: Sink> Engine<S> {
    /// Opens a UDP port of one of the stack's addresses, any that is free; `None` when all are taken.
    pub fn open_port(&mut self, ip: IpAddr) -> Option<SocketAddr> {
        let (open, seat) = (&self.datagrams.open, self.seat.as_ref());
        let at = |port| SocketAddr::new(ip, port);
        let free = |port| !open.contains(&at(port)) && claim(seat, Claim::Port(at(port))).is_ok();
        let at = at(self.ports.draw((ip, "datagrams"), free)?);
        self.datagrams.open.insert(at);
        Some(at)
    }

    /// Opens this UDP port; `false` when it is open already.
    pub fn open_port_at(&mut self, at: SocketAddr) -> bool {
        claim(self.seat.as_ref(), Claim::Port(at)).is_ok() && self.datagrams.open.insert(at)
    }

    /// Returns the open UDP ports.
    pub(super) fn open_ports(&self) -> impl Iterator<Item = SocketAddr> {
        self.datagrams.open.iter().copied()
    }

    /// Closes a UDP port; what has come to it is forgotten.
    pub fn close_port(&mut self, at: SocketAddr) {
        give_up(self.seat.as_ref(), Claim::Port(at));
        self.datagrams.open.remove(&at);
        self.datagrams.arrived.retain(|datagram| datagram.at != at);
    }

    /// Returns the next datagram that has come to an open port.
    pub fn next_datagram(&mut self) -> Option<Datagram> {
        self.datagrams.arrived.pop_front()
    }

    /// Sends a datagram from an open port; it leaves with the next flush, or is dropped if too many wait or it is
    /// longer than the link takes.
    pub fn send_datagram(&mut self, at: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        let fits = payload.len() + HEADERS <= self.config.mtu && at.is_ipv4() == to.is_ipv4();
        if !fits || self.datagrams.leaving.len() >= WAITING {
            return false;
        }
        self.datagrams.leaving.push_back(write(at, to, payload));
        self.recorder.datagram(self.now, true, at, to, payload.len());
        true
    }

    /// Takes a packet if it is a datagram for an open port, of this engine or another one of the stack; returns whether
    /// it was one.
    pub(super) fn take_datagram(&mut self, packet: &[u8]) -> bool {
        let Some((at, from, payload)) = read(packet) else { return false };
        if !self.datagrams.open.contains(&at) {
            return self.hand_over(&[Claim::Port(at)], packet);
        }
        self.datagrams.take(at, from, payload);
        self.recorder.datagram(self.now, false, at, from, payload.len());
        true
    }

    /// Transmits the datagrams that wait to leave.
    pub(super) fn flush_datagrams(&mut self, wire: &mut impl Wire) {
        while let Some(packet) = self.datagrams.leaving.pop_front() {
            self.counters.packets_out += 1;
            wire.transmit(&packet);
        }
    }
}

/// Reads a datagram whose checksum is right: to where, from where, and what.
fn read(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let (source, target, payload) = match packet.first()? >> 4 {
        4 => {
            let ip = Ipv4Packet::new_checked(packet).ok()?;
            let whole = !ip.more_frags() && ip.frag_offset() == 0;
            if ip.next_header() != IpProtocol::Udp || !whole || !ip.verify_checksum() {
                return None;
            }
            let header = usize::from(ip.header_len());
            let total = usize::from(ip.total_len());
            (IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()), packet.get(header..total)?)
        }
        6 => {
            let ip = Ipv6Packet::new_checked(packet).ok()?;
            if ip.next_header() != IpProtocol::Udp {
                return None;
            }
            let total = 40 + usize::from(ip.payload_len());
            (IpAddress::from(ip.src_addr()), IpAddress::from(ip.dst_addr()), packet.get(40..total)?)
        }
        _ => return None,
    };
    let udp = UdpPacket::new_checked(payload).ok()?;
    let repr = UdpRepr::parse(&udp, &source, &target, &ChecksumCapabilities::default()).ok()?;
    let payload = payload.get(8..usize::from(udp.len()))?;
    let from = SocketAddr::new(source.into(), repr.src_port);
    Some((SocketAddr::new(target.into(), repr.dst_port), from, payload))
}

fn write(at: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (source, target) = (IpAddress::from(at.ip()), IpAddress::from(to.ip()));
    let udp = UdpRepr { src_port: at.port(), dst_port: to.port() };
    let ip = IpRepr::new(source, target, IpProtocol::Udp, 8 + payload.len(), 64);
    let checksums = ChecksumCapabilities::default();
    let mut packet = vec![0; ip.header_len() + 8 + payload.len()];
    ip.emit(&mut packet[..], &checksums);
    let mut place = UdpPacket::new_unchecked(&mut packet[ip.header_len()..]);
    let fill = |room: &mut [u8]| room.copy_from_slice(payload);
    udp.emit(&mut place, &source, &target, payload.len(), fill, &checksums);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_that_is_written_is_read_back_and_a_damaged_one_is_not() {
        for (at, to) in [("10.0.0.1:5", "10.0.0.2:6"), ("[fd00::1]:5", "[fd00::2]:6")] {
            let (at, to): (SocketAddr, SocketAddr) = (at.parse().unwrap(), to.parse().unwrap());
            for payload in [&b""[..], b"abc", &[9; 1_400]] {
                let mut packet = write(at, to, payload);
                assert_eq!(read(&packet), Some((to, at, payload)));
                let last = packet.len() - 1;
                packet[last] ^= 1;
                assert_eq!(read(&packet), None);
            }
        }
    }
}
