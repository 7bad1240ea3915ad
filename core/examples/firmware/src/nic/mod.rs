//! Drivers of network cards, each as long as its data sheet demands.

#[cfg(feature = "an505")]
pub mod lan9118;
#[cfg(feature = "lm3s6965")]
pub mod stellaris;
#[cfg(feature = "virt")]
pub mod virtio;
