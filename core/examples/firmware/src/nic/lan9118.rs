//! SMSC's LAN9118 Ethernet controller (its data sheet, revision 1.5).

use crate::register::Register;
use sockhop::node::Nic;

/// RX_CFG: received data begins at the start of a word. TX_CMD_A: first and last part of a frame (§3.12.2).
const FIRST: u32 = 1 << 13;
const LAST: u32 = 1 << 12;
/// RX status: the frame is not as it should be (§3.13.3, table 3-9).
const ES: u32 = 1 << 15;
/// TX_CFG: the transmitter is on, and statuses that nobody reads are thrown away (§5.3.6).
const TX_ON: u32 = 1 << 1;
const TXSAO: u32 = 1 << 2;
/// MAC_CR: transmitter and receiver on, full duplex (§5.4.1).
const TXEN: u32 = 1 << 3;
const RXEN: u32 = 1 << 2;
const FDPX: u32 = 1 << 20;
/// MAC_CSR_CMD: the access to a register of the MAC begins, or is under way (§5.3.22).
const CSR_BUSY: u32 = 1 << 31;
/// Registers of the MAC, behind MAC_CSR_CMD (§5.4).
const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;
/// Octets of the check sequence behind each received frame.
const CHECK: usize = 4;
/// RX_DP_CTRL: the rest of the frame is thrown away (§5.3.7).
const RX_FFWD: u32 = 1 << 31;

/// The controller and its registers (§5.1, table 5-1).
pub struct Lan9118 {
    address: [u8; 6],
    rx_data: Register,
    tx_data: Register,
    rx_status: Register,
    rx_control: Register,
    rx_used: Register,
    tx_free: Register,
}

impl Lan9118 {
    /// Switches on the controller that stands at `base`.
    ///
    /// # Safety
    /// A LAN9118 stands there, and nobody else drives it.
    pub unsafe fn new(base: usize, address: [u8; 6]) -> Self {
        // SAFETY: the caller promises it.
        let register = |offset| unsafe { Register::at(base, offset) };
        let (command, data) = (register(0xa4), register(0xa8));
        let set = |index: u32, value: u32| {
            data.write(value);
            command.write(CSR_BUSY | index);
            while command.read() & CSR_BUSY != 0 {}
        };
        let [a, b, c, d, e, f] = address;
        set(ADDRL, u32::from_le_bytes([a, b, c, d]));
        set(ADDRH, u32::from_le_bytes([e, f, 0, 0]));
        register(0x70).write(TX_ON | TXSAO);
        set(MAC_CR, TXEN | RXEN | FDPX);
        Self {
            address,
            rx_data: register(0x00),
            tx_data: register(0x20),
            rx_status: register(0x40),
            rx_control: register(0x78),
            rx_used: register(0x7c),
            tx_free: register(0x80),
        }
    }
}

impl Nic for Lan9118 {
    fn address(&self) -> Option<[u8; 6]> {
        Some(self.address)
    }

    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        // RX_FIFO_INF: statuses that wait.
        if self.rx_used.read() >> 16 & 0xff == 0 {
            return None;
        }
        let status = self.rx_status.read();
        let whole = (status >> 16 & 0x3fff) as usize;
        let length = whole.saturating_sub(CHECK);
        if status & ES != 0 || length > into.len() {
            // A fast-forward wants at least four words; shorter frames are read (§3.13.1.1).
            if whole >= 16 {
                self.rx_control.write(RX_FFWD);
                while self.rx_control.read() & RX_FFWD != 0 {}
            } else {
                (0..whole.div_ceil(4)).for_each(|_| _ = self.rx_data.read());
            }
            return None;
        }
        for at in (0..whole).step_by(4) {
            let word = self.rx_data.read().to_le_bytes();
            for (place, octet) in into.iter_mut().take(length).skip(at).zip(word) {
                *place = octet;
            }
        }
        Some(length)
    }

    fn transmit(&mut self, frame: &[u8]) {
        let Ok(length) = u32::try_from(frame.len()) else { return };
        // TX_FIFO_INF: octets free. A frame in one part, without an offset.
        if self.tx_free.read() & 0xffff < length + 8 {
            return;
        }
        self.tx_data.write(FIRST | LAST | length);
        self.tx_data.write(length);
        for octets in frame.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(octets).for_each(|(place, octet)| *place = *octet);
            self.tx_data.write(u32::from_le_bytes(word));
        }
    }
}
