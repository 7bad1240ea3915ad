//! The receiver's side of a transfer.
//!
//! Content never enters the machine: while [`Event::Content`] stands, the octets that arrive are the owner's to store,
//! and [`Receiver::advance`] says how many there were. The classic protocol is the one thing here that depends on
//! time: a name without a terminator ends where its sender pauses.
//!
//! ```text
//! Greeting   ─► Header     : a NUL: the sender speaks the framed protocol
//! Greeting   ─► Naming     : anything else: the sender is a classic one
//! Greeting   ─► Failed     : it ends, breaks or is silent
//! Header     ─► Offered    : a whole offer
//! Header     ─► Refusing   : an unknown version, no common digest, or no safe name
//! Header     ─► Failed     : it is neither protocol, or it ends, breaks or takes too long
//! Naming     ─► Offered    : a quiet second behind a safe name
//! Naming     ─► Refusing   : no safe name, or no quiet second
//! Naming     ─► Failed     : it ends or breaks
//! Offered    ─► Answered   : accept(), and the peer is told what is held
//! Offered    ─► Content    : accept() of a classic file, and the peer is told
//! Offered    ─► Refusing   : refuse(), or it takes too long
//! Offered    ─► Failed     : it ends or breaks
//! Answered   ─► Starting   : where the sender starts
//! Answered   ─► Refusing   : refuse()
//! Answered   ─► Failed     : it starts elsewhere, or it ends, breaks or takes too long
//! Starting   ─► Content    : begin(), and there is content
//! Starting   ─► Digest     : begin(), and there is none
//! Starting   ─► Refusing   : refuse(), or it takes too long
//! Starting   ─► Failed     : it ends or breaks
//! Content    ─► Digest     : advance() over the last octet
//! Content    ─► Committing : a classic sender ends
//! Content    ─► Refusing   : refuse()
//! Content    ─► Failed     : it ends, breaks or is silent, or a classic file is refused
//! Digest     ─► Verifying  : the sender's digest
//! Digest     ─► Refusing   : refuse()
//! Digest     ─► Failed     : it ends, breaks or is silent
//! Verifying  ─► Committing : verify(), and the digests are equal
//! Verifying  ─► Refusing   : verify(), and they are not, or refuse(), or it takes too long
//! Committing ─► Confirming : commit()
//! Committing ─► Done       : commit() of a classic file
//! Committing ─► Refusing   : refuse(), or it takes too long
//! Committing ─► Failed     : a classic file is refused
//! Confirming ─► Done       : the peer is told, or cannot be
//! Refusing   ─► Finishing  : the refusal is drained
//! Refusing   ─► Failed     : it breaks, or does not take the refusal in time
//! Finishing  ─► Discarding : finish()
//! Finishing  ─► Failed     : it breaks
//! Discarding ─► Failed     : it ends, breaks, sends a mebibyte more or takes too long
//! ```

mod reading;
mod state;

pub use state::{Error, Event, State};

use super::message::{self, NO, OFFER, OK, WAIT};
use super::{Algorithm, Algorithms, Held, Leading, Outcome, Refusal, Sum};
use crate::machine::Machine;
use crate::time::{Patience, Reason};
use crate::wire::{Inbox, Pen};
use core::time::Duration;

/// How long an offer may take, as a whole.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The quiet time that ends a classic name.
const QUIET: Duration = Duration::from_secs(1);
/// How long the owner may take without a word to the sender.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How long the sender may compare a prefix, and how many octets more it compares in each second.
const COMPARE: (Duration, u64) = (Duration::from_secs(60), 10 << 20);
/// How long nothing may arrive.
const IDLE: Duration = Duration::from_secs(120);
/// How long a refused sender may take to hear it.
const LINGER: Duration = Duration::from_secs(5);
/// How many octets a refused sender may send before it hears it.
const DISCARD: u32 = 1 << 20;

