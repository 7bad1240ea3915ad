//! What the screen shows, and what keys do to it; nothing here draws.

use super::followed::Followed;
use core::net::SocketAddr;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sockhop::tcp::State;
use sockhop::trace::Event;
use sockhop_hosted::control::Answer;
use sockhop_hosted::survey::{Flow, Snapshot, Wait};

/// Events that are held back while the screen stands still.
const HELD: usize = 65_536;

/// Everything that a screen is drawn from.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) snapshot: Snapshot,
    pub(crate) followed: Followed,
    /// Octets a second from clients to targets and back.
    pub(crate) rates: (u64, u64),
    /// The connection that is chosen, by its number.
    pub(crate) chosen: Option<u32>,
    /// The row of the chosen connection.
    row: usize,
    pub(crate) sort: Sort,
    pub(crate) filter: String,
    /// Whether keys go into the filter.
    pub(crate) typing: bool,
    pub(crate) paused: bool,
    held: (u64, Vec<Event>),
    pub(crate) pane: Pane,
    pub(crate) page: Page,
    /// Events that the ladder is scrolled back by.
    pub(crate) back: usize,
    /// What is said at the bottom in place of the keys.
    pub(crate) said: Option<String>,
    /// Whether the proxy runs in this process and ends with the screen.
    pub(crate) inside: bool,
}

/// Which part of the screen the arrows move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pane {
    #[default]
    Flows,
    Ladder,
}

/// What the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Page {
    #[default]
    Whole,
    Ladder,
    States,
    Help,
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Age,
    Peer,
    State,
    Queued,
    Octets,
}

impl Sort {
    const fn next(self) -> Self {
        match self {
            Self::Age => Self::Peer,
            Self::Peer => Self::State,
            Self::State => Self::Queued,
            Self::Queued => Self::Octets,
            Self::Octets => Self::Age,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Peer => "peer",
            Self::State => "state",
            Self::Queued => "queues",
            Self::Octets => "octets",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    Flow(&'a Flow),
    Wait(&'a Wait),
    Listener(SocketAddr),
}

impl Row<'_> {
    pub(crate) const fn flow(self) -> Option<u32> {
        match self {
            Self::Flow(flow) => Some(flow.flow),
            Self::Wait(wait) => Some(wait.flow),
            Self::Listener(_) => None,
        }
    }

    pub(crate) const fn state(self) -> State {
        match self {
            Self::Flow(flow) => flow.state,
            Self::Wait(_) => State::TimeWait,
            Self::Listener(_) => State::Listen,
        }
    }

    pub(crate) const fn local(self) -> SocketAddr {
        match self {
            Self::Flow(flow) => flow.local,
            Self::Wait(wait) => wait.local,
            Self::Listener(at) => at,
        }
    }

    pub(crate) fn remote(self) -> String {
        match self {
            Self::Flow(flow) => flow.remote.to_string(),
            Self::Wait(wait) => wait.remote.to_string(),
            Self::Listener(_) => "*:*".to_owned(),
        }
    }

    pub(crate) fn doing(self) -> String {
        match self {
            Self::Flow(flow) => flow.doing(),
            Self::Wait(_) => "closed by us".to_owned(),
            Self::Listener(at) => format!("socks at {at}"),
        }
    }

    fn queued(self) -> u64 {
        match self {
            Self::Flow(flow) => flow.receive.unread + flow.send.queued,
            Self::Wait(_) | Self::Listener(_) => 0,
        }
    }

    fn octets(self) -> u64 {
        match self {
            Self::Flow(flow) => flow.receive.octets + flow.send.octets,
            Self::Wait(_) | Self::Listener(_) => 0,
        }
    }
}

/// What a key asks for that the model cannot do itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Quit,
    Write,
    Report,
}

impl Model {
    /// Returns a model of the process that this is.
    pub(crate) fn inside() -> Self {
        Self { inside: true, ..Self::default() }
    }

    /// Takes an answer of the process.
    pub(crate) fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Snapshot(snapshot) if !self.paused => self.look(*snapshot),
            Answer::Snapshot(_) => {}
            Answer::Events(events) if self.paused => {
                self.held.0 += events.lost;
                for event in events.events() {
                    if self.held.1.len() < HELD { self.held.1.push(event) } else { self.held.0 += 1 }
                }
            }
            Answer::Events(events) => self.followed.take(events.lost, events.events()),
            Answer::Error(text) => self.said = Some(text),
        }
    }

