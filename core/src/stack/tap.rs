//! A device that is watched.

use core::cell::RefCell;
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the wire to the stack.
    In,
    /// From the stack to the wire.
    Out,
}

/// A device that shows each packet to a function: a received one before the stack sees it, a sent one once it
/// is written.
#[derive(Debug)]
pub struct Tap<D, F> {
    device: D,
    see: RefCell<F>,
}

impl<D: Device, F: FnMut(Way, &[u8])> Tap<D, F> {
    /// Returns `device`, watched by `see`.
    pub const fn new(device: D, see: F) -> Self {
        Self { device, see: RefCell::new(see) }
    }
}

/// A packet on its way through a [`Tap`].
#[derive(Debug)]
pub struct Token<'a, T, F> {
    token: T,
    see: &'a RefCell<F>,
}

impl<D: Device, F: FnMut(Way, &[u8])> Device for Tap<D, F> {
    type RxToken<'a>
        = Token<'a, D::RxToken<'a>, F>
    where
        Self: 'a;
    type TxToken<'a>
        = Token<'a, D::TxToken<'a>, F>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (rx, tx) = self.device.receive(now)?;
        Some((Token { token: rx, see: &self.see }, Token { token: tx, see: &self.see }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        Some(Token { token: self.device.transmit(now)?, see: &self.see })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

impl<T: phy::RxToken, F: FnMut(Way, &[u8])> phy::RxToken for Token<'_, T, F> {
    fn consume<R, G: FnOnce(&[u8]) -> R>(self, take: G) -> R {
        self.token.consume(|packet| {
            (self.see.borrow_mut())(Way::In, packet);
            take(packet)
        })
    }
}

impl<T: phy::TxToken, F: FnMut(Way, &[u8])> phy::TxToken for Token<'_, T, F> {
    fn consume<R, G: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: G) -> R {
        self.token.consume(len, |packet| {
            let result = fill(packet);
            (self.see.borrow_mut())(Way::Out, packet);
            result
        })
    }
}
