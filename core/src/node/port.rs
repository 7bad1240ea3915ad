//! A smoltcp device that holds one packet each way, so that a call into the stack can be watched from outside.

use super::ethernet::ETHERNET;
use super::nic::FRAME;
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// One packet in, one packet out.
pub(super) struct Port<'p> {
    packet: Option<&'p [u8]>,
    out: &'p mut [u8],
    sent: usize,
}

impl<'p> Port<'p> {
    /// Returns a port that offers `packet` to the stack and takes one into `out`.
    pub(super) const fn new(packet: Option<&'p [u8]>, out: &'p mut [u8]) -> Self {
        Self { packet, out, sent: 0 }
    }

    /// Returns the length of the packet the stack has sent; 0 if it has sent none.
    pub(super) const fn sent(&self) -> usize {
        self.sent
    }
}

/// The packet to be taken by the stack.
pub(super) struct Rx<'p>(&'p [u8]);

/// The place for the packet to be sent.
pub(super) struct Tx<'p> {
    out: &'p mut [u8],
    sent: &'p mut usize,
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
        capabilities.max_transmission_unit = FRAME - ETHERNET;
        // Segments that come in have been verified before the guard saw them.
        capabilities.checksum.tcp = Checksum::Tx;
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
        // The stack is told the largest packet, so this never cuts one.
        let len = len.min(self.out.len());
        *self.sent = len;
        fill(&mut self.out[..len])
    }
}
