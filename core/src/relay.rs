//! Carries octets between two streams, with half-close and resets passed on, and holds none of its own.

/// How a stream broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Broken {
    /// The peer reset the connection.
    Reset,
    /// The peer stopped answering.
    TimedOut,
    /// The host refused to go on; its error number where it has one.
    Host(i32),
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Reset => f.write_str("the peer reset the connection"),
            Self::TimedOut => f.write_str("the peer stopped answering"),
            Self::Host(number) => write!(f, "the host's socket failed with error number {number}"),
        }
    }
}

impl core::error::Error for Broken {}

/// A connection's two directions, none of which ever waits.
pub trait Stream {
    /// Reads what has arrived; `Ok(0)` is the peer's FIN, with every octet before it read.
    ///
    /// # Errors
    /// `WouldBlock` while nothing has arrived, [`Broken`] once everything received before the break is read.
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken>;

    /// Takes as many octets for the peer as fit now, at least one.
    ///
    /// # Errors
    /// `WouldBlock` while there is no room, [`Broken`] when there never will be.
    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken>;

    /// Sends a FIN behind the octets written; reading goes on.
    fn close(&mut self);

    /// Ends both directions at once, with a RST to the peer.
    fn abort(&mut self);
}
