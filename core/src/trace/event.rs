//! One thing that happened, in 32 octets.
//!
//! ```text
//! octet 0        16       20     24          30     31     32
//!       │ payload │ serial │ flow │ time, µs  │ kind │ sub  │   all little-endian
//! ```

use crate::time::Instant;

/// One event; [`View`](super::View) says what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Event {
    payload: [u32; 4],
    serial: u32,
    flow: u32,
    time: [u16; 3],
    kind: u8,
    sub: u8,
}

const _: () = assert!(size_of::<Event>() == 32, "an event is 32 octets");

impl Event {
    /// Returns an event of this kind and payload, without serial, flow and time.
    pub(super) const fn new(kind: u8, sub: u8, payload: [u32; 4]) -> Self {
        Self { payload, serial: 0, flow: 0, time: [0; 3], kind, sub }
    }

    /// Returns the event with its place in the trace: a serial, a flow (0 is the stack itself) and a time.
    #[must_use]
    pub const fn at(mut self, serial: u32, flow: u32, now: Instant) -> Self {
        let micros = now.micros().to_le_bytes();
        self.serial = serial;
        self.flow = flow;
        self.time = [
            u16::from_le_bytes([micros[0], micros[1]]),
            u16::from_le_bytes([micros[2], micros[3]]),
            u16::from_le_bytes([micros[4], micros[5]]),
        ];
        self
    }

    /// Returns the kind, the kind's variant and the payload, as they stand in the octets.
    pub const fn parts(&self) -> (u8, u8, [u32; 4]) {
        (self.kind, self.sub, self.payload)
    }

    /// Returns the event's number; a gap to the one before says that events were lost.
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Returns the number of the connection, never reused within a trace; 0 is the stack itself.
    pub const fn flow(&self) -> u32 {
        self.flow
    }

    /// Returns the time, which wraps after 8 years.
    pub fn time(&self) -> Instant {
        let [low, middle, high] = self.time;
        Instant::from_micros(u64::from(high) << 32 | u64::from(middle) << 16 | u64::from(low))
    }

    /// Writes the event as it stands in a file or on a wire.
    pub fn encode(&self) -> [u8; 32] {
        let mut octets = [0; 32];
        let words = self.payload.iter().chain([&self.serial, &self.flow]);
        for (place, word) in octets.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        for (place, half) in octets[24..30].chunks_exact_mut(2).zip(self.time) {
            place.copy_from_slice(&half.to_le_bytes());
        }
        octets[30] = self.kind;
        octets[31] = self.sub;
        octets
    }

    /// Reads an event that [`encode`](Self::encode) wrote.
    pub fn decode(octets: &[u8; 32]) -> Self {
        let word =
            |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let half = |at: usize| u16::from_le_bytes([octets[at], octets[at + 1]]);
        Self {
            payload: [word(0), word(4), word(8), word(12)],
            serial: word(16),
            flow: word(20),
            time: [half(24), half(26), half(28)],
            kind: octets[30],
            sub: octets[31],
        }
    }
}
