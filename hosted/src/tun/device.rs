//! The descriptor behind a TUN device, with or without offloads.

use super::vnet;
use crate::os::{self, TunKind};
use crate::segmentation::{cut, seal_header, tcp_of};
use core::fmt;
use core::net::IpAddr;
use rustix::io::{readv, writev};
use sockhop::tcp::{Empty, Flags, Seq};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use tun_tap::{Iface, Mode};

/// What the kernel does for the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// Nothing: packets are whole in both directions.
    None,
    /// It computes the checksums of what goes to it, and leaves them out of what comes from this host.
    Checksums,
    /// Beside that, segments of up to 64 KiB go both ways, which it cuts or has not cut.
    Segments,
}

impl fmt::Display for Offload {
    /// Writes what a start screen says of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no offloads",
            Self::Checksums => "checksums by the kernel",
            Self::Segments => "segments and checksums by the kernel",
        })
    }
}

/// A descriptor of /dev/net/tun.
pub(super) enum Device {
    Plain(Iface),
    /// One of several queues, without offloads: tun-tap has no such device.
    Queue {
        fd: OwnedFd,
        name: String,
    },
    Offloading {
        fd: OwnedFd,
        name: String,
        carrier: Carrier,
    },
}

impl Device {
    /// Opens a device of this name, or one of its `several` queues, with offloads if they are wanted and the kernel has
    /// them.
    pub(super) fn open(name: &str, offload: bool, several: bool) -> io::Result<Self> {
        if offload {
            match os::open_tun(name, TunKind { offload, several }) {
                Ok((fd, name)) => {
                    return Ok(Self::Offloading { fd, name, carrier: Carrier { is_cutting: true } });
                }
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) => return Err(error),
            }
        }
        if several {
            let (fd, name) = os::open_tun(name, TunKind { offload: false, several })?;
            return Ok(Self::Queue { fd, name });
        }
        let device = Iface::without_packet_info(name, Mode::Tun)?;
        os::never_wait(&device)?;
        Ok(Self::Plain(device))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Plain(device) => device.name(),
            Self::Queue { name, .. } | Self::Offloading { name, .. } => name,
        }
    }

    pub(super) const fn offload(&self) -> Offload {
        match self {
            Self::Plain(_) | Self::Queue { .. } => Offload::None,
            Self::Offloading { carrier, .. } if carrier.is_cutting => Offload::Segments,
            Self::Offloading { .. } => Offload::Checksums,
        }
    }

    /// Tries whether the kernel cuts segments, with a reset of no connection to one of its addresses.
    pub(super) fn probe(&mut self, host: Option<IpAddr>) {
        let Self::Offloading { fd, carrier, .. } = self else { return };
        let host = host.unwrap_or(IpAddr::from([192, 0, 2, 2]));
        let mut packet = probe(host);
        let (headers, most) = (packet.len() - PROBED, PROBED / 2);
        // The pieces of a probe that is refused are resets of no connection too.
        let _ = carrier.send(&mut packet, headers, most, |header, packet| write(fd, header, packet));
    }

    /// Reads a packet into `room`; returns its length and whether its checksum need not be looked at.
    pub(super) fn recv(&self, room: &mut [u8]) -> io::Result<(usize, bool)> {
        match self {
            Self::Plain(device) => Ok((device.recv(room)?, false)),
            Self::Queue { fd, .. } => Ok((rustix::io::read(fd, &mut *room)?, false)),
            Self::Offloading { fd, .. } => {
                let mut header = [0; vnet::LENGTH];
                let count = readv(fd, &mut [IoSliceMut::new(&mut header), IoSliceMut::new(room)])?;
                let count = count.saturating_sub(vnet::LENGTH);
                Ok((count, vnet::finish(header, &mut room[..count])))
            }
        }
    }

    pub(super) fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(device) => device.send(packet).map(|_| ()),
            Self::Queue { fd, .. } => Ok(rustix::io::write(fd, packet).map(|_| ())?),
            Self::Offloading { fd, .. } => write(fd, &[0; vnet::LENGTH], packet),
        }
    }

    /// Sends a segment that lacks its checksum, in packets of `most` octets of payload; returns how many were lost.
    pub(super) fn send_segment(&mut self, segment: &mut [u8], headers: usize, most: usize) -> u64 {
        match self {
            Self::Offloading { fd, carrier, .. } => {
                carrier.send(segment, headers, most, |header, packet| write(fd, header, packet))
            }
            Self::Plain(_) | Self::Queue { .. } => {
                let mut lost = 0;
                cut(segment, headers, most, |packet| lost += u64::from(self.send(packet).is_err()));
                lost
            }
        }
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Plain(device) => device.as_raw_fd(),
            Self::Queue { fd, .. } | Self::Offloading { fd, .. } => fd.as_raw_fd(),
        }
    }
}

