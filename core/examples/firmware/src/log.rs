//! What happens, by the UART, as defmt's frames: `defmt-print -e IMAGE` reads them.

use crate::board;
use core::cell::UnsafeCell;
use critical_section::RestoreState;

/// The one encoder, and how interrupts stood before it was taken.
struct Shared {
    encoder: UnsafeCell<defmt::Encoder>,
    restore: UnsafeCell<RestoreState>,
}

// SAFETY: both cells are touched between `acquire` and `release` only, in which interrupts are off.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    encoder: UnsafeCell::new(defmt::Encoder::new()),
    restore: UnsafeCell::new(RestoreState::invalid()),
};

#[defmt::global_logger]
struct Uart;

fn send(octets: &[u8]) {
    octets.iter().copied().for_each(board::put);
}

// SAFETY: `acquire` switches interrupts off, so nobody else is between it and `release`, and nothing here logs.
unsafe impl defmt::Logger for Uart {
    fn acquire() {
        // SAFETY: `release` restores it.
        let restore = unsafe { critical_section::acquire() };
        // SAFETY: interrupts are off.
        unsafe {
            *SHARED.restore.get() = restore;
            (*SHARED.encoder.get()).start_frame(send);
        }
    }

    unsafe fn flush() {}

    unsafe fn release() {
        // SAFETY: defmt calls it after `acquire`, so interrupts are off.
        unsafe {
            (*SHARED.encoder.get()).end_frame(send);
            critical_section::release(*SHARED.restore.get());
        }
    }

    unsafe fn write(octets: &[u8]) {
        // SAFETY: defmt calls it after `acquire`, so interrupts are off.
        unsafe { (*SHARED.encoder.get()).write(octets, send) }
    }
}

defmt::timestamp!("{=u64:us}", board::now().micros());
