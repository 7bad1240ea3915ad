//! Arm's MPS2 board with the AN505 image: a Cortex-M33, here held to the RAM of the smaller board.

use super::cortex;
use crate::app;
use crate::nic::Card;
#[cfg(feature = "log")]
use crate::register::Register;
use cortex_m_rt::entry;

/// The clock of the processor (AN505 §3.4).
const HERTZ: u32 = 20_000_000;
/// The Ethernet controller, by its secure alias (AN505, table 3-5).
const ETHERNET: usize = 0x5200_0000;
/// UART0 by its secure alias: the CMSDK APB UART (AN505, table 3-4).
#[cfg(feature = "log")]
const UART0: usize = 0x5020_0000;
/// STATE: the transmit buffer is full. CTRL: the transmitter is on.
#[cfg(feature = "log")]
const TX_FULL: u32 = 1;
/// The Ethernet address; locally administered.
const ADDRESS: [u8; 6] = [0x02, 0x50, 0x0c, 0x05, 0x05, 0x05];
/// Half of the key of sequence numbers; the other half is where the clock stood at the start.
const SEED: u64 = 0x0505_5eed_0001_0001;

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else { loop {} };
    #[cfg(feature = "log")]
    {
        // SAFETY: this is UART0, which nobody has begun to use.
        let register = |offset| unsafe { Register::at(UART0, offset) };
        // BAUDDIV: the smallest divider. CTRL: the transmitter is on.
        register(0x10).write(16);
        register(0x08).write(1);
    }
    cortex::start(core.SYST, HERTZ);
    // SAFETY: the board has the controller there, and this is its only driver.
    let nic = unsafe { Card::new(ETHERNET, ADDRESS) };
    // This board has nothing that is random. One in the field needs it: from a noisy input, or a key that is its own.
    app::run(nic, [SEED, cortex::cycles().into()])
}

/// Sends an octet by the UART.
#[cfg(feature = "log")]
pub fn put(octet: u8) {
    // SAFETY: these are UART0's registers, which only this function uses once the board has started.
    let (data, state) = unsafe { (Register::at(UART0, 0), Register::at(UART0, 0x04)) };
    while state.read() & TX_FULL != 0 {}
    data.write(octet.into());
}
