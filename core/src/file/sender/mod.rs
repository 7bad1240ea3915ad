//! The sender's side of a transfer.
//!
//! Content never enters the machine: while [`SenderEvent::Send`] stands, the owner reads the file straight into the
//! connection, and [`Sender::advance`] says how much. It listens all the while: a refusal is heard at any time.
//!
//! ```text
//! Offering  ─► Comparing : the receiver holds some of the file
//! Offering  ─► Sending   : it holds nothing, or a classic one says "ok"
//! Offering  ─► Hearing   : it says "no", or a classic one says anything else
//! Offering  ─► Failed    : it is neither, holds more than there is, ends, breaks or is silent
//! Comparing ─► Sending   : compare()
//! Comparing ─► Failed    : it ends or breaks, or abandon()
//! Sending   ─► Digesting : advance() over the last octet, or there is none
//! Sending   ─► Closing   : the same with a classic file
//! Sending   ─► Hearing   : it says "no"
//! Sending   ─► Failed    : it ends, breaks, takes nothing for too long or says anything else, or abandon()
//! Digesting ─► Closing   : digest()
//! Digesting ─► Hearing   : it says "no"
//! Digesting ─► Failed    : it ends, breaks or says anything else, or abandon()
//! Closing   ─► Verdict   : finish()
//! Closing   ─► Hearing   : it says "no"
//! Closing   ─► Failed    : it ends, breaks, takes nothing for too long or says anything else, or abandon()
//! Verdict   ─► Done      : it says "ok", or a classic one ends
//! Verdict   ─► Hearing   : it says "no"
//! Verdict   ─► Failed    : it ends, breaks, is silent or says anything else
//! Hearing   ─► Failed    : why it says "no", or it ends, breaks or is silent
//! ```

mod reading;
mod state;

pub use state::{SenderError, SenderEvent, SenderState};

use super::message::{self, ANSWER, MAGIC, OK, SUM, VERSION};
use super::{Algorithm, Algorithms, Leading, Name, Outcome, Refusal, Stat, Sum};
use crate::machine::Machine;
use crate::time::{Patience, Reason};
use crate::wire::{Inbox, Pen};
use core::time::Duration;

/// How long a receiver may take without a word.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How long an "ok" may stand alone before its receiver is known for a classic one.
const CLASSIC: Duration = Duration::from_secs(2);
/// How long the receiver may take no octet.
const IDLE: Duration = Duration::from_secs(120);
/// How long a refusal may take to be told.
const LINGER: Duration = Duration::from_secs(5);
/// The longest refusal: its code, its length and its text.
const REFUSAL: usize = 4 + 255;

/// The sender's side of one transfer.
///
/// `B` holds the name, lent (`&str`) or owned (`String`, `heapless::String<N>`).
#[derive(Clone, Copy, Debug)]
pub struct Sender<B> {
    name: B,
    stat: Stat,
    algorithms: Algorithms,
    classic: bool,
    state: SenderState,
    error: Option<SenderError>,
    /// Octets of the present message that are drained.
    said: u16,
    beat: u16,
    algorithm: Algorithm,
    start: u64,
    at: u64,
    sum: Sum,
    inbox: Inbox<REFUSAL>,
}

impl<B: AsRef<str>> Sender<B> {
    /// Returns a sender that offers a file, with digests by any of these algorithms.
    ///
    /// # Errors
    /// [`SenderError::Name`] when no receiver would take the name.
    pub fn new(name: B, stat: Stat, algorithms: Algorithms) -> Result<Self, SenderError> {
        Self::of(name, stat, algorithms, false)
    }

    /// Returns a sender that speaks the classic protocol, for receivers that know no other.
    ///
    /// # Errors
    /// [`SenderError::Name`] when no receiver would take the name.
    pub fn classic(name: B, stat: Stat) -> Result<Self, SenderError> {
        Self::of(name, stat, Algorithms(0), true)
    }

    fn of(name: B, stat: Stat, algorithms: Algorithms, classic: bool) -> Result<Self, SenderError> {
        if Name::new(name.as_ref().as_bytes(), Leading::Any).is_err() {
            return Err(SenderError::Name);
        }
        let algorithm = algorithms.common(algorithms).unwrap_or(Algorithm::Sha256);
        Ok(Self {
            name,
            stat,
            algorithms,
            classic,
            state: SenderState::Offering,
            error: None,
            said: 0,
            beat: 0,
            algorithm,
            start: 0,
            at: 0,
            sum: Sum([0; SUM]),
            inbox: Inbox::new(),
        })
    }

