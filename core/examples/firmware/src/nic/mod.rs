//! Drivers of network cards, each as long as its data sheet demands.

#[cfg(feature = "an505")]
mod lan9118;
#[cfg(feature = "an505")]
pub use lan9118::Lan9118 as Card;
#[cfg(feature = "lm3s6965")]
mod stellaris;
#[cfg(feature = "lm3s6965")]
pub use stellaris::Stellaris as Card;
#[cfg(feature = "virt")]
mod virtio;
#[cfg(feature = "virt")]
pub use virtio::Virtio as Card;
