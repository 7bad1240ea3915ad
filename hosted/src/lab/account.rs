//! What a connection came to at one end, counted from its events and from nothing else.

use core::time::Duration;
use sockhop::tcp::{Flags, Legality, Marks, Seq, State, Violation};
use sockhop::time::Instant;
use sockhop::trace::{Event, View};

/// What one end of a connection did.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The states it went through, beginning with CLOSED.
    pub path: Vec<State>,
    /// Segments it sent.
    pub segments: usize,
    /// Octets of payload it sent, repetitions not counted.
    pub octets: u32,
    /// Segments it sent again because three acknowledgments asked for it.
    pub fast: usize,
    /// Segments it sent again when a segment came that showed them missing, or asked for the same once more.
    pub answered: usize,
    /// Segments it sent again by its timer.
    pub timed: usize,
    /// Octets it sent into a closed window, to ask.
    pub probes: usize,
    /// Segments that came out of order.
    pub out_of_order: usize,
    /// Stretches in which the peer's window was closed: since when, and for how long.
    pub shut: Vec<(Instant, Duration)>,
    /// Events that were held against RFC 9293.
    pub judged: usize,
    /// Those that break it.
    pub violations: Vec<Violation>,
}

impl Account {
    /// Returns what this end was, when the connection opened and when it closed.
    pub fn roles(&self) -> (&'static str, &'static str) {
        let passed = |state| self.path.contains(&state);
        let opener = match (passed(State::Listen), passed(State::SynSent)) {
            (true, _) => "passive opener",
            (false, true) if passed(State::SynReceived) => "active opener like its peer",
            (false, true) => "active opener",
            (false, false) => "no opener",
        };
        let closer = if passed(State::Closing) {
            "active closer like its peer"
        } else if passed(State::FinWait1) {
            "active closer"
        } else if passed(State::CloseWait) {
            "passive closer"
        } else {
            "closed by no FIN"
        };
        (opener, closer)
    }

    /// Returns how long the peer's window was closed, all in all.
    pub fn shut_for(&self) -> Duration {
        self.shut.iter().map(|(_, time)| *time).sum()
    }
}

/// Counts what the events of an end say of this connection.
pub fn account(events: &[Event], flow: u32) -> Account {
    let mut account = Account { path: vec![State::Closed], ..Account::default() };
    let mut legality = Legality::new(Duration::from_secs(60));
    let (mut first, mut closed, mut heard): (Option<Seq>, Option<Instant>, Option<Instant>) =
        Default::default();
    for event in events.iter().filter(|event| event.flow() == flow && flow != 0) {
        account.judged += 1;
        account.violations.extend(legality.see(event));
        let Some(view) = event.view() else { continue };
        if let View::State { to, .. } = view {
            account.path.push(to);
        }
        let View::Segment { sent, flags, seq, len, marks, .. } = view else { continue };
        if sent {
            account.sent(marks, heard == Some(event.time()));
            let origin = *first.get_or_insert(seq + u32::from(flags.contains(Flags::SYN)));
            let reached = if len > 0 { (seq + u32::from(len)).since(origin) } else { 0 };
            account.octets = account.octets.max(u32::try_from(reached).unwrap_or(0));
            continue;
        }
        heard = Some(event.time());
        account.out_of_order += usize::from(marks.contains(Marks::OUT_OF_ORDER));
        if marks.contains(Marks::ZERO_WINDOW) {
            closed.get_or_insert(event.time());
        } else if let Some(since) = closed.take_if(|_| marks.contains(Marks::REOPEN)) {
            account.shut.push((since, event.time().since(since)));
        }
    }
    account
}

impl Account {
    /// Counts a segment that was sent, at the moment of a segment that came or not.
    fn sent(&mut self, marks: Marks, answers: bool) {
        self.segments += 1;
        self.probes += usize::from(marks.contains(Marks::PROBE));
        if marks.contains(Marks::RETRANSMIT) {
            let count = match (marks.contains(Marks::FAST), answers) {
                (true, _) => &mut self.fast,
                (false, true) => &mut self.answered,
                (false, false) => &mut self.timed,
            };
            *count += 1;
        }
    }
}
