//! Events through defmt: the octets for tools, under a mark they can look for.

use super::{Event, Sink};

/// Hands each event to defmt as `~ev` and its 32 octets, at the level of traces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defmt;

impl Sink for Defmt {
    fn record(&mut self, event: &Event) {
        defmt::trace!("~ev {=[u8; 32]}", event.encode());
    }
}
