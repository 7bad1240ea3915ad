//! What the board does beside SOCKS, in the image that can do everything.

#[cfg(feature = "full")]
mod dump;
#[cfg(feature = "full")]
mod echo;
#[cfg(feature = "full")]
mod files;
#[cfg(feature = "full")]
mod full;
#[cfg(not(feature = "full"))]
mod none;

#[cfg(feature = "full")]
pub use full::{Services, Trace};
#[cfg(not(feature = "full"))]
pub use none::{Services, Trace};