    /// Gives the digest of the octets that the receiver holds; if they differ, all are sent anew.
    pub fn compare(&mut self, sum: Sum) {
        debug_assert_eq!(self.state, SenderState::Comparing, "compare() retires SenderEvent::Compare");
        if self.state == SenderState::Comparing {
            let octets = self.inbox.octets();
            let held = message::number(octets.get(3..).unwrap_or(&[])).unwrap_or(0);
            let same = message::sum(octets.get(ANSWER..).unwrap_or(&[])) == Some(sum);
            self.send_from(if same { held } else { 0 });
        }
    }

    /// Notes that so many octets of content were put into the connection.
    pub fn advance(&mut self, octets: u64) {
        debug_assert_eq!(self.state, SenderState::Sending, "advance() moves SenderEvent::Send on");
        if self.state == SenderState::Sending {
            self.at = self.at.saturating_add(octets).min(self.stat.size);
            self.tick();
            self.sent();
        }
    }

    /// Gives the digest of the whole file.
    pub fn digest(&mut self, sum: Sum) {
        debug_assert_eq!(self.state, SenderState::Digesting, "digest() retires SenderEvent::Digest");
        if self.state == SenderState::Digesting {
            self.sum = sum;
            self.go(SenderState::Closing);
        }
    }

    /// Notes that our half of the connection has ended.
    pub fn finish(&mut self) {
        debug_assert_eq!(self.state, SenderState::Closing, "finish() retires SenderEvent::Finish");
        if self.state == SenderState::Closing {
            self.go(SenderState::Verdict);
        }
    }

    /// Gives up, since the file has changed or cannot be read; the owner's duty is to reset the connection.
    pub const fn abandon(&mut self) {
        match self.state {
            SenderState::Comparing | SenderState::Sending | SenderState::Digesting | SenderState::Closing => {
                self.fail(SenderError::Abandoned);
            }
            SenderState::Offering
            | SenderState::Verdict
            | SenderState::Done
            | SenderState::Hearing
            | SenderState::Failed => {}
        }
    }

    /// Notes that the connection broke: nothing will be heard or said any more.
    pub fn broke(&mut self) {
        self.lost(SenderError::Broken(self.state));
    }

    /// Returns a number that changes whenever the clock of [`patience`](Machine::patience) is to begin anew.
    pub const fn beat(&self) -> u16 {
        self.beat
    }

    /// Returns the octet from which content is sent.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Returns the place of the next octet.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Returns the algorithm that the receiver chose, once it has.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns what is offered.
    pub const fn stat(&self) -> Stat {
        self.stat
    }

    /// Returns what the receiver refused the file with, if it did and that means something.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self.error {
            Some(SenderError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// Returns what the receiver said with its refusal; of any octets, to be escaped before it is printed.
    pub fn text(&self) -> &[u8] {
        match self.error {
            Some(SenderError::Refused(_) | SenderError::Unknown(_)) if self.classic => self.inbox.octets(),
            Some(SenderError::Refused(_) | SenderError::Unknown(_)) => {
                self.inbox.octets().get(4..).unwrap_or(&[])
            }
            _ => &[],
        }
    }

    const fn tick(&mut self) {
        self.beat = self.beat.wrapping_add(1);
    }

    const fn go(&mut self, state: SenderState) {
        (self.state, self.said) = (state, 0);
        self.tick();
    }

    const fn fail(&mut self, error: SenderError) {
        self.error = Some(error);
        self.state = SenderState::Failed;
    }

    /// The connection is of no more use; a refusal that was begun stays one.
    fn lost(&mut self, error: SenderError) {
        match self.state {
            SenderState::Done | SenderState::Failed => {}
            SenderState::Hearing => self.refused(),
            SenderState::Offering if self.has_heard_ok_alone() => self.fail(SenderError::Classic),
            SenderState::Offering
            | SenderState::Comparing
            | SenderState::Sending
            | SenderState::Digesting
            | SenderState::Closing
            | SenderState::Verdict => self.fail(error),
        }
    }

    /// Returns whether the receiver has spoken as only a classic one does.
    fn has_heard_ok_alone(&self) -> bool {
        !self.classic && self.inbox.octets() == OK
    }

    fn send_from(&mut self, start: u64) {
        (self.start, self.at) = (start, start);
        self.inbox.clear();
        self.go(SenderState::Sending);
    }

    /// Goes on once the start is told and no content is left.
    fn sent(&mut self) {
        if self.at == self.stat.size && self.say(&mut [0]) == 0 {
            self.go(if self.classic { SenderState::Closing } else { SenderState::Digesting });
        }
    }

    fn refused(&mut self) {
        let code = if self.classic { 0 } else { self.inbox.octets().get(2).copied().unwrap_or(0) };
        let refusal = Refusal::from_code(code);
        self.fail(refusal.map_or(SenderError::Unknown(code), SenderError::Refused));
    }

    /// Writes the present message, without what was drained of it, and returns how much was written.
    fn say(&self, output: &mut [u8]) -> usize {
        let mut pen = Pen::new(usize::from(self.said), output);
        match self.state {
            SenderState::Offering if self.classic => pen.put(self.name.as_ref().as_bytes()),
            SenderState::Offering => {
                pen.put(&MAGIC);
                pen.put(&[VERSION, self.algorithms.0]);
                pen.counted(self.name.as_ref().as_bytes());
                pen.put(&self.stat.size.to_be_bytes());
                pen.put(&self.stat.mtime.to_be_bytes());
                pen.put(&(self.stat.mode & 0o777).to_be_bytes());
            }
            SenderState::Sending if !self.classic => pen.put(&self.start.to_be_bytes()),
            SenderState::Closing if !self.classic => pen.put(&self.sum.0),
            SenderState::Sending
            | SenderState::Closing
            | SenderState::Comparing
            | SenderState::Digesting
            | SenderState::Verdict
            | SenderState::Done
            | SenderState::Hearing
            | SenderState::Failed => {}
        }
        pen.written()
    }
}

impl<B: AsRef<str>> Machine for Sender<B> {
    type Event<'e>
        = SenderEvent
    where
        Self: 'e;
    type Error = SenderError;
    type State = SenderState;