/// The receiver's side of one transfer, with an inbox of `N` octets.
///
/// 280 octets hold every offer; an inbox of 64 takes names of up to 39 octets and refuses longer ones.
#[derive(Clone, Copy, Debug)]
pub struct Receiver<const N: usize = OFFER> {
    state: State,
    algorithms: Algorithms,
    algorithm: Algorithm,
    leading: Leading,
    classic: bool,
    /// Whether the sender is to be told that it must wait.
    waiting: bool,
    error: Option<Error>,
    /// Octets of the present message that are drained.
    said: u16,
    beat: u16,
    /// Octets thrown away: padding of a classic name, or what a refused sender still sends.
    discarded: u32,
    held: Held,
    start: u64,
    at: u64,
    size: u64,
    inbox: Inbox<N>,
}

impl<const N: usize> Receiver<N> {
    /// Returns a receiver that computes these digests, at least one, and takes names that begin so.
    pub const fn new(algorithms: Algorithms, leading: Leading) -> Self {
        let algorithm = match algorithms.common(Algorithms::ALL) {
            Some(algorithm) => algorithm,
            None => Algorithm::Sha256,
        };
        Self {
            state: State::Greeting,
            algorithms,
            algorithm,
            leading,
            classic: false,
            waiting: false,
            error: None,
            said: 0,
            beat: 0,
            discarded: 0,
            held: Held { octets: 0, sum: Sum([0; 32]) },
            start: 0,
            at: 0,
            size: 0,
            inbox: Inbox::new(),
        }
    }

    /// Takes the file, of which so much is held already; with a classic sender that is always nothing.
    pub fn accept(&mut self, held: Held) {
        debug_assert_eq!(self.state, State::Offered, "accept() retires Event::Offer");
        if self.state == State::Offered {
            self.inbox.clear();
            if self.classic {
                self.size = u64::MAX;
                self.go(State::Content);
            } else {
                debug_assert!(held.octets <= self.size, "no more is held than there is");
                self.held = held;
                self.go(State::Answered);
            }
        }
    }

    /// Says no; possible from the offer to the commit.
    pub fn refuse(&mut self, refusal: Refusal) {
        let error = Error::Refused(refusal);
        match self.state {
            State::Offered | State::Answered | State::Starting | State::Digest | State::Verifying => {
                self.refusing(error);
            }
            // To a classic sender a word among its content means nothing: it is reset.
            State::Content | State::Committing if self.classic => self.fail(error),
            State::Content | State::Committing => self.refusing(error),
            State::Greeting | State::Header | State::Naming => self.fail(error),
            State::Confirming
            | State::Done
            | State::Refusing
            | State::Finishing
            | State::Discarding
            | State::Failed => {}
        }
    }

    /// Tells the sender that the owner is still at work; to be called every few seconds while it is.
    pub fn wait(&mut self) {
        let at_work = matches!(self.state, State::Offered | State::Verifying | State::Committing);
        if at_work && !self.classic && !self.waiting {
            (self.waiting, self.said) = (true, 0);
        }
        self.tick();
    }

    /// Notes that the owner has forgotten what is held behind the start.
    pub fn begin(&mut self) {
        debug_assert_eq!(self.state, State::Starting, "begin() retires Event::Start");
        if self.state == State::Starting {
            self.inbox.clear();
            self.go(if self.at < self.size { State::Content } else { State::Digest });
        }
    }

    /// Notes that so many octets of content have been taken from the stream.
    pub fn advance(&mut self, octets: u64) {
        debug_assert_eq!(self.state, State::Content, "advance() moves Event::Content on");
        debug_assert!(octets <= self.size - self.at, "no more is taken than there is");
        if self.state == State::Content && octets > 0 {
            self.at = self.at.saturating_add(octets).min(self.size);
            if self.at == self.size {
                self.go(State::Digest);
            }
            self.tick();
        }
    }

