//! Texas Instruments' LM3S6965 evaluation board: Cortex-M3, 64 KiB of RAM, 256 KiB of flash.

use super::cortex;
use crate::app;
use crate::nic::Card;
use crate::register::Register;
use cortex_m_rt::entry;

/// The clock after a reset: the internal oscillator (data sheet §5.2.4).
const HERTZ: u32 = 12_000_000;
/// RCGC1 and RCGC2 in the system control, which give devices their clock (§5.5).
const SYSTEM: usize = 0x400f_e000;
/// UART0 (§12.5).
const UART0: usize = 0x4000_c000;
#[cfg(feature = "log")]
/// UARTFR: the transmitter's FIFO is full.
const TXFF: u32 = 1 << 5;
/// The Ethernet address; locally administered.
const ADDRESS: [u8; 6] = [0x02, 0x50, 0x0c, 0x05, 0x69, 0x65];

/// Half of the key of sequence numbers; the other half is where the clock stood at the start.
const SEED: u64 = 0x6965_5eed_0001_0001;

#[entry]
fn main() -> ! {
    let Some(core) = cortex_m::Peripherals::take() else { loop {} };
    // SAFETY: these are the registers of the system control and of UART0, and nobody has begun to use them.
    let register = |base, offset| unsafe { Register::at(base, offset) };
    register(SYSTEM, 0x104).write(1);
    register(SYSTEM, 0x108).write(1 << 30 | 1 << 28);
    // UARTLCRH: eight bits with FIFO. UARTCTL: transmitter and UART on.
    register(UART0, 0x02c).write(0x70);
    register(UART0, 0x030).write(0x101);
    cortex::start(core.SYST, HERTZ);
    // This board has nothing that is random. One in the field needs it: from a noisy input, or a key that is its own.
    app::run(Card::new(ADDRESS), [SEED, cortex::cycles().into()])
}

#[cfg(feature = "log")]
/// Sends an octet by the UART.
pub fn put(octet: u8) {
    // SAFETY: these are UART0's registers, which only this function uses once the board has started.
    let (data, flags) = unsafe { (Register::at(UART0, 0), Register::at(UART0, 0x018)) };
    while flags.read() & TXFF != 0 {}
    data.write(octet.into());
}