    fn feed(&mut self, input: &[u8]) -> usize {
        let waits = match self.state {
            // A receiver that speaks before it was spoken to is heard when its turn comes,
            SenderState::Offering => self.say(&mut [0]) > 0,
            // and its verdict once our half of the connection has ended.
            SenderState::Closing => !self.classic && self.say(&mut [0]) == 0,
            SenderState::Done | SenderState::Failed => true,
            SenderState::Comparing
            | SenderState::Sending
            | SenderState::Digesting
            | SenderState::Verdict
            | SenderState::Hearing => false,
        };
        if waits || input.is_empty() {
            return 0;
        }
        // What a classic receiver says beside its "ok" is no part of the protocol.
        if self.classic
            && matches!(self.state, SenderState::Sending | SenderState::Closing | SenderState::Verdict)
        {
            return input.len();
        }
        let (mut taken, began) = (0, self.state);
        while self.state == began {
            let Some(need) = self.step() else { break };
            match self.inbox.fill(need, input.get(taken..).unwrap_or(&[])) {
                Some(0) | None => break,
                Some(count) => taken += count,
            }
        }
        taken
    }

    fn end(&mut self) {
        match self.state {
            SenderState::Verdict if self.classic => self.go(SenderState::Done),
            state => self.lost(SenderError::Ended(state)),
        }
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        let count = self.say(output);
        self.said += u16::try_from(count).unwrap_or(0);
        if self.state == SenderState::Sending {
            self.sent();
        }
        count
    }

    fn poll(&self) -> nb::Result<SenderEvent, SenderError> {
        match self.state {
            SenderState::Failed => Err(nb::Error::Other(self.error.unwrap_or(SenderError::Abandoned))),
            _ if self.say(&mut [0]) > 0 => Err(nb::Error::WouldBlock),
            SenderState::Comparing => {
                let octets = message::number(self.inbox.octets().get(3..).unwrap_or(&[])).unwrap_or(0);
                Ok(SenderEvent::Compare { algorithm: self.algorithm, octets })
            }
            SenderState::Sending if self.at < self.stat.size => {
                Ok(SenderEvent::Send { offset: self.at, left: self.stat.size - self.at })
            }
            SenderState::Digesting => Ok(SenderEvent::Digest),
            SenderState::Closing => Ok(SenderEvent::Finish),
            SenderState::Done if self.classic => Ok(SenderEvent::Done(Outcome::Unverified)),
            SenderState::Done => Ok(SenderEvent::Done(Outcome::Verified)),
            SenderState::Offering | SenderState::Sending | SenderState::Verdict | SenderState::Hearing => {
                Err(nb::Error::WouldBlock)
            }
        }
    }

    fn state(&self) -> SenderState {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        let (limit, reason) = match self.state {
            SenderState::Offering if self.has_heard_ok_alone() => (CLASSIC, Reason::Answer),
            SenderState::Offering | SenderState::Verdict => (ANSWER_TIME, Reason::Answer),
            SenderState::Sending | SenderState::Closing => (IDLE, Reason::Idle),
            SenderState::Hearing => (LINGER, Reason::Linger),
            SenderState::Comparing | SenderState::Digesting | SenderState::Done | SenderState::Failed => {
                return None;
            }
        };
        Some(Patience { limit, reason })
    }

    fn expire(&mut self) {
        if !matches!(self.state, SenderState::Comparing | SenderState::Digesting) {
            self.lost(SenderError::Expired(self.state));
        }
    }
}

const _: () = assert!(size_of::<Sender<&str>>() <= 400, "a sender takes at most 400 octets");