fn write(fd: &OwnedFd, header: &[u8; vnet::LENGTH], packet: &[u8]) -> io::Result<()> {
    writev(fd, &[IoSlice::new(header), IoSlice::new(packet)])?;
    Ok(())
}

/// What is remembered of a kernel that may or may not cut segments.
pub(super) struct Carrier {
    is_cutting: bool,
}

impl Carrier {
    /// Sends a segment with `write`, cut by the kernel if it does that and here if it does not; returns how many packets
    /// were lost.
    fn send(
        &mut self,
        segment: &mut [u8],
        headers: usize,
        most: usize,
        mut write: impl FnMut(&[u8; vnet::LENGTH], &[u8]) -> io::Result<()>,
    ) -> u64 {
        let is_large = segment.len() > headers + most;
        if self.is_cutting || !is_large {
            sockhop::tcp::seal_for_device(segment);
            match write(&vnet::segment(segment, headers, most), segment) {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => self.is_cutting &= !is_large,
                outcome => return u64::from(outcome.is_err()),
            }
        }
        let mut lost = 0;
        cut(segment, headers, most, |packet| lost += u64::from(write(&[0; vnet::LENGTH], packet).is_err()));
        lost
    }
}

/// The octets of a probe behind its headers.
const PROBED: usize = 400;

/// Returns a reset to this host from its neighbour, long enough to be cut.
fn probe(host: IpAddr) -> Vec<u8> {
    let neighbour = match host {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() ^ 1).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() ^ 1).into()),
    };
    let reset = Empty { seq: Seq(1), ack: Seq(0), flags: Flags::RST, window: 0 };
    let mut packet = vec![0; sockhop::tcp::EMPTY];
    let headers = reset.write((neighbour, 9).into(), (host, 9).into(), &mut packet);
    packet.truncate(headers);
    packet.resize(headers + PROBED, 0);
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let at = tcp_of(&packet);
    let (place, says) = if at == 40 { (4, length - 40) } else { (2, length) };
    packet[place..place + 2].copy_from_slice(&says.to_be_bytes());
    if at == 20 {
        seal_header(&mut packet[..at]);
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockhop::tcp::{Segment, is_intact};

    #[test]
    fn a_kernel_that_refuses_to_cut_gets_whole_packets_from_then_on_and_nothing_is_lost() {
        let mut carrier = Carrier { is_cutting: true };
        let mut taken: Vec<usize> = vec![];
        let mut refused = 0;
        for _ in 0..3 {
            let mut packet = probe(IpAddr::from([192, 0, 2, 2]));
            let lost = carrier.send(&mut packet, 40, 150, |header, packet| {
                if header[1] != 0 {
                    refused += 1;
                    return Err(io::Error::from_raw_os_error(libc::EINVAL));
                }
                assert!(is_intact(packet));
                taken.push(Segment::parse(packet).unwrap().len as usize);
                Ok(())
            });
            assert_eq!(lost, 0);
        }
        assert_eq!(refused, 1, "it is asked once");
        assert_eq!(taken, [150, 150, 100].repeat(3));
    }

    #[test]
    fn a_kernel_that_computes_no_checksums_gets_them_computed() {
        let mut carrier = Carrier { is_cutting: true };
        let mut packet = probe(IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]));
        let mut taken = 0;
        let lost = carrier.send(&mut packet, 60, 1_000, |header, packet| {
            if header[0] != 0 {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            taken += usize::from(is_intact(packet));
            Ok(())
        });
        assert_eq!((lost, taken, carrier.is_cutting), (0, 1, true));
    }

    #[test]
    fn a_packet_that_is_lost_is_counted() {
        let mut carrier = Carrier { is_cutting: false };
        let mut packet = probe(IpAddr::from([192, 0, 2, 2]));
        let full = |_: &[u8; vnet::LENGTH], _: &[u8]| Err(io::Error::from_raw_os_error(libc::EIO));
        assert_eq!(carrier.send(&mut packet, 40, 150, full), 3);
    }
}
