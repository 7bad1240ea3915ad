//! How what the receiver says is read.

use super::{Sender, SenderError, SenderState};
use crate::file::Algorithm;
use crate::file::message::{self, ANSWER, NAME, NO, OK, SUM, WAIT};

impl<B: AsRef<str>> Sender<B> {
    /// Looks at what is gathered; returns how many octets the message goes on to, if it is not whole.
    pub(super) fn step(&mut self) -> Option<usize> {
        if self.classic {
            return self.classic_step();
        }
        let octets = self.inbox.octets();
        let answered = octets.get(..2);
        match (self.state, octets) {
            (SenderState::Comparing | SenderState::Done | SenderState::Failed, _) => return None,
            (SenderState::Hearing, octets) => return self.hearing(octets.get(3).copied(), octets.len()),
            (_, []) => return Some(1),
            (SenderState::Offering | SenderState::Verdict, [b'o' | b'n' | b'w']) => return Some(2),
            (_, [b'n']) => return Some(2),
            _ if answered == Some(NO) => self.go(SenderState::Hearing),
            (SenderState::Offering, _) if answered == Some(OK) => return self.answered(),
            (SenderState::Verdict, _) if answered == Some(OK) => self.go(SenderState::Done),
            (SenderState::Offering | SenderState::Verdict, _) if answered == Some(WAIT) => {
                self.inbox.clear();
                self.tick();
            }
            (_, &[octet, ..]) => self.fail(SenderError::Protocol(octet)),
        }
        None
    }

    /// As [`step`](Self::step), for an "ok" to an offer.
    fn answered(&mut self) -> Option<usize> {
        let octets = self.inbox.octets();
        let gathered = octets.len();
        let Some(&bit) = octets.get(2) else {
            // From here on two seconds tell a classic receiver.
            self.tick();
            return Some(3);
        };
        let algorithm =
            Algorithm::from_bit(bit).filter(|algorithm| self.algorithms.0 & (1 << *algorithm as u8) > 0);
        let Some(algorithm) = algorithm else {
            self.fail(SenderError::Protocol(bit));
            return None;
        };
        let Some(held) = message::number(octets.get(3..).unwrap_or(&[])) else { return Some(ANSWER) };
        if held > self.stat.size {
            self.fail(SenderError::Protocol(bit));
        } else if held == 0 {
            self.algorithm = algorithm;
            self.send_from(0);
        } else if gathered < ANSWER + SUM {
            return Some(ANSWER + SUM);
        } else {
            self.algorithm = algorithm;
            self.go(SenderState::Comparing);
        }
        None
    }

    /// As [`step`](Self::step), for a refusal.
    fn hearing(&mut self, length: Option<u8>, gathered: usize) -> Option<usize> {
        match length {
            None => return Some(4),
            Some(length) if gathered < 4 + usize::from(length) => return Some(4 + usize::from(length)),
            Some(_) => self.refused(),
        }
        None
    }

    /// As [`step`](Self::step), for a classic receiver, who says "ok" or anything else.
    fn classic_step(&mut self) -> Option<usize> {
        let octets = self.inbox.octets();
        match self.state {
            SenderState::Offering if octets == OK => self.send_from(0),
            SenderState::Offering if OK.starts_with(octets) => return Some(octets.len() + 1),
            SenderState::Offering => self.go(SenderState::Hearing),
            SenderState::Hearing if octets.len() < NAME => return Some(octets.len() + 1),
            SenderState::Hearing => self.refused(),
            SenderState::Comparing
            | SenderState::Sending
            | SenderState::Digesting
            | SenderState::Closing
            | SenderState::Verdict
            | SenderState::Done
            | SenderState::Failed => {}
        }
        None
    }
}