    fn look(&mut self, snapshot: Snapshot) {
        let past = snapshot.at_us.saturating_sub(self.snapshot.at_us);
        let rate = |now: u64, then: u64| {
            let grown = u128::from(now.saturating_sub(then)) * 1_000_000;
            u64::try_from(grown / u128::from(past.max(1))).unwrap_or(u64::MAX)
        };
        if self.snapshot.at_us > 0 && past > 0 {
            let (now, then) = (snapshot.octets, self.snapshot.octets);
            self.rates = (rate(now.0, then.0), rate(now.1, then.1));
        }
        self.followed.look(&snapshot);
        self.snapshot = snapshot;
        self.keep_chosen();
    }

    /// Returns the rows: connections, those in TIME-WAIT and listeners, as the filter and the order have them.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let snapshot = &self.snapshot;
        let mut rows: Vec<Row<'_>> = snapshot.flows.iter().map(Row::Flow).collect();
        rows.extend(snapshot.waits.iter().map(Row::Wait));
        match self.sort {
            Sort::Age => rows.sort_by_key(|row| row.flow()),
            Sort::Peer => rows.sort_by_cached_key(|row| row.remote()),
            Sort::State => rows.sort_by_key(|row| row.state() as u8),
            Sort::Queued => rows.sort_by_key(|row| core::cmp::Reverse(row.queued())),
            Sort::Octets => rows.sort_by_key(|row| core::cmp::Reverse(row.octets())),
        }
        rows.extend(snapshot.listeners.iter().copied().map(Row::Listener));
        if !self.filter.is_empty() {
            let wanted = self.filter.to_lowercase();
            let text =
                |row: &Row<'_>| format!("{} {} {} {}", row.local(), row.remote(), row.state(), row.doing());
            rows.retain(|row| text(row).to_lowercase().contains(&wanted));
        }
        rows
    }

    /// Returns the row that is chosen.
    pub(crate) fn chosen_row(&self) -> Option<Row<'_>> {
        let chosen = self.chosen?;
        let flow = self.snapshot.flows.iter().find(|flow| flow.flow == chosen).map(Row::Flow);
        flow.or_else(|| self.snapshot.waits.iter().find(|wait| wait.flow == chosen).map(Row::Wait))
    }

    /// Keeps the choice on its connection, or on the one that has come to its place.
    fn keep_chosen(&mut self) {
        let numbers: Vec<u32> = self.rows().into_iter().filter_map(Row::flow).collect();
        let place = self.chosen.and_then(|chosen| numbers.iter().position(|number| *number == chosen));
        let place = place.unwrap_or_else(|| self.row.min(numbers.len().saturating_sub(1)));
        let chosen = numbers.get(place).copied();
        if self.chosen != chosen {
            self.back = 0;
        }
        (self.row, self.chosen) = (place, chosen);
    }

    fn step(&mut self, by: isize) {
        if self.pane == Pane::Ladder || self.page == Page::Ladder {
            let most =
                self.chosen.and_then(|flow| self.followed.of(flow)).map_or(0, |tape| tape.events.len());
            self.back = self.back.saturating_add_signed(-by).min(most.saturating_sub(1));
            return;
        }
        let numbers: Vec<u32> = self.rows().into_iter().filter_map(Row::flow).collect();
        self.row = self.row.saturating_add_signed(by).min(numbers.len().saturating_sub(1));
        self.chosen = numbers.get(self.row).copied();
        self.back = 0;
    }

    /// Does what a key asks for.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Option<Wish> {
        self.said = None;
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Some(Wish::Quit);
        }
        if self.typing {
            self.type_in(key.code);
            return None;
        }
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Char('r') => return Some(Wish::Report),
            KeyCode::Char('w') => return Some(Wish::Write),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN / 2),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX / 2),
            KeyCode::Tab | KeyCode::BackTab => {
                self.pane = if self.pane == Pane::Flows { Pane::Ladder } else { Pane::Flows };
            }
            KeyCode::Char(' ') => self.pause(),
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.keep_chosen();
            }
            KeyCode::Char('/') => (self.typing, self.page) = (true, Page::Whole),
            KeyCode::Char('l') | KeyCode::Enter => self.turn_to(Page::Ladder),
            KeyCode::Char('d') => self.turn_to(Page::States),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.turn_to(Page::Help),
            KeyCode::Esc if self.page != Page::Whole => self.page = Page::Whole,
            KeyCode::Esc => {
                self.filter.clear();
                self.keep_chosen();
            }
            _ => {}
        }
        None
    }

    fn turn_to(&mut self, page: Page) {
        self.page = if self.page == page { Page::Whole } else { page };
    }

    fn type_in(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = false;
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) if self.filter.len() < 64 => self.filter.push(letter),
            _ => {}
        }
        self.keep_chosen();
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused {
            let (lost, events) = core::mem::take(&mut self.held);
            self.followed.take(lost, events.into_iter());
        }
    }
}
