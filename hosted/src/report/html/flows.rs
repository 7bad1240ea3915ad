//! Which connections a trace has, and which of one end is which of the other.

use super::End;
use core::net::{IpAddr, SocketAddr};
use sockhop::trace::{Event, View};
use std::collections::BTreeMap;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The first, drawn on the left and in blue.
    A,
    /// The second, drawn on the right and in orange.
    B,
}

impl Side {
    /// Both ends, in the order in which they are drawn.
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Returns the other end.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Returns 0 for A and 1 for B.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// Returns the letter that stands for the end.
    pub(super) const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
        }
    }

    /// Returns the class that gives the end its colour.
    pub(super) const fn class(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }
}

/// One connection, by its numbers at the ends that recorded it.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// Its number at A and at B; `None` where it was not recorded.
    pub(super) ids: [Option<u32>; 2],
    /// The addresses of A and B, where they are known.
    pub(super) addresses: [Option<SocketAddr>; 2],
    /// How many segments were recorded.
    pub(super) segments: usize,
}

impl Flow {
    /// Returns the address of an end, or what stands for one that is not known.
    pub(super) fn address(&self, side: Side) -> String {
        self.addresses[side.index()].map_or("unknown address".to_owned(), |address| address.to_string())
    }
}

/// What one end says of one of its connections.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    ips: [Option<IpAddr>; 2],
    ports: Option<(u16, u16)>,
    segments: usize,
}

impl Known {
    fn learn(&mut self, event: &Event) {
        match event.view() {
            Some(View::Opened { ports, addresses, .. }) => {
                self.ports = Some(ports);
                if let Some((local, remote)) = addresses {
                    self.ips = [Some(IpAddr::V4(local)), Some(IpAddr::V4(remote))];
                }
            }
            Some(View::Address { local, address }) => {
                self.ips[usize::from(!local)] = Some(IpAddr::V6(address));
            }
            Some(View::Segment { .. }) => self.segments += 1,
            _ => {}
        }
    }

    /// Returns our address and the peer's.
    fn addresses(&self) -> [Option<SocketAddr>; 2] {
        let ports = self.ports.map(|(local, remote)| [local, remote]);
        [0, 1].map(|end| Some(SocketAddr::new(self.ips[end]?, ports?[end])))
    }
}

/// Returns the connections of a trace, the one with the most segments first.
pub(super) fn flows(ends: &[End<'_>]) -> Vec<Flow> {
    let a = ends.first().map(|end| known(end.events)).unwrap_or_default();
    let mut b = ends.get(1).map(|end| known(end.events)).unwrap_or_default();
    let mut flows = Vec::new();
    for (id, ours) in &a {
        let [local, remote] = ours.addresses();
        let same = |theirs: &Known| theirs.addresses() == [remote, local];
        let found = b.iter().find(|(_, theirs)| same(theirs)).map(|(id, _)| *id);
        let theirs = found.and_then(|id| b.remove_entry(&id));
        let segments = ours.segments + theirs.map_or(0, |(_, theirs)| theirs.segments);
        flows.push(Flow { ids: [Some(*id), theirs.map(|(id, _)| id)], addresses: [local, remote], segments });
    }
    for (id, theirs) in b {
        let [local, remote] = theirs.addresses();
        flows.push(Flow { ids: [None, Some(id)], addresses: [remote, local], segments: theirs.segments });
    }
    flows.retain(|flow| flow.segments > 0);
    flows.sort_by_key(|flow| (core::cmp::Reverse(flow.segments), flow.ids));
    flows
}

fn known(events: &[Event]) -> BTreeMap<u32, Known> {
    let mut known: BTreeMap<u32, Known> = BTreeMap::new();
    for event in events.iter().filter(|event| event.flow() != 0) {
        known.entry(event.flow()).or_default().learn(event);
    }
    known
}
