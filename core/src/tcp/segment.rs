//! A view of a TCP segment in an IP packet (RFC 9293 §3.1, RFC 7323 §2, RFC 2018 §3).
//!
//! Only headers are read; checksums are somebody else's. Fragments are refused, since the first of them would
//! look like a whole segment.

use super::{IPV6, Seq};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The control bits of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Flags(pub u8);

impl Flags {
    /// The sender sends no more.
    pub const FIN: Self = Self(0x01);
    /// Synchronizes sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Resets the connection.
    pub const RST: Self = Self(0x04);
    /// Asks the receiver to hand over what it has.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number counts.
    pub const ACK: Self = Self(0x10);

    /// Returns whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether some bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    /// Writes the set bits' names, with commas, in the order in which people say them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 5] = [
            (Flags::FIN, "FIN"),
            (Flags::SYN, "SYN"),
            (Flags::RST, "RST"),
            (Flags::PSH, "PSH"),
            (Flags::ACK, "ACK"),
        ];
        let mut comma = "";
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.contains(*flag)) {
            write!(f, "{comma}{name}")?;
            comma = ",";
        }
        Ok(())
    }
}

/// Why a packet holds no whole TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Malformed {
    /// The version is neither 4 nor 6.
    Version(u8),
    /// A header or a length field says more than there is, or less than there must be.
    Length(usize),
    /// A fragment of a datagram.
    Fragment,
    /// Another protocol; its number.
    Protocol(u8),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "IP version {version} is neither 4 nor 6"),
            Self::Length(length) => write!(f, "a length of {length} octets contradicts the packet"),
            Self::Fragment => f.write_str("a fragment is no whole segment"),
            Self::Protocol(protocol) => write!(f, "protocol {protocol} is not TCP"),
        }
    }
}

impl core::error::Error for Malformed {}

/// What the headers of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The sender.
    pub src: SocketAddr,
    /// The receiver.
    pub dst: SocketAddr,
    /// The first octet's number, or the SYN's.
    pub seq: Seq,
    /// The next number expected; counts with the ACK flag only.
    pub ack: Seq,
    /// The control bits.
    pub flags: Flags,
    /// The window as it stands in the header, unscaled.
    pub window: u16,
    /// The octets of payload.
    pub len: u32,
    /// The octets before the payload.
    pub header: u16,
    /// The largest segment the sender takes; in a SYN only.
    pub mss: Option<u16>,
    /// The shift of the sender's windows; in a SYN only.
    pub scale: Option<u8>,
    /// The first two blocks received out of order, left and right edge.
    pub sack: [Option<(Seq, Seq)>; 2],
}

impl Segment {
    /// Reads the headers of an IPv4 packet, or of an IPv6 packet with the feature `ipv6`.
    ///
    /// # Errors
    /// [`Malformed`] when the packet is not one whole TCP segment.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let (src, dst, at, total) = match packet.first().map(|octet| octet >> 4) {
            Some(4) => ipv4(packet)?,
            Some(6) if IPV6 => ipv6(packet)?,
            Some(version) => return Err(Malformed::Version(version)),
            None => return Err(Malformed::Length(0)),
        };
        let tcp = packet.get(at..total).ok_or(Malformed::Length(total))?;
        let fixed = tcp.first_chunk::<20>().ok_or(Malformed::Length(tcp.len()))?;
        let offset = usize::from(fixed[12] >> 4) * 4;
        let options = tcp.get(20..offset).ok_or(Malformed::Length(offset))?;
        let mut segment = Self {
            src: SocketAddr::new(src, u16::from_be_bytes([fixed[0], fixed[1]])),
            dst: SocketAddr::new(dst, u16::from_be_bytes([fixed[2], fixed[3]])),
            seq: Seq(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ack: Seq(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
            flags: Flags(fixed[13] & 0x1f),
            window: u16::from_be_bytes([fixed[14], fixed[15]]),
            len: u32::try_from(tcp.len() - offset).unwrap_or(u32::MAX),
            header: u16::try_from(at + offset).unwrap_or(u16::MAX),
            mss: None,
            scale: None,
            sack: [None; 2],
        };
        segment.read_options(options);
        Ok(segment)
    }

    /// Returns the sequence numbers the segment takes: its octets, a SYN and a FIN (SEG.LEN).
    pub const fn seg_len(&self) -> u32 {
        self.len + self.flags.contains(Flags::SYN) as u32 + self.flags.contains(Flags::FIN) as u32
    }

    /// Returns the number after the segment's last.
    pub fn end(&self) -> Seq {
        self.seq + self.seg_len()
    }

    fn read_options(&mut self, mut options: &[u8]) {
        while let Some((&kind, rest)) = options.split_first() {
            match kind {
                0 => return,
                1 => options = rest,
                _ => {
                    let Some(length) = rest.first().map(|length| usize::from(*length)) else { return };
                    let Some(body) = options.get(2..length) else { return };
                    self.read_option(kind, body);
                    options = &options[length..];
                }
            }
        }
    }

    fn read_option(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (2, &[high, low]) => self.mss = Some(u16::from_be_bytes([high, low])),
            // RFC 7323 §2.3: a shift over 14 counts as 14.
            (3, &[shift]) => self.scale = Some(shift.min(14)),
            (5, blocks) => {
                for (place, block) in self.sack.iter_mut().zip(blocks.chunks_exact(8)) {
                    let edge = |at: usize| {
                        u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
                    };
                    *place = Some((Seq(edge(0)), Seq(edge(4))));
                }
            }
            _ => {}
        }
    }
}

type Addresses = (IpAddr, IpAddr, usize, usize);

/// Returns source, destination, where TCP begins and where the packet ends (RFC 791 §3.1).
fn ipv4(packet: &[u8]) -> Result<Addresses, Malformed> {
    let fixed = packet.first_chunk::<20>().ok_or(Malformed::Length(packet.len()))?;
    let header = usize::from(fixed[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if header < 20 || total < header || total > packet.len() {
        return Err(Malformed::Length(total));
    }
    if u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff != 0 {
        return Err(Malformed::Fragment);
    }
    if fixed[9] != 6 {
        return Err(Malformed::Protocol(fixed[9]));
    }
    let address =
        |at: usize| IpAddr::V4(Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]));
    Ok((address(12), address(16), header, total))
}

/// Returns the same for IPv6 without extension headers (RFC 8200 §3).
fn ipv6(packet: &[u8]) -> Result<Addresses, Malformed> {
    let fixed = packet.first_chunk::<40>().ok_or(Malformed::Length(packet.len()))?;
    let total = 40 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if total > packet.len() {
        return Err(Malformed::Length(total));
    }
    match fixed[6] {
        6 => {}
        44 => return Err(Malformed::Fragment),
        other => return Err(Malformed::Protocol(other)),
    }
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&fixed[at..at + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    Ok((address(8), address(24), 40, total))
}
