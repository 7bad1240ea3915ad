//! How what the sender says is read: a message of the framed protocol, or a classic name.

use super::{Error, Receiver, State};
use crate::file::message::{self, HEAD, MAGIC, NAME, SUM, TAIL, VERSION};
use crate::file::{Name, Offer, Refusal};

/// How many octets a classic name may be padded with.
const PADDING: u32 = 4_096;

impl<const N: usize> Receiver<N> {
    /// Looks at what is gathered; returns how many octets the message goes on to, if it is not whole.
    pub(super) fn step(&mut self) -> Option<usize> {
        let octets = self.inbox.octets();
        match self.state {
            State::Greeting => match *octets {
                [] => return Some(1),
                [0, ..] => self.go(State::Header),
                _ => {
                    self.classic = true;
                    self.go(State::Naming);
                }
            },
            State::Header => return self.header(),
            State::Answered => match message::number(octets) {
                None => return Some(8),
                Some(at) if at == 0 || at == self.held.octets => {
                    (self.start, self.at) = (at, at);
                    self.go(State::Starting);
                }
                Some(at) => self.fail(Error::Start(at)),
            },
            State::Digest => match message::sum(octets) {
                None => return Some(SUM),
                Some(_) => self.go(State::Verifying),
            },
            State::Naming
            | State::Offered
            | State::Starting
            | State::Content
            | State::Verifying
            | State::Committing
            | State::Confirming
            | State::Done
            | State::Refusing
            | State::Finishing
            | State::Discarding
            | State::Failed => {}
        }
        None
    }

    fn header(&mut self) -> Option<usize> {
        let octets = self.inbox.octets();
        let gathered = octets.len();
        if !octets.iter().zip(&MAGIC).all(|(octet, magic)| octet == magic) {
            self.fail(Error::Protocol);
            return None;
        }
        match octets.get(4).copied() {
            // One octet at a time: where a mistake is noticed must not depend on the slicing.
            None => return Some(gathered + 1),
            Some(VERSION) => {}
            Some(_) => {
                self.refusing(Error::Refused(Refusal::Version));
                return None;
            }
        }
        let Some(&length) = octets.get(6) else { return Some(HEAD) };
        let whole = HEAD + usize::from(length) + TAIL;
        let Some(algorithm) = message::algorithms(octets).common(self.algorithms) else {
            self.refusing(Error::Refused(Refusal::NoDigest));
            return None;
        };
        if length == 0 || whole > N {
            self.refusing(Error::Refused(Refusal::BadName));
            return None;
        }
        let Some((name, stat)) = message::name_and_stat(octets) else { return Some(whole) };
        if Name::new(name, self.leading).is_ok() {
            (self.algorithm, self.size) = (algorithm, stat.size);
            self.go(State::Offered);
        } else {
            self.refusing(Error::Refused(Refusal::BadName));
        }
        None
    }

    /// Takes octets of a classic name; what follows its end is padding, and no name goes on after its pause.
    pub(super) fn name(&mut self, input: &[u8]) -> usize {
        for octet in input {
            let gathered = self.inbox.octets().len();
            let fits = if classic_name(self.inbox.octets()).is_some() {
                self.discarded += 1;
                self.discarded <= PADDING
            } else {
                let awaited = self.state == State::Naming && gathered <= NAME;
                awaited && self.inbox.fill(gathered + 1, &[*octet]) == Some(1)
            };
            if !fits {
                self.refusing(Error::Refused(Refusal::BadName));
                break;
            }
        }
        self.tick();
        input.len()
    }

    /// Ends a classic name after the quiet second.
    pub(super) fn named(&mut self) {
        let octets = self.inbox.octets();
        let name = classic_name(octets).unwrap_or(octets);
        if Name::new(name, self.leading).is_ok() {
            self.go(State::Offered);
        } else {
            self.refusing(Error::Refused(Refusal::BadName));
        }
    }

    pub(super) fn offer(&self) -> Option<Offer<'_>> {
        let octets = self.inbox.octets();
        let (name, stat) = if self.classic {
            (classic_name(octets).unwrap_or(octets), None)
        } else {
            let (name, stat) = message::name_and_stat(octets)?;
            (name, Some(stat))
        };
        Some(Offer { name: Name::new(name, self.leading).ok()?, stat, algorithm: self.algorithm })
    }
}

/// Returns a classic name without its terminator; `None` if it has none yet.
fn classic_name(octets: &[u8]) -> Option<&[u8]> {
    let end = octets.iter().position(|octet| matches!(octet, 0 | b'\n'))?;
    let (name, terminator) = octets.split_at(end);
    Some(if terminator.first() == Some(&b'\n') { name.strip_suffix(b"\r").unwrap_or(name) } else { name })
}
