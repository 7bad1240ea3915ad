//! What can be seen of connections whose TCP is the host's: what the kernel tells, and what waits here.

use super::HostFront;
use super::connection::Connection;
use crate::engine::{Counters, Load};
use crate::os;
use crate::survey::{Closer, Flow, Kind, Receiving, Sending, Snapshot, Timer};
use sockhop::tcp::State;
use sockhop::time::Instant;

impl HostFront {
    /// Adds to a snapshot what the front has; connections in TIME-WAIT are the kernel's, and not seen from here.
    pub fn survey(&self, now: Instant, snapshot: &mut Snapshot) {
        let (accepted, refused) = self.counted();
        snapshot.at_us = now.micros();
        snapshot.counters = Counters { accepted, refused, ..Counters::default() };
        snapshot.load = Load { flows: self.len(), ..Load::default() };
        snapshot.listeners = self.listens_at().unwrap_or_default();
        snapshot.ports.extend(self.open_ports());
        snapshot.flows.extend(self.connections().map(|connection| connection.survey(now)));
        snapshot.flows.sort_unstable_by_key(|flow| flow.flow);
    }
}

impl Connection {
    fn survey(&self, now: Instant) -> Flow {
        let seen = os::tcp_info(&self.stream).unwrap_or_default();
        let waiting = (self.received.len() as u64, self.unsent.len() as u64);
        let timer = (seen.in_flight > 0).then_some(Timer {
            kind: Kind::Rto,
            left_us: None,
            backoff: u32::from(seen.backoff),
        });
        let probe = Timer { kind: Kind::Probe, left_us: None, backoff: u32::from(seen.probes) };
        Flow {
            flow: self.id.serial(),
            local: self.ends.0,
            remote: self.ends.1,
            state: seen.state,
            opener: false,
            closer: match seen.state {
                State::FinWait1 | State::FinWait2 => Some(Closer::Us),
                State::CloseWait | State::LastAck => Some(Closer::Peer),
                State::Closing => Some(Closer::Both),
                State::Closed
                | State::Listen
                | State::SynSent
                | State::SynReceived
                | State::Established
                | State::TimeWait => None,
            },
            age_us: u64::try_from(now.since(self.began).as_micros()).unwrap_or(u64::MAX),
            receive: Receiving {
                unread: seen.unread + waiting.0,
                window: seen.our_window,
                next: None,
                octets: seen.received,
            },
            send: Sending {
                queued: seen.queued + waiting.1,
                in_flight: seen.in_flight,
                window: seen.their_window,
                una: None,
                next: None,
                octets: seen.acknowledged,
                again: seen.again,
                closed_us: None,
            },
            timer: if seen.probes > 0 { Some(probe) } else { timer },
            guarded: 0,
            session: None,
        }
    }
}
