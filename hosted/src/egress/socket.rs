//! A connection through a socket of this host, which never waits.

use core::net::SocketAddr;
use core::time::Duration;
use mio::net::TcpStream;
use sockhop::relay::{Broken, Stream};
use std::io::{self, Read, Write};

/// A connection through a socket of this host.
#[derive(Debug)]
pub struct Socket {
    stream: Option<TcpStream>,
}

impl Socket {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream) }
    }

    /// Returns the other end's address; `None` when there is none any more.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.stream.as_ref()?.peer_addr().ok()
    }

    /// As [`Stream::read`], but leaves the octets where they are.
    pub(super) fn peek(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        let Some(stream) = &self.stream else { return Err(nb::Error::Other(Broken::Reset)) };
        retried(|| stream.peek(into))
    }
}

impl Stream for Socket {
    fn read(&mut self, into: &mut [u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!into.is_empty(), "0 octets read would look like a FIN");
        let Some(stream) = &mut self.stream else { return Err(nb::Error::Other(Broken::Reset)) };
        retried(|| stream.read(into))
    }

    fn write(&mut self, from: &[u8]) -> nb::Result<usize, Broken> {
        debug_assert!(!from.is_empty(), "no octets are neither taken nor refused");
        let Some(stream) = &mut self.stream else { return Err(nb::Error::Other(Broken::Reset)) };
        retried(|| stream.write(from))
    }

    fn close(&mut self) {
        if let Some(stream) = &self.stream {
            // A socket that is gone already has nothing left to shut down.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }

    fn abort(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Without the option the peer sees a FIN in place of a RST; there is nothing better to do.
            let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
        }
    }
}

pub(crate) fn retried(mut call: impl FnMut() -> io::Result<usize>) -> nb::Result<usize, Broken> {
    loop {
        match call() {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(nb::Error::WouldBlock),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(nb::Error::Other(match error.kind() {
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Broken::Reset,
                    io::ErrorKind::TimedOut => Broken::TimedOut,
                    _ => Broken::Host(error.raw_os_error().unwrap_or(0)),
                }));
            }
        }
    }
}
