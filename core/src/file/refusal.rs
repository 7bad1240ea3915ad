//! Why a file is not taken, by its code on the wire.

use core::fmt;

/// Why a receiver refuses a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Refusal {
    /// A file of that name is there.
    Exists = 1,
    /// It is larger than the receiver takes.
    TooLarge = 2,
    /// Its name is not safe.
    BadName = 3,
    /// There is no space for it.
    NoSpace = 4,
    /// It is being received already, or too many others are.
    Busy = 5,
    /// The receiver does not want it.
    Refused = 6,
    /// The sender offers no digest that the receiver has.
    NoDigest = 7,
    /// The octets received are not those that were sent.
    Mismatch = 8,
    /// Something failed on the receiver's side.
    Local = 9,
    /// The sender speaks a version that the receiver does not know.
    Version = 10,
}

impl Refusal {
    /// Every refusal, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Exists,
        Self::TooLarge,
        Self::BadName,
        Self::NoSpace,
        Self::Busy,
        Self::Refused,
        Self::NoDigest,
        Self::Mismatch,
        Self::Local,
        Self::Version,
    ];

    /// Returns the octet that stands for it on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the refusal with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    /// Returns the sentence that is sent with it, at most 255 octets.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Exists => "a file of that name exists",
            Self::TooLarge => "the file is too large",
            Self::BadName => "the name is not safe",
            Self::NoSpace => "there is no space left",
            Self::Busy => "the file is being received already",
            Self::Refused => "the file is not wanted",
            Self::NoDigest => "no digest is known to both sides",
            Self::Mismatch => "what was received is not what was sent",
            Self::Local => "the receiver failed",
            Self::Version => "the version is not known",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Refusal {}
