//! A device's register, by its address.

/// A register of 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct Register(*mut u32);

impl Register {
    /// Returns the register `offset` octets behind the device's base.
    ///
    /// # Safety
    /// A device stands there, reading and writing it harms nobody, and nobody else does.
    pub const unsafe fn at(base: usize, offset: usize) -> Self {
        Self((base + offset) as *mut u32)
    }

    /// Reads it.
    pub fn read(self) -> u32 {
        // SAFETY: whoever made it has promised that a device is there.
        unsafe { self.0.read_volatile() }
    }

    /// Writes it.
    pub fn write(self, value: u32) {
        // SAFETY: whoever made it has promised that a device is there.
        unsafe { self.0.write_volatile(value) }
    }
}