    /// Gives the digest of all octets stored, which is compared with the sender's.
    pub fn verify(&mut self, sum: Sum) {
        debug_assert_eq!(self.state, State::Verifying, "verify() retires Event::Verify");
        if self.state == State::Verifying {
            if message::sum(self.inbox.octets()) == Some(sum) {
                self.go(State::Committing);
            } else {
                self.refuse(Refusal::Mismatch);
            }
        }
    }

    /// Notes that the file is in its place.
    pub fn commit(&mut self) {
        debug_assert_eq!(self.state, State::Committing, "commit() retires Event::Commit");
        if self.state == State::Committing {
            self.go(if self.classic { State::Done } else { State::Confirming });
        }
    }

    /// Notes that our half of the connection has ended.
    pub fn finish(&mut self) {
        debug_assert_eq!(self.state, State::Finishing, "finish() retires Event::Finish");
        if self.state == State::Finishing {
            self.discarded = 0;
            self.go(State::Discarding);
        }
    }

    /// Notes that the connection broke: nothing will be heard or said any more.
    ///
    /// A file whose digest has come is put in its place all the same.
    pub fn broke(&mut self) {
        match self.state {
            State::Confirming => self.state = State::Done,
            State::Verifying | State::Committing | State::Done | State::Failed => {}
            State::Refusing | State::Finishing | State::Discarding => self.state = State::Failed,
            State::Greeting
            | State::Header
            | State::Naming
            | State::Offered
            | State::Answered
            | State::Starting
            | State::Content
            | State::Digest => self.fail(Error::Broken(self.state)),
        }
    }

    /// Returns a number that changes whenever the clock of [`patience`](Machine::patience) is to begin anew.
    pub const fn beat(&self) -> u16 {
        self.beat
    }

    /// Returns the octet from which content is received.
    pub const fn started(&self) -> u64 {
        self.start
    }

    /// Returns the algorithm of the digest, once a file is offered.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns how many octets of the file are stored, those held before included.
    pub const fn stored(&self) -> u64 {
        self.at
    }

    /// Returns what the file was refused with, if it was.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self.error {
            Some(Error::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    const fn tick(&mut self) {
        self.beat = self.beat.wrapping_add(1);
    }

    const fn go(&mut self, state: State) {
        self.state = state;
        // A "wt" of which one octet is drained is drained to its end.
        if !self.waiting {
            self.said = 0;
        }
        self.tick();
    }

    const fn fail(&mut self, error: Error) {
        self.error = Some(error);
        self.state = State::Failed;
    }

    const fn refusing(&mut self, error: Error) {
        self.error = Some(error);
        self.go(State::Refusing);
    }

    /// Writes what waits to be said, without what was drained of it, and returns how much was written.
    fn say(&self, output: &mut [u8]) -> usize {
        let mut pen = Pen::new(usize::from(self.said), output);
        if self.waiting {
            pen.put(WAIT);
        }
        match (self.state, self.refusal()) {
            (State::Answered, _) => {
                pen.put(OK);
                pen.put(&[self.algorithm as u8]);
                pen.put(&self.held.octets.to_be_bytes());
                if self.held.octets > 0 {
                    pen.put(&self.held.sum.0);
                }
            }
            (State::Content, _) if self.classic && self.at == 0 => pen.put(OK),
            (State::Confirming, _) => pen.put(OK),
            (State::Refusing, Some(refusal)) if self.classic => {
                pen.put(b"no, ");
                pen.put(refusal.text().as_bytes());
            }
            (State::Refusing, Some(refusal)) => {
                pen.put(NO);
                pen.put(&[refusal.code()]);
                pen.counted(refusal.text().as_bytes());
            }
            _ => {}
        }
        pen.written()
    }
}

impl<const N: usize> Machine for Receiver<N> {
    type Event<'a> = Event<'a>;
    type Error = Error;
    type State = State;

