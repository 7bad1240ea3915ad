//! What a file is read from and written to.

use super::{Offer, Refusal, Stat};

/// What a file is read from.
pub trait Source {
    /// Reads octets from this place on, as many as are at hand; 0 only where the source ends.
    ///
    /// # Errors
    /// The source cannot be read: the transfer is given up.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Unreadable>;

    /// Returns what the file is like now, which a sender compares with what it offered before it gives the digest.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn stat(&mut self) -> Result<Stat, Unreadable>;
}

/// A source that cannot be read any more; it keeps the reason itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unreadable;

/// Where a file is written: a folder, or the flash of a microcontroller. One file at a time.
///
/// A refusal goes to the sender. Whatever the store keeps of a file that is not committed is found again by `open` for
/// the same name, size and time, and by nobody else.
pub trait Store {
    /// Makes ready for a file and returns how many of its first octets are here already.
    ///
    /// # Errors
    /// The file is not taken.
    fn open(&mut self, offer: &Offer<'_>) -> Result<u64, Refusal>;

    /// Reads octets that are here, as many as are at hand and at least one.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Refusal>;

    /// Forgets everything from this place on.
    ///
    /// # Errors
    /// It cannot, or what is here must stay.
    fn truncate(&mut self, at: u64) -> Result<(), Refusal>;

    /// Writes octets, of which it may take fewer.
    ///
    /// # Errors
    /// `WouldBlock` while it is busy (the connection's window closes meanwhile), or a refusal.
    fn write(&mut self, at: u64, octets: &[u8]) -> nb::Result<usize, Refusal>;

    /// Puts the whole file in its place, so that it survives a loss of power.
    ///
    /// # Errors
    /// `WouldBlock` while it is at it, or a refusal.
    fn commit(&mut self) -> nb::Result<(), Refusal>;

    /// Ends without a file: keeps what is here for another attempt, or forgets it.
    fn abort(&mut self, keep: Keep);
}

/// What becomes of the part of a file that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Keep {
    /// It stays, and the next attempt goes on behind it.
    Part,
    /// It is wrong, or can never be gone on with.
    Nothing,
}

/// Anything that embedded-io can read and seek in, as a source.
#[cfg(feature = "embedded-io")]
#[derive(Debug)]
pub struct Seeking<S> {
    inner: S,
    stat: Stat,
    at: Option<u64>,
}

#[cfg(feature = "embedded-io")]
impl<S: embedded_io::Read + embedded_io::Seek> Seeking<S> {
    /// Returns a source of what is in `inner`, which nobody else changes meanwhile.
    pub const fn new(inner: S, stat: Stat) -> Self {
        Self { inner, stat, at: None }
    }
}

#[cfg(feature = "embedded-io")]
impl<S: embedded_io::Read + embedded_io::Seek> Source for Seeking<S> {
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Unreadable> {
        if self.at != Some(at) {
            self.at = None;
            self.inner.seek(embedded_io::SeekFrom::Start(at)).map_err(|_| Unreadable)?;
        }
        let count = self.inner.read(into).map_err(|_| Unreadable)?;
        self.at = Some(at + count as u64);
        Ok(count)
    }

    fn stat(&mut self) -> Result<Stat, Unreadable> {
        Ok(self.stat)
    }
}
