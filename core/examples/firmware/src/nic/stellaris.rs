//! The Ethernet controller inside of the LM3S6965 (its data sheet, chapter 16).

use crate::register::Register;
use sockhop::node::Nic;

/// The controller's base (§16.5).
const BASE: usize = 0x4004_8000;
/// Octets in front of a received frame that say how long it is, themselves and the check sequence included.
const LENGTH: usize = 2;
/// The octets of the check sequence.
const CHECK: usize = 4;

/// MACRCTL: the receiver is on; frames with a wrong check sequence are dropped; the FIFO is emptied.
const RXEN: u32 = 1;
const BADCRC: u32 = 1 << 3;
const RSTFIFO: u32 = 1 << 4;
/// MACTCTL: the transmitter is on; short frames are padded; the check sequence is added; both at once.
const TXEN: u32 = 1;
const PADEN: u32 = 1 << 1;
const CRC: u32 = 1 << 2;
const DUPLEX: u32 = 1 << 4;
/// MACTR: the frame in the FIFO is being sent.
const NEWTX: u32 = 1;
/// Looks at MACTR before a frame is given up: more than the longest frame takes at 10 Mbit/s.
const PATIENCE: u32 = 200_000;

/// The controller and its registers.
pub struct Stellaris {
    address: [u8; 6],
    data: Register,
    packets: Register,
    transmit: Register,
}

impl Stellaris {
    /// Switches the controller on.
    pub fn new(address: [u8; 6]) -> Self {
        // SAFETY: the data sheet says that the controller's registers are here, and this is its only driver.
        let register = |offset| unsafe { Register::at(BASE, offset) };
        let (macrctl, mactctl) = (register(0x008), register(0x00c));
        let (macia0, macia1) = (register(0x014), register(0x018));
        let [a, b, c, d, e, f] = address;
        macia0.write(u32::from_le_bytes([a, b, c, d]));
        macia1.write(u32::from_le_bytes([e, f, 0, 0]));
        macrctl.write(RSTFIFO);
        macrctl.write(RXEN | BADCRC);
        mactctl.write(TXEN | PADEN | CRC | DUPLEX);
        Self { address, data: register(0x010), packets: register(0x034), transmit: register(0x038) }
    }
}

impl Nic for Stellaris {
    fn address(&self) -> Option<[u8; 6]> {
        Some(self.address)
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        // MACNP: frames in the FIFO.
        if self.packets.read() & 0x3f == 0 {
            return None;
        }
        let [low, high, first, second] = self.data.read().to_le_bytes();
        let whole = usize::from(u16::from_le_bytes([low, high]));
        let length = whole.saturating_sub(LENGTH + CHECK);
        for (place, octet) in into.iter_mut().zip([first, second]) {
            *place = octet;
        }
        // The rest of the frame has to leave the FIFO whether it fits or not.
        for at in (4..whole).step_by(4) {
            let word = self.data.read().to_le_bytes();
            for (place, octet) in into.iter_mut().skip(at - LENGTH).zip(word) {
                *place = octet;
            }
        }
        (length > 0 && length <= into.len()).then_some(length)
    }

    fn transmit(&mut self, frame: &[u8]) {
        let Some((head, rest)) = frame.split_first_chunk::<2>() else { return };
        let mut left = PATIENCE;
        while self.transmit.read() & NEWTX != 0 {
            left -= 1;
            if left == 0 {
                return;
            }
        }
        // The FIFO's first half-word is the length of what follows the 14 octets of header (§16.3.1.3).
        let [low, high] = u16::try_from(frame.len().saturating_sub(14)).unwrap_or(0).to_le_bytes();
        self.data.write(u32::from_le_bytes([low, high, head[0], head[1]]));
        for octets in rest.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(octets).for_each(|(place, octet)| *place = *octet);
            self.data.write(u32::from_le_bytes(word));
        }
        self.transmit.write(NEWTX);
    }
}
