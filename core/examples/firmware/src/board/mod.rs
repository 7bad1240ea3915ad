//! What differs between boards: where they begin, their clock, their UART, and their network card.

#[cfg(feature = "an505")]
mod an505;
#[cfg(feature = "cortex-m")]
mod copy;
#[cfg(feature = "cortex-m")]
mod cortex;
#[cfg(feature = "lm3s6965")]
mod lm3s6965;
#[cfg(feature = "virt")]
mod virt;

#[cfg(all(feature = "an505", feature = "log"))]
pub use an505::put;
#[cfg(feature = "cortex-m")]
pub use cortex::{now, rest};
#[cfg(all(feature = "lm3s6965", feature = "log"))]
pub use lm3s6965::put;
#[cfg(all(feature = "virt", feature = "log"))]
pub use virt::put;
#[cfg(feature = "virt")]
pub use virt::{now, rest};
