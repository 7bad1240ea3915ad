//! Links only if no panic can be reached: the panic handler calls a function that does not exist.
//!
//! Every public entry of core stands here by name, since what nobody calls is thrown away unproven.
#![no_std]
#![no_main]

#[cfg(not(feature = "machine"))]
mod files;
#[cfg(feature = "machine")]
mod machine;
#[cfg(not(feature = "machine"))]
mod machines;
#[cfg(feature = "node")]
mod node;
#[cfg(not(feature = "machine"))]
mod tcp;

use core::panic::PanicInfo;

#[cfg(not(feature = "node"))]
unsafe extern "C" {
    fn a_panic_can_be_reached() -> !;
}

#[cfg(not(feature = "node"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it does not exist, so this is never linked.
    unsafe { a_panic_can_be_reached() }
}

/// Stands by itself, so that whatever leads here can be found.
#[cfg(feature = "node")]
#[panic_handler]
#[inline(never)]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Indexes with whatever it is given: the proof is worth something only if this fails to link.
#[cfg(feature = "control")]
#[unsafe(no_mangle)]
extern "C" fn control(at: usize) -> u8 {
    b"control"[core::hint::black_box(at)]
}
