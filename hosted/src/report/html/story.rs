//! One connection as both ends recorded it, on one clock and in one numbering.

use super::End;
use super::flows::{Flow, Side};
use super::segments::{Segment, segments};
use core::time::Duration;
use sockhop::tcp::{Cause, EDGES, Legality, Rule, State, Violation};
use sockhop::trace::{AppLine, Call, Event, Hold, View};

/// When something happened at an end: microseconds since the connection's first event, and the place among that
/// end's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Microseconds since the first event.
    pub(super) at: u64,
    /// The event's number at its end.
    pub(super) serial: u32,
}

/// A change of state.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Where.
    pub(super) side: Side,
    /// When.
    pub(super) moment: Moment,
    /// The state before.
    pub(super) from: State,
    /// What happened.
    pub(super) cause: Cause,
    /// The state after.
    pub(super) to: State,
    /// The rule that it breaks, if it breaks one.
    pub(super) broken: Option<Violation>,
}

impl Step {
    /// Returns the section of RFC 9293 that allows it.
    pub(super) fn section(&self) -> Option<&'static str> {
        let same =
            EDGES.iter().find(|edge| (edge.from, edge.cause, edge.to) == (self.from, self.cause, self.to));
        let timeout = self.cause == Cause::Timeout && self.to == State::Closed;
        same.map(|edge| edge.section).or(timeout.then_some("3.10.8"))
    }
}

/// What a machine above TCP, or the guard, did.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    /// Where.
    pub(super) side: Side,
    /// When.
    pub(super) moment: Moment,
    /// Who, and what it came to.
    pub(super) what: What,
}

/// Who did something beside TCP, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A machine above TCP changed its state: its name, and the state with its reply code.
    App(String, String),
    /// The owner closed or aborted, and the state does not change yet.
    Call(Call),
    /// The guard acted, on what is sent if `outward`.
    Guard { rule: Rule, outward: bool },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Story {
    /// What the ends are called, if that is more than an address.
    pub(super) names: [Option<String>; 2],
    /// Their addresses.
    pub(super) addresses: [String; 2],
    /// Which ends were recorded.
    pub(super) seen: [bool; 2],
    /// The segments, in the order in which they left.
    pub(super) segments: Vec<Segment>,
    /// The changes of state, in the order of time.
    pub(super) steps: Vec<Step>,
    /// What machines above TCP and guards did, in the order of time.
    pub(super) deeds: Vec<Deed>,
    /// The events that break a rule, changes of state or not.
    pub(super) broken: Vec<(Side, Moment, Violation)>,
    /// What octets waited for at each end, and from when to when.
    pub(super) holds: [Vec<(Hold, u64, u64)>; 2],
    /// The state of each end when it had lost its first events.
    initial: [Option<State>; 2],
    /// The last moment, in microseconds since the first.
    pub(super) end: u64,
}

