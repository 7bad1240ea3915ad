//! qemu's `virt` machine with a RISC-V core of 32 bits: RV32IMAC, as small microcontrollers have it.

use crate::app;
use crate::nic::Card;
use crate::register::Register;
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use riscv_rt::entry;
use sockhop::time::Instant;

/// MTIME of the core-local interruptor, in ticks of 100 ns (qemu's hw/riscv/virt.c).
const MTIME: usize = 0x0200_bff8;
/// UART0, a 16550; THR at 0, LSR at 5.
#[cfg(feature = "log")]
const UART0: usize = 0x1000_0000;
/// LSR: the transmitter takes an octet.
#[cfg(feature = "log")]
const THRE: u8 = 1 << 5;
/// The test device, by which the machine starts anew (SiFive's, 0x7777 is a reset).
const TEST: usize = 0x0010_0000;
const RESET: u32 = 0x7777;
/// The eight places of virtio devices.
const VIRTIO: [usize; 8] =
    [0x1000_1000, 0x1000_2000, 0x1000_3000, 0x1000_4000, 0x1000_5000, 0x1000_6000, 0x1000_7000, 0x1000_8000];
/// Half of the key of sequence numbers; the other half is the time.
const SEED: u64 = 0x0032_5eed_0001_0001;
/// What the stack is filled with before it is used, as `cortex-m-rt` does.
const PAINT: u32 = 0xcccc_cccc;

#[entry]
fn main() -> ! {
    paint();
    // SAFETY: these are the places of virtio devices, and this is their only driver.
    let found = VIRTIO.into_iter().find_map(|base| unsafe { Card::new(base) });
    let Some(nic) = found else { panic!("the machine needs -device virtio-net-device") };
    app::run(nic, [SEED, now().micros()])
}

/// Returns the time since the start.
pub fn now() -> Instant {
    // SAFETY: the machine has its clock there, and reading it changes nothing.
    let (low, high) = unsafe { (Register::at(MTIME, 0), Register::at(MTIME, 4)) };
    loop {
        let before = high.read();
        let ticks = low.read();
        if high.read() == before {
            return Instant::from_micros((u64::from(before) << 32 | u64::from(ticks)) / 10);
        }
    }
}

/// Does nothing: a machine that is simulated wastes no battery.
pub fn rest() {
    core::hint::spin_loop();
}

/// Fills what lies below the present call, so that it can be seen how deep the stack has ever been.
fn paint() {
    unsafe extern "C" {
        static __estack: UnsafeCell<u32>;
    }
    // SAFETY: only the address of this symbol of the linker's is taken.
    let bottom = unsafe { __estack.get() };
    let here = &raw const bottom as usize - 128;
    for at in 0..(here - bottom as usize) / 4 {
        // SAFETY: the words below the present call are nobody's.
        unsafe { bottom.add(at).write_volatile(PAINT) }
    }
}

/// Sends an octet by the UART.
#[cfg(feature = "log")]
pub fn put(octet: u8) {
    let data = UART0 as *mut u8;
    // SAFETY: the machine has its UART there.
    unsafe {
        while data.add(5).read_volatile() & THRE == 0 {}
        data.write_volatile(octet);
    }
}

/// Says where it happened, and starts the machine anew.
#[panic_handler]
fn panic(place: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "log")]
    defmt::error!("panic at line {=u32}", place.location().map_or(0, |at| at.line()));
    let _ = place;
    // SAFETY: the machine has its test device there.
    unsafe { Register::at(TEST, 0) }.write(RESET);
    loop {}
}
