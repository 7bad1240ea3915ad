//! What differs between boards: where they begin, their clock, their UART, and their network card.

#[cfg(feature = "an505")]
mod an505;
#[cfg(feature = "cortex-m")]
mod cortex;
#[cfg(feature = "lm3s6965")]
mod lm3s6965;
#[cfg(feature = "virt")]
mod virt;

#[cfg(feature = "an505")]
pub use an505::put;
#[cfg(feature = "cortex-m")]
pub use cortex::{now, painted, rest};
#[cfg(feature = "lm3s6965")]
pub use lm3s6965::put;
#[cfg(feature = "virt")]
pub use virt::{now, painted, put, rest};
