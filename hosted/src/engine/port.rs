//! A device that holds one packet each way, so that a call into the stack can be watched from outside.

use super::Config;
use core::num::NonZeroUsize;
use smoltcp::phy::{self, Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The longest packet of all: its length stands in 16 bits.
pub(super) const LONGEST: usize = 65_535;

/// What smoltcp is told of the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// The largest packet, in octets.
    mtu: usize,
    /// Whether somebody cuts segments into packets and computes their checksums.
    offload: bool,
}

impl Link {
    /// Returns the wire as TCP sees it, on a path that takes packets of `path` octets.
    pub(super) const fn tcp(config: &Config, path: usize) -> Self {
        Self { mtu: path, offload: config.offload }
    }

    /// Returns the wire as everything else sees it.
    pub(super) const fn plain(mtu: usize) -> Self {
        Self { mtu, offload: false }
    }
}

/// One packet in, one packet out.
pub(super) struct Port<'a> {
    link: Link,
    packet: Option<&'a [u8]>,
    out: &'a mut [u8],
    sent: usize,
}

impl<'a> Port<'a> {
    /// Returns a port that offers `packet` to the stack and takes one packet into `out`.
    pub(super) fn new(packet: Option<&'a [u8]>, out: &'a mut [u8], link: Link) -> Self {
        Self { link, packet, out, sent: 0 }
    }

    /// Returns the length of the packet the stack has sent; 0 if it has sent none.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }
}

/// The packet to be taken by the stack.
pub(super) struct Rx<'a>(&'a [u8]);

/// The place for the packet to be sent.
pub(super) struct Tx<'a> {
    out: &'a mut [u8],
    sent: &'a mut usize,
}

impl Device for Port<'_> {
    type RxToken<'t>
        = Rx<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Tx<'t>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        let packet = self.packet.take()?;
        Some((Rx(packet), Tx { out: self.out, sent: &mut self.sent }))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        if self.sent > 0 { None } else { Some(Tx { out: self.out, sent: &mut self.sent }) }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.link.mtu;
        capabilities.checksum = ChecksumCapabilities::default();
        // Segments that come in have been verified before the guard saw them.
        capabilities.checksum.tcp = Checksum::Tx;
        if self.link.offload {
            // smoltcp does not cut for IPv6. So it is told of a link that takes everything, and what it then says of the
            // largest segment is put right in its SYN.
            capabilities.max_transmission_unit = LONGEST;
            capabilities.checksum.tcp = Checksum::None;
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(LONGEST);
            capabilities.segmentation.tcpv6 = NonZeroUsize::new(LONGEST);
        }
        capabilities
    }
}

impl phy::RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(self.0)
    }
}

impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let result = fill(&mut self.out[..len]);
        *self.sent = len;
        result
    }
}
