//! What a service owes those who run it: numbers, signs of life, and an end that cuts nobody off.
//!
//! ```
//! use core::time::Duration;
//! use sockhop_hosted::upkeep::{Manager, Upkeep};
//!
//! # fn main() -> std::io::Result<()> {
//! // What systemd asks for stands in the environment; without it nobody is told anything.
//! let upkeep = Upkeep::new(Duration::from_secs(30), None, Manager::from_environment()?);
//! # drop(upkeep); // given to `Runtime::keeping`
//! # Ok(())
//! # }
//! ```

use crate::metrics::Board;
use crate::os::Asked;
use core::time::Duration;
use sockhop::time::Instant;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// How long connections may take to close once their sessions are over.
const CLOSING: Duration = Duration::from_secs(2);

/// The service manager, told by its protocol (sd_notify); without one, nobody is.
///
/// The socket is connected at the start, since later none can be made.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<UnixDatagram>,
    /// How often it wants a sign of life.
    every: Option<Duration>,
}

impl Manager {
    /// Returns whoever the environment names in `NOTIFY_SOCKET`, to be told as often as `WATCHDOG_USEC` says.
    ///
    /// # Errors
    /// The host's, when the address cannot be connected to.
    pub fn from_environment() -> io::Result<Self> {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        let socket = UnixDatagram::unbound()?;
        match address.as_encoded_bytes().strip_prefix(b"@") {
            Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => socket.connect(&address)?,
        }
        socket.set_nonblocking(true)?;
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        // Half of it leaves room for a busy machine.
        let every = number("WATCHDOG_USEC").map(|micros| Duration::from_micros(micros.max(2) / 2));
        let mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        Ok(Self { socket: Some(socket), every: every.filter(|_| mine) })
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen misses it, and says so in its own time.
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nobody new is served; those who are there may finish until then.
    Draining(Instant),
    /// Every session is over; connections close until then.
    Closing(Instant),
}

/// What a loop is to do about its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Go on.
    Serve,
    /// Accept nobody any more.
    Refuse,
    /// Accept nobody any more, and end every session.
    Shut,
    /// Stop.
    End,
}

/// What a loop does beside serving.
#[derive(Debug)]
pub struct Upkeep {
    drain: Duration,
    board: Option<Board>,
    manager: Manager,
    phase: Phase,
    beat: Instant,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self::new(Duration::ZERO, None, Manager::default())
    }
}

impl Upkeep {
    /// Returns the upkeep of a loop that gives sessions `drain` to finish when it is asked to end, posts its numbers on
    /// `board` and tells `manager` how it is.
    pub const fn new(drain: Duration, board: Option<Board>, manager: Manager) -> Self {
        Self { drain, board, manager, phase: Phase::Serving, beat: Instant::ZERO }
    }

    /// Returns the board, if somebody waits for numbers.
    pub(crate) fn wanted(&self) -> Option<&Board> {
        self.board.as_ref().filter(|board| board.is_wanted())
    }

    /// Returns the board.
    pub(crate) const fn board(&self) -> Option<&Board> {
        self.board.as_ref()
    }

    /// Returns whether nobody new is served.
    pub(crate) fn is_ending(&self) -> bool {
        self.phase != Phase::Serving
    }

    /// Says that clients are served, or are again after the settings were read.
    pub(crate) fn ready(&self) {
        self.manager.tell("READY=1");
    }

    /// Says that the settings are being read again.
    pub(crate) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        self.manager.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// Gives a sign of life, if one is due.
    pub(crate) fn beat(&mut self, now: Instant) {
        if let Some(every) = self.manager.every.filter(|_| self.beat <= now) {
            self.manager.tell("WATCHDOG=1");
            self.beat = now + every;
        }
    }

    /// Returns when the loop has to turn at the latest.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let end = match self.phase {
            Phase::Serving => None,
            Phase::Draining(until) | Phase::Closing(until) => Some(until),
        };
        let beat = self.manager.every.map(|_| self.beat);
        [end, beat].into_iter().flatten().min()
    }

    /// Returns what is to be done about the end, given what was asked for and how many sessions and connections stand.
    pub(crate) fn step(
        &mut self,
        asked: Option<Asked>,
        now: Instant,
        sessions: usize,
        connections: usize,
    ) -> Step {
        let stop = asked.is_some_and(|asked| asked != Asked::Reload);
        match self.phase {
            Phase::Serving if !stop => Step::Serve,
            Phase::Serving => {
                self.manager.tell("STOPPING=1");
                if asked == Some(Asked::Drain) && !self.drain.is_zero() && sessions > 0 {
                    self.phase = Phase::Draining(now + self.drain);
                    return Step::Refuse;
                }
                self.phase = Phase::Closing(now + CLOSING);
                Step::Shut
            }
            Phase::Draining(until) if !stop && now < until && sessions > 0 => Step::Serve,
            Phase::Draining(_) => {
                self.phase = Phase::Closing(now + CLOSING);
                Step::Shut
            }
            Phase::Closing(until) if !stop && now < until && connections > 0 => Step::Serve,
            Phase::Closing(_) => Step::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1_000_000);

    #[test]
    fn a_drain_waits_for_sessions_and_no_longer_than_it_may() {
        let drain = || Upkeep::new(Duration::from_secs(30), None, Manager::default());
        let mut upkeep = drain();
        assert_eq!(upkeep.step(None, START, 2, 2), Step::Serve);
        assert_eq!(upkeep.step(Some(Asked::Drain), START, 2, 2), Step::Refuse);
        assert_eq!(upkeep.poll_at(), Some(START + Duration::from_secs(30)));
        assert_eq!(upkeep.step(None, START, 1, 1), Step::Serve);
        assert_eq!(upkeep.step(None, START, 0, 1), Step::Shut, "the last session has ended");
        assert_eq!(upkeep.step(None, START, 0, 1), Step::Serve);
        assert_eq!(upkeep.step(None, START, 0, 0), Step::End);
        let mut upkeep = drain();
        assert_eq!(upkeep.step(Some(Asked::Drain), START, 1, 1), Step::Refuse);
        assert_eq!(upkeep.step(None, START + Duration::from_secs(30), 1, 1), Step::Shut, "its time is over");
        assert_eq!(upkeep.step(None, START + Duration::from_secs(32), 0, 1), Step::End);
    }

    #[test]
    fn a_second_signal_hastens_each_phase_and_ctrl_c_drains_nothing() {
        let mut upkeep = Upkeep::new(Duration::from_secs(30), None, Manager::default());
        assert_eq!(upkeep.step(Some(Asked::Drain), START, 1, 1), Step::Refuse);
        assert_eq!(upkeep.step(Some(Asked::Reload), START, 1, 1), Step::Serve);
        assert_eq!(upkeep.step(Some(Asked::Drain), START, 1, 1), Step::Shut);
        assert_eq!(upkeep.step(Some(Asked::Stop), START, 1, 1), Step::End);
        let mut upkeep = Upkeep::new(Duration::from_secs(30), None, Manager::default());
        assert_eq!(upkeep.step(Some(Asked::Stop), START, 1, 1), Step::Shut);
    }
}
