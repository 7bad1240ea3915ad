//! What the proxy shows of its sessions to those who watch.

use super::Proxy;
use super::session::{Session, Stage};
use crate::egress::{Egress, Leg};
use crate::survey::{self, Snapshot};
use sockhop::relay::{State, Stream};
use sockhop::time::Instant;
use std::collections::HashMap;

impl<E: Egress> Proxy<E> {
    /// Adds to the connections of a snapshot what is done with them.
    pub fn survey(&self, now: Instant, snapshot: &mut Snapshot) {
        snapshot.limited = self.limited();
        let places: HashMap<u32, usize> =
            snapshot.flows.iter().enumerate().map(|(place, flow)| (flow.flow, place)).collect();
        for (_, session) in &self.sessions {
            let shown = session.survey(now);
            snapshot.octets.0 += shown.octets.0;
            snapshot.octets.1 += shown.octets.1;
            if let Stage::Relaying(Leg::Flow(target)) = &session.stage
                && let Some(place) = places.get(&target.serial())
            {
                // The other leg of the same session stands on the stack as well.
                let doing = format!("relay for {}", session.client());
                snapshot.flows[*place].session = Some(survey::Session { doing, ..shown.clone() });
            }
            if let Some(place) = places.get(&session.flow.serial()) {
                snapshot.flows[*place].session = Some(shown);
            }
        }
    }
}

impl<T: Stream> Session<T> {
    fn survey(&self, now: Instant) -> survey::Session {
        survey::Session {
            doing: self.doing(),
            user: self.user().to_owned(),
            target: self.target.clone(),
            octets: self.octets(),
            age_us: u64::try_from(now.since(self.began).as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Returns what it does, in words.
    fn doing(&self) -> String {
        let target = &self.target;
        match &self.stage {
            Stage::Talking if target.is_empty() => "negotiating".to_owned(),
            Stage::Talking if self.granted => format!("awaiting {target}"),
            Stage::Talking => format!("refusing {target}"),
            Stage::Judging => "judging a password".to_owned(),
            Stage::Dialing => format!("dialing {target}"),
            Stage::Associated(_) => format!("relay {target}"),
            Stage::Relaying(_) => match self.relay.state() {
                State::Both => format!("relay {target}"),
                State::UpOnly => format!("relay {target}, which has ended"),
                State::DownOnly => format!("relay {target}, whose client has ended"),
                State::Breaking | State::Broken => format!("relay {target}, broken"),
                State::Done => format!("relay {target}, done"),
            },
        }
    }
}
