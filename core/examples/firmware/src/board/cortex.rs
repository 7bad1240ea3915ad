//! What all Cortex-M boards have: a tick each millisecond, and sleep.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;
use sockhop::time::Instant;

/// Milliseconds since the start; two words, since a lone one wraps after seven weeks.
static TICKS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// Starts the tick; the processor's clock has so many cycles a second.
pub fn start(mut timer: SYST, hertz: u32) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(hertz / 1_000 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

/// The vectors of the devices: none of them is ever enabled, since the tick, which is the processor's own, is often
/// enough to look at the card.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vector_table.interrupts")]
static __INTERRUPTS: [unsafe extern "C" fn(); 1] = [DefaultHandler];

unsafe extern "C" {
    fn DefaultHandler();
}

#[exception]
fn SysTick() {
    let low = TICKS[0].load(Ordering::Relaxed).wrapping_add(1);
    TICKS[0].store(low, Ordering::Relaxed);
    if low == 0 {
        TICKS[1].store(TICKS[1].load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

/// Returns the time since the start.
pub fn now() -> Instant {
    let read = || (TICKS[1].load(Ordering::Relaxed), TICKS[0].load(Ordering::Relaxed));
    let (mut before, mut ticks) = (read(), read());
    while before.0 != ticks.0 {
        (before, ticks) = (ticks, read());
    }
    Instant::from_micros((u64::from(ticks.0) << 32 | u64::from(ticks.1)) * 1_000)
}

/// Returns where the counter of the tick stands.
pub fn cycles() -> u32 {
    SYST::get_current()
}

/// Sleeps until the next tick.
pub fn rest() {
    cortex_m::asm::wfi();
}

/// Says where it happened, and starts the board anew: a proxy in the field has nobody to press its button.
#[panic_handler]
fn panic(place: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "log")]
    defmt::error!("panic at line {=u32}", place.location().map_or(0, |at| at.line()));
    let _ = place;
    SCB::sys_reset()
}
