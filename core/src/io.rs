//! Drives a machine over a blocking embedded-io stream.
//!
//! ```
//! use sockhop::io::drive;
//! use sockhop::machine::Machine;
//! use sockhop::socks5::{Event, Login, Server};
//! # struct Serial { heard: &'static [u8], said: Vec<u8> }
//! # impl embedded_io::ErrorType for Serial { type Error = core::convert::Infallible; }
//! # impl embedded_io::Read for Serial {
//! #     fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
//! #         let count = into.len().min(self.heard.len());
//! #         into[..count].copy_from_slice(&self.heard[..count]);
//! #         self.heard = &self.heard[count..];
//! #         Ok(count)
//! #     }
//! # }
//! # impl embedded_io::Write for Serial {
//! #     fn write(&mut self, octets: &[u8]) -> Result<usize, Self::Error> { self.said.extend(octets); Ok(octets.len()) }
//! #     fn flush(&mut self) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! // Anything with `embedded_io::Read` and `Write`.
//! let mut serial = Serial { heard: &[5, 1, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 80], said: Vec::new() };
//! let mut server: Server<64> = Server::new(Login::Open);
//! drive(&mut server, &mut serial).expect("the stream is whole");
//! assert!(matches!(server.poll(), Ok(Event::Request(_))));
//! assert_eq!(serial.said, [5, 0]);
//! ```

use crate::machine::Machine;
use embedded_io::{Read, ReadExactError, Write};

/// Why a drive ended without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<M, S> {
    /// The conversation failed.
    Machine(M),
    /// The stream failed.
    Stream(S),
}

impl<M: core::fmt::Display, S: core::fmt::Debug> core::fmt::Display for Error<M, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Machine(error) => error.fmt(f),
            Self::Stream(error) => write!(f, "the stream failed: {error:?}"),
        }
    }
}

impl<M: core::error::Error, S: core::fmt::Debug> core::error::Error for Error<M, S> {}

/// Talks until the machine has something for its owner, who then calls `poll`.
///
/// It reads one octet at a time, because what follows a message may belong to somebody else.
///
/// # Errors
/// [`Error`] says whether the conversation or the stream failed; the owner's duty is to close the stream.
pub fn drive<M: Machine, S: Read + Write>(
    machine: &mut M,
    stream: &mut S,
) -> Result<(), Error<M::Error, S::Error>> {
    let mut out = [0; 32];
    loop {
        let count = machine.drain(&mut out);
        if count > 0 {
            stream.write_all(&out[..count]).map_err(Error::Stream)?;
            continue;
        }
        stream.flush().map_err(Error::Stream)?;
        match machine.poll() {
            Ok(_) => return Ok(()),
            Err(nb::Error::Other(error)) => return Err(Error::Machine(error)),
            Err(nb::Error::WouldBlock) => {}
        }
        let mut octet = [0];
        match stream.read_exact(&mut octet) {
            Ok(()) => {
                machine.feed(&octet);
            }
            Err(ReadExactError::UnexpectedEof) => machine.end(),
            Err(ReadExactError::Other(error)) => return Err(Error::Stream(error)),
        }
    }
}