    fn feed(&mut self, input: &[u8]) -> usize {
        if input.is_empty() || self.say(&mut [0]) > 0 {
            return 0;
        }
        if self.state == State::Discarding {
            let count = input.len().min((DISCARD - self.discarded) as usize);
            self.discarded += count as u32;
            if self.discarded == DISCARD {
                self.state = State::Failed;
            }
            return count;
        }
        if self.state == State::Naming || self.classic && self.state == State::Offered {
            return self.name(input);
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
            State::Content if self.classic => self.go(State::Committing),
            State::Greeting
            | State::Header
            | State::Naming
            | State::Offered
            | State::Answered
            | State::Starting
            | State::Content
            | State::Digest => self.fail(Error::Ended(self.state)),
            State::Discarding => self.state = State::Failed,
            State::Verifying
            | State::Committing
            | State::Confirming
            | State::Done
            | State::Refusing
            | State::Finishing
            | State::Failed => {}
        }
    }

    fn drain(&mut self, output: &mut [u8]) -> usize {
        let count = self.say(output);
        self.said += u16::try_from(count).unwrap_or(0);
        if self.waiting && usize::from(self.said) >= WAIT.len() {
            self.said -= 2;
            self.waiting = false;
        }
        if self.say(&mut [0]) == 0 {
            if self.state == State::Confirming {
                self.state = State::Done;
            } else if self.state == State::Refusing {
                self.go(State::Finishing);
            }
        }
        count
    }

    fn poll(&self) -> nb::Result<Event<'_>, Error> {
        match self.state {
            State::Failed => Err(nb::Error::Other(self.error.unwrap_or(Error::Protocol))),
            State::Offered => self.offer().map(Event::Offer).ok_or(nb::Error::WouldBlock),
            State::Starting => Ok(Event::Start { at: self.at }),
            State::Content if self.say(&mut [0]) == 0 => {
                Ok(Event::Content { at: self.at, left: self.size - self.at })
            }
            State::Verifying => Ok(Event::Verify),
            State::Committing => Ok(Event::Commit),
            State::Finishing => Ok(Event::Finish),
            State::Done if self.classic => Ok(Event::Done(Outcome::Unverified)),
            State::Done => Ok(Event::Done(Outcome::Verified)),
            State::Greeting
            | State::Header
            | State::Naming
            | State::Answered
            | State::Content
            | State::Digest
            | State::Confirming
            | State::Refusing
            | State::Discarding => Err(nb::Error::WouldBlock),
        }
    }

    fn state(&self) -> State {
        self.state
    }

    fn patience(&self) -> Option<Patience> {
        let (limit, reason) = match self.state {
            State::Greeting | State::Header => (HANDSHAKE, Reason::Handshake),
            State::Naming => (QUIET, Reason::Pause),
            State::Offered | State::Starting | State::Verifying | State::Committing => {
                (ANSWER_TIME, Reason::Answer)
            }
            State::Answered => {
                (COMPARE.0 + Duration::from_secs(self.held.octets / COMPARE.1), Reason::Compare)
            }
            State::Content | State::Digest => (IDLE, Reason::Idle),
            State::Confirming | State::Refusing | State::Finishing | State::Discarding => {
                (LINGER, Reason::Linger)
            }
            State::Done | State::Failed => return None,
        };
        Some(Patience { limit, reason })
    }

    fn expire(&mut self) {
        match self.state {
            State::Naming => self.named(),
            State::Offered | State::Starting | State::Verifying | State::Committing => {
                self.refuse(Refusal::Local);
            }
            State::Confirming => self.state = State::Done,
            State::Refusing | State::Finishing | State::Discarding => self.state = State::Failed,
            State::Greeting | State::Header | State::Answered | State::Content | State::Digest => {
                self.fail(Error::Expired(self.state));
            }
            State::Done | State::Failed => {}
        }
    }
}

const _: () = assert!(size_of::<Receiver>() <= 400, "a receiver takes at most 400 octets");
