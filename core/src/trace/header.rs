//! What stands before the events of one end.
//!
//! ```text
//! octet 0        8         10       12     16         24     32     64
//!       │ magic  │ version │ length │ ring │ unix, ns │ zero │ node │   all little-endian
//! ```

use core::fmt;

/// The first octets of a file of events.
const MAGIC: &[u8; 8] = b"sockhop\n";
/// The version of the events that this code writes and reads.
const VERSION: u16 = 1;

/// Who recorded the events that follow, and when its clock began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The calendar time of the clock's origin, in nanoseconds since 1970; 0 where the clock is virtual or unknown.
    pub unix: u64,
    /// The size of a connection's ring in octets; 0 where they differ.
    pub ring: u32,
    node: [u8; 32],
}

/// Why octets are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NoHeader {
    /// They do not begin as one.
    Magic,
    /// They are of another version; its number.
    Version(u16),
}

impl fmt::Display for NoHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("no trace of sockhop's"),
            Self::Version(version) => {
                write!(f, "a trace of version {version}; this program reads version {VERSION}")
            }
        }
    }
}

impl core::error::Error for NoHeader {}

impl Header {
    /// The octets of a header, as many as those of two events.
    pub const LENGTH: usize = 64;

    /// Returns a header of the end with this name, of which the first 32 octets are kept, to a whole character.
    pub fn new(node: &str, unix: u64, ring: u32) -> Self {
        let mut header = Self { unix, ring, node: [0; 32] };
        let kept = node.get(..node.floor_char_boundary(32)).unwrap_or("");
        for (place, octet) in header.node.iter_mut().zip(kept.bytes()) {
            *place = octet;
        }
        header
    }

    /// Returns the name of the end that recorded.
    pub fn node(&self) -> &str {
        let end = self.node.iter().position(|octet| *octet == 0).unwrap_or(self.node.len());
        core::str::from_utf8(&self.node[..end]).unwrap_or("?")
    }

    /// Writes the header as it stands in a file.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut octets = [0; Self::LENGTH];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..10].copy_from_slice(&VERSION.to_le_bytes());
        octets[10] = 64;
        octets[12..16].copy_from_slice(&self.ring.to_le_bytes());
        octets[16..24].copy_from_slice(&self.unix.to_le_bytes());
        octets[32..].copy_from_slice(&self.node);
        octets
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`NoHeader`] when the octets are none, or of another version.
    pub fn decode(octets: &[u8; Self::LENGTH]) -> Result<Self, NoHeader> {
        if octets[..8] != MAGIC[..] {
            return Err(NoHeader::Magic);
        }
        let version = u16::from_le_bytes([octets[8], octets[9]]);
        if version != VERSION {
            return Err(NoHeader::Version(version));
        }
        let mut header = Self {
            ring: u32::from_le_bytes([octets[12], octets[13], octets[14], octets[15]]),
            ..Self::default()
        };
        let mut unix = [0; 8];
        unix.copy_from_slice(&octets[16..24]);
        header.unix = u64::from_le_bytes(unix);
        header.node.copy_from_slice(&octets[32..]);
        Ok(header)
    }
}
