//! One who asks: what he has said, what he follows, and what is on its way to him.

use super::feed::Batch;
use super::{Answer, Events, LONGEST, Request, line};
use core::fmt::Write as _;
use mio::net::UnixStream;
use std::io::{ErrorKind, Read, Write};

/// Events written to one client at a time; what comes beyond them is lost to him.
const BATCH: usize = 8_192;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    heard: Vec<u8>,
    unsent: Vec<u8>,
    sent: usize,
    /// Whether he has asked for a snapshot and has none yet.
    pub(super) asked: bool,
    /// What he follows: one connection, or each.
    follows: Option<Option<u32>>,
    lost: u64,
    /// Whether he is to be let go once everything is sent.
    last: bool,
}

impl Client {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            heard: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            asked: false,
            follows: None,
            lost: 0,
            last: false,
        }
    }

    pub(super) const fn follows(&self) -> bool {
        self.follows.is_some()
    }

    /// Hears and answers as far as that goes without waiting; `false` once he is gone.
    pub(super) fn serve(&mut self, can_follow: bool) -> bool {
        loop {
            if !self.flush() {
                return false;
            }
            // Who does not read is asked nothing, and one question is answered after the other.
            if self.is_behind() || self.asked {
                return true;
            }
            if self.last {
                return false;
            }
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                let request: Vec<u8> = self.heard.drain(..=end).collect();
                self.take(&request, can_follow);
                continue;
            }
            if self.heard.len() > LONGEST {
                self.fail(format!("a request has at most {LONGEST} octets"));
                self.last = true;
                continue;
            }
            let mut room = [0; LONGEST];
            match self.stream.read(&mut room) {
                Ok(0) => return false,
                Ok(count) => self.heard.extend_from_slice(&room[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    fn take(&mut self, request: &[u8], can_follow: bool) {
        match serde_json::from_slice(request) {
            Ok(Request::Snapshot) => self.asked = true,
            Ok(Request::Follow { .. }) if !can_follow => {
                self.fail("the connections of this process are the kernel's, and their segments are not seen".to_owned());
            }
            Ok(Request::Follow { flow }) => self.follows = Some(flow),
            Ok(Request::Silence) => self.follows = None,
            Err(_) => self.fail(format!(
                "{:?} is no request; there are {{\"ask\":\"snapshot\"}}, {{\"ask\":\"follow\"}} and {{\"ask\":\"silence\"}}",
                String::from_utf8_lossy(request).trim_end()
            )),
        }
    }

    pub(super) fn fail(&mut self, text: String) {
        self.give(&line(&Answer::Error(text)));
    }

    /// Says something that is the last thing he hears.
    pub(super) fn dismiss(&mut self, text: String) {
        self.fail(text);
        self.last = true;
    }

    /// Gives him a line.
    pub(super) fn give(&mut self, line: &[u8]) {
        self.unsent.extend_from_slice(line);
    }

    /// Gives him what has happened, of what he follows, unless he is behind.
    pub(super) fn tell(&mut self, batch: &Batch) {
        let Some(wanted) = self.follows else { return };
        let chosen = || batch.events.iter().filter(|event| wanted.is_none_or(|flow| event.flow() == flow));
        if self.is_behind() {
            self.lost += chosen().count() as u64 + batch.lost;
            return;
        }
        let raw: Vec<String> = chosen().take(BATCH).map(|event| hexadecimal(&event.encode())).collect();
        if !raw.is_empty() || self.lost > 0 {
            let given = raw.len();
            let lost = core::mem::take(&mut self.lost);
            self.give(&line(&Answer::Events(Events { raw, lost })));
            self.lost += chosen().count().saturating_sub(given) as u64;
        }
        self.lost += batch.lost;
    }

    const fn is_behind(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// Sends what it can; `false` when he is gone.
    fn flush(&mut self) -> bool {
        while self.is_behind() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(0) => return false,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        // A large snapshot's room is not kept.
        self.unsent = Vec::new();
        self.sent = 0;
        true
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        let _ = write!(text, "{octet:02x}");
    }
    text
}