impl Story {
    /// Returns the story of one connection.
    pub(super) fn new(ends: &[End<'_>], flow: &Flow) -> Self {
        let of = |side: Side| -> Vec<&Event> {
            let (Some(end), Some(id)) = (ends.get(side.index()), flow.ids[side.index()]) else {
                return vec![];
            };
            end.events.iter().filter(|event| event.flow() == id).collect()
        };
        let events = [of(Side::A), of(Side::B)];
        let first =
            events.iter().filter_map(|events| events.first()).map(|event| event.time().micros()).min();
        let start = first.unwrap_or(0);
        let mut story = Self {
            names: Side::BOTH.map(|side| name(ends, side, &flow.address(side))),
            addresses: Side::BOTH.map(|side| flow.address(side)),
            seen: [!events[0].is_empty(), !events[1].is_empty()],
            segments: segments(&events, start),
            steps: vec![],
            deeds: vec![],
            broken: vec![],
            holds: [vec![], vec![]],
            initial: [None; 2],
            end: 0,
        };
        for side in Side::BOTH {
            story.take(side, &events[side.index()], start);
        }
        for holds in &mut story.holds {
            // What still waits when the recording ends waits to its end.
            holds.iter_mut().filter(|(_, _, to)| *to == u64::MAX).for_each(|(_, _, to)| *to = story.end);
        }
        // A call that changes the state at once is told as that change.
        let told = |deed: &Deed| {
            story.steps.iter().any(|step| step.side == deed.side && step.moment.at == deed.moment.at)
        };
        let spared: Vec<bool> =
            story.deeds.iter().map(|deed| matches!(deed.what, What::Call(_)) && told(deed)).collect();
        let mut spared = spared.into_iter();
        story.deeds.retain(|_| !spared.next().unwrap_or(false));
        story.steps.sort_by_key(|step| (step.moment.at, step.moment.serial));
        story.deeds.sort_by_key(|deed| (deed.moment.at, deed.moment.serial));
        story.broken.sort_by_key(|(_, moment, _)| *moment);
        story
    }

    fn take(&mut self, side: Side, events: &[&Event], start: u64) {
        let mut legality = Legality::new(Duration::ZERO);
        for event in events {
            let moment = Moment { at: event.time().micros() - start, serial: event.serial() };
            self.end = self.end.max(moment.at);
            let broken = legality.see(event);
            if let Some(violation) = broken {
                self.broken.push((side, moment, violation));
            }
            match event.view() {
                Some(View::State { from, cause, to, .. }) => {
                    self.steps.push(Step { side, moment, from, cause, to, broken });
                }
                Some(View::App { .. }) => {
                    let said = AppLine(event).to_string();
                    let (who, what) = said.split_once(' ').unwrap_or((&said, ""));
                    let what = What::App(who.to_owned(), what.to_owned());
                    self.deeds.push(Deed { side, moment, what });
                }
                Some(View::Transfer { .. }) => {
                    let what = What::App("file".to_owned(), AppLine(event).to_string());
                    self.deeds.push(Deed { side, moment, what });
                }
                Some(View::Call { call: call @ (Call::Close | Call::Abort), .. }) => {
                    self.deeds.push(Deed { side, moment, what: What::Call(call) });
                }
                Some(View::Blocked { on, why, micros, .. }) => self.hold(side, moment.at, on, why, micros),
                Some(View::Snapshot { state, .. }) => self.initial[side.index()] = Some(state),
                Some(View::Guarded { rule, outward, .. }) => {
                    self.deeds.push(Deed { side, moment, what: What::Guard { rule, outward } });
                }
                _ => {}
            }
        }
    }

    /// Notes that octets wait, or wait no longer.
    fn hold(&mut self, side: Side, at: u64, on: bool, why: Hold, micros: u32) {
        let holds = &mut self.holds[side.index()];
        let open = holds.iter_mut().rev().find(|(known, _, to)| *known == why && *to == u64::MAX);
        match (on, open) {
            (true, _) => holds.push((why, at, u64::MAX)),
            (false, Some((_, _, to))) => *to = at,
            // Its beginning was lost.
            (false, None) => holds.push((why, at.saturating_sub(u64::from(micros)), at)),
        }
    }

    /// Returns the stretches of an end's states: each with its beginning and end, the last to the end of the story.
    pub(super) fn states(&self, side: Side) -> Vec<(State, u64, u64)> {
        let steps: Vec<&Step> = self.steps.iter().filter(|step| step.side == side).collect();
        let mut states: Vec<(State, u64, u64)> = Vec::new();
        let first = steps.first().map(|first| (first.from, first.moment.at));
        let initial = self.initial[side.index()].map(|state| (state, self.end));
        if let Some((state, until)) = first.or(initial).filter(|(_, until)| *until > 0) {
            states.push((state, 0, until));
        }
        for (place, step) in steps.iter().enumerate() {
            let until = steps.get(place + 1).map_or(self.end, |next| next.moment.at);
            states.push((step.to, step.moment.at, until));
        }
        states
    }

    /// Returns whether both ends were recorded, so that a loss shows.
    pub(super) const fn is_whole(&self) -> bool {
        self.seen[0] && self.seen[1]
    }

    /// Returns every moment at which something happened.
    pub(super) fn moments(&self) -> impl Iterator<Item = u64> + '_ {
        let segments = self.segments.iter().flat_map(|segment| [segment.left, segment.arrived]).flatten();
        let steps = self.steps.iter().map(|step| step.moment);
        let deeds = self.deeds.iter().map(|deed| deed.moment);
        segments.chain(steps).chain(deeds).map(|moment| moment.at).chain([0, self.end])
    }
}

/// Returns what an end is called, unless that is its address or the beginning of it; one that was not recorded is the peer.
fn name(ends: &[End<'_>], side: Side, address: &str) -> Option<String> {
    let name = ends.get(side.index()).map_or("peer", |end| end.name);
    (!address.starts_with(name)).then(|| name.to_owned())
}

/// Returns how many events are missing in a recording: those it says were lost, or those whose numbers are skipped.
pub(super) fn lost(events: &[Event]) -> u64 {
    let said = |event: &Event| match event.view() {
        Some(View::Lost { events }) => u64::from(events),
        _ => 0,
    };
    let told: u64 = events.iter().map(said).sum();
    let skipped = |pair: &[Event]| {
        let step = pair[1].serial().wrapping_sub(pair[0].serial()).cast_signed();
        u64::try_from(step.max(1) - 1).unwrap_or(0)
    };
    let missing: u64 = events.windows(2).map(skipped).sum();
    told.max(missing)
}
