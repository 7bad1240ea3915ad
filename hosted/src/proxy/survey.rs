//! What the proxy shows of its sessions to those who watch.

use super::Proxy;
use super::session::Session;
use crate::egress::Egress;
use crate::survey::Snapshot;
use sockhop::relay::Stream;
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
            if let Some(place) = places.get(&session.flow.serial()) {
                snapshot.flows[*place].session = Some(shown);
            }
        }
    }
}

impl<T: Stream> Session<T> {
    fn survey(&self, now: Instant) -> crate::survey::Session {
        crate::survey::Session {
            doing: self.doing(),
            user: self.user().to_owned(),
            target: self.asked_for().to_owned(),
            octets: self.octets(),
            age_us: u64::try_from(now.since(self.began()).as_micros()).unwrap_or(u64::MAX),
        }
    }
}
