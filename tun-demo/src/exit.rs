//! The exit codes, in one table that the program, its help and its tests read.

use core::fmt;
use sockhop_hosted::{forwarding, sandbox, tun};
use std::io;

/// Something failed that has no code of its own.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The program lacks a privilege.
pub(crate) const PRIVILEGE: u8 = 3;
/// There is no TUN device, or its name cannot be used.
pub(crate) const DEVICE: u8 = 4;
/// An address or a route is in the way.
pub(crate) const ADDRESS: u8 = 5;
/// Something is missing: `doctor` found it, or a flag needs it.
pub(crate) const MISSING: u8 = 6;
/// A file was sent or received, and nothing proves that it is whole.
pub(crate) const UNVERIFIED: u8 = 7;
/// A file was cut.
pub(crate) const TRUNCATED: u8 = 8;
/// A file was refused.
pub(crate) const REFUSED: u8 = 9;
/// There is no running proxy to ask, or more than one.
pub(crate) const NOBODY: u8 = 10;

/// The table as the long help shows it.
pub(crate) const TABLE: &str = "Exit codes:
   0  done, or stopped by Ctrl-C
   1  something failed that has no code of its own
   2  the command line is wrong
   3  root is needed, or CAP_NET_ADMIN
   4  there is no TUN device, or its name cannot be used
   5  an address or a route is in the way
   6  something is missing: doctor found it, or a flag needs it
   7  a file was transferred, and nothing proves that it is whole (--classic)
   8  a file was truncated: it goes on where it was cut
   9  a file was refused
  10  no running proxy answers, or several do";

/// Why the program ends, and with which code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    text: String,
    pipe: bool,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), pipe: false }
    }

    /// Returns whether the reader of our output has gone, which is no failure.
    pub(crate) const fn is_broken_pipe(&self) -> bool {
        self.pipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { code: FAILED, text: error.to_string(), pipe: error.kind() == io::ErrorKind::BrokenPipe }
    }
}

impl From<tun::Error> for Failure {
    fn from(error: tun::Error) -> Self {
        let code = match error {
            tun::Error::Permission => PRIVILEGE,
            tun::Error::Missing | tun::Error::Name(..) => DEVICE,
            tun::Error::Route(..) | tun::Error::Address(..) => ADDRESS,
            tun::Error::Host(..) => FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<forwarding::Error> for Failure {
    fn from(error: forwarding::Error) -> Self {
        let code = match &error {
            forwarding::Error::NoNft(_) => MISSING,
            forwarding::Error::Nft(_) | forwarding::Error::Switch(..) => ADDRESS,
        };
        Self::new(code, error.to_string())
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Self {
        let code = match &error {
            sandbox::Error::User(..) => PRIVILEGE,
            sandbox::Error::Threads | sandbox::Error::Privilege(..) | sandbox::Error::Path(..) => FAILED,
        };
        Self::new(code, error.to_string())
    }
}
