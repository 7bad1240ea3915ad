//! Files of this host's: read to be sent, and received into a folder.
//!
//! A file is received into a part file, named by a hash of its name, size and time and locked while in use; it takes its
//! own name only once it is whole, on the disk and verified. So the name appears whole or not at all, a cut transfer goes
//! on where it was cut, and parts of different files never mix.
//!
//! ```
//! use sockhop_hosted::transfer::FileSource;
//!
//! let source = FileSource::spool(&b"content of a pipe"[..], "pipe.txt").expect("there is room in a temporary file");
//! assert_eq!((source.name(), source.offered().size), ("pipe.txt", 17));
//! ```

mod folder;
mod hashing;
mod part;
mod receiving;
mod sending;
mod source;

pub use folder::Folder;
pub use part::{Existing, Part, Policy};
pub use receiving::{Progress, Received, Receiving};
pub use sending::{Sending, Sent};
pub use source::{FileSource, SourceError};

/// The port that files are received at unless another is named.
pub const PORT: u16 = 7_007;
