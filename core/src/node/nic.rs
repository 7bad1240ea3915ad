//! What a node wants of a network card.

use smoltcp::phy::{Device, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// The octets of the longest Ethernet frame, without its check sequence.
pub const FRAME: usize = 1_514;

/// A network card: it never waits, and never refuses a frame.
///
/// A driver is these three functions. Interrupts are its owner's affair: one that wakes the processor when a frame
/// has come is all that a node profits from.
pub trait Nic {
    /// Returns the card's Ethernet address; `None` when the link carries IP packets without a header.
    fn address(&self) -> Option<[u8; 6]>;

    /// Moves the oldest frame that has come to the start of `into`, and returns its length.
    ///
    /// `into` has [`FRAME`] octets; a longer frame is dropped, and one that was damaged under way never appears.
    fn receive(&mut self, into: &mut [u8]) -> Option<usize>;

    /// Sends a frame of at most [`FRAME`] octets; what the card cannot take within a frame's time is lost, as it
    /// may be on the wire.
    fn transmit(&mut self, frame: &[u8]);
}

/// A smoltcp device as a [`Nic`], for drivers that exist already.
#[derive(Debug)]
pub struct Phy<D> {
    device: D,
    address: [u8; 6],
}

impl<D: Device> Phy<D> {
    /// Returns `device`, whose Ethernet address is `address`.
    pub const fn new(device: D, address: [u8; 6]) -> Self {
        Self { device, address }
    }
}

impl<D: Device> Nic for Phy<D> {
    fn address(&self) -> Option<[u8; 6]> {
        (self.device.capabilities().medium != Medium::Ip).then_some(self.address)
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        let (token, _) = self.device.receive(Instant::ZERO)?;
        token.consume(|frame| {
            let place = into.get_mut(..frame.len())?;
            place.copy_from_slice(frame);
            Some(frame.len())
        })
    }

    fn transmit(&mut self, frame: &[u8]) {
        if let Some(token) = self.device.transmit(Instant::ZERO) {
            token.consume(frame.len(), |place| place.copy_from_slice(frame));
        }
    }
}
