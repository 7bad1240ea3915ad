//! The other end: asks a running process and reads its answers.

use super::{Answer, Events, Request, line};
use crate::survey::{Snapshot, harmless};
use core::time::Duration;
use sockhop::trace::Event;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// The longest answer, in octets; 16,384 connections and 65,536 in TIME-WAIT take a third of it.
const LONGEST: usize = 1 << 26;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a process that is asked.
#[derive(Debug)]
pub struct Inquirer {
    stream: UnixStream,
    heard: Vec<u8>,
    /// Octets of `heard` that were searched for the end of a line.
    searched: usize,
}

impl Inquirer {
    /// Returns who asks through this connection.
    pub const fn new(stream: UnixStream) -> Self {
        Self { stream, heard: Vec::new(), searched: 0 }
    }

    /// Asks something.
    ///
    /// # Errors
    /// The host's, when the process is gone or takes nothing.
    pub fn ask(&mut self, request: Request) -> io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(&line(&request))
    }

    /// Returns the next answer; waits for it, but not for ever, if `wait` is set.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, `UnexpectedEof` when the process is gone, `InvalidData` when the answer cannot be
    /// understood, and the host's.
    pub fn answer(&mut self, wait: bool) -> io::Result<Answer> {
        self.stream.set_nonblocking(!wait)?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        loop {
            if let Some(found) = self.heard[self.searched..].iter().position(|octet| *octet == b'\n') {
                let end = self.searched + found;
                let answer = serde_json::from_slice(&self.heard[..end]);
                self.heard.drain(..=end);
                self.searched = 0;
                return answer.map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
            }
            self.searched = self.heard.len();
            if self.searched > LONGEST {
                return Err(io::Error::new(ErrorKind::InvalidData, "it has no end"));
            }
            let mut room = [0; 65_536];
            match self.stream.read(&mut room) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.heard.extend_from_slice(&room[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for a snapshot and waits for it.
    ///
    /// # Errors
    /// As for [`answer`](Self::answer), with a sentence that says what is wrong.
    pub fn snapshot(&mut self) -> io::Result<Snapshot> {
        let said = |error: io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                io::Error::new(ErrorKind::TimedOut, "the proxy has not answered for 5 s; is it stopped?")
            }
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                io::Error::new(ErrorKind::UnexpectedEof, "the proxy has ended")
            }
            ErrorKind::InvalidData => {
                let text =
                    format!("the proxy's answer cannot be understood ({error}); is it of another version?");
                io::Error::new(ErrorKind::InvalidData, text)
            }
            _ => error,
        };
        // Somebody who is turned away, and so cannot ask, has been told why.
        let _ = self.ask(Request::Snapshot);
        loop {
            match self.answer(true).map_err(said)? {
                Answer::Snapshot(snapshot) => return Ok(*snapshot),
                Answer::Events(_) => {}
                Answer::Error(text) => return Err(io::Error::other(harmless(&text))),
            }
        }
    }
}

impl AsFd for Inquirer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Events {
    /// Returns the events themselves; what is none is left out.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.raw.iter().filter_map(|raw| octets(raw)).map(|octets| Event::decode(&octets))
    }
}

fn octets(text: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, at) in octets.iter_mut().zip((0..64).step_by(2)) {
        *place = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(octets)
}
