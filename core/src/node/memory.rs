//! The octets of a node, in one place of a fixed size.

use super::flow::Flow;
use super::nic::FRAME;
use smoltcp::iface::SocketStorage;

/// Octets of each ring of the connection that turns clients away.
const DOOR: usize = 128;
/// The octets of IPv4 and UDP headers behind that of Ethernet.
const HEADERS: usize = 14 + 20 + 8;

/// Everything of a node that is large: for `CLIENTS` clients with a connection to a target each, and `RING` octets in
/// each of the four rings of such a pair.
///
/// It stands in a static, and takes about `CLIENTS` × (4 × `RING` + 1,300) + 6,000 octets of RAM and none of flash.
pub struct Memory<'a, const CLIENTS: usize, const RING: usize> {
    pub(super) rings: [[[u8; RING]; 4]; CLIENTS],
    pub(super) door_rings: [[u8; DOOR]; 2],
    pub(super) frames: [[u8; FRAME]; 2],
    pub(super) datagram: [u8; FRAME - HEADERS],
    // What is not zero at first is made when the node is, so that it takes no flash.
    pub(super) places: heapless::Vec<[[SocketStorage<'a>; 1]; 2], CLIENTS>,
    pub(super) door_place: heapless::Vec<[SocketStorage<'a>; 1], 1>,
    pub(super) flows: heapless::Vec<[Flow<'a>; 2], CLIENTS>,
    pub(super) door: heapless::Vec<Flow<'a>, 1>,
}

impl<const CLIENTS: usize, const RING: usize> core::fmt::Debug for Memory<'_, CLIENTS, RING> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Memory for {CLIENTS} clients with rings of {RING} octets")
    }
}

impl<const CLIENTS: usize, const RING: usize> Default for Memory<'_, CLIENTS, RING> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, const CLIENTS: usize, const RING: usize> Memory<'a, CLIENTS, RING> {
    /// Returns memory that no node has used yet.
    pub const fn new() -> Self {
        // A larger receive ring would need a window scale, and the edge it advertises could retract.
        const { assert!(0 < RING && RING <= 65_535, "a ring has 1 to 65,535 octets") };
        const { assert!(0 < CLIENTS && CLIENTS <= 127, "a node has 1 to 127 clients") };
        Self {
            rings: [[[0; RING]; 4]; CLIENTS],
            door_rings: [[0; DOOR]; 2],
            frames: [[0; FRAME]; 2],
            datagram: [0; FRAME - HEADERS],
            places: heapless::Vec::new(),
            door_place: heapless::Vec::new(),
            flows: heapless::Vec::new(),
            door: heapless::Vec::new(),
        }
    }

    /// Makes the places of the connections.
    pub(super) fn divide(&'a mut self) -> Parts<'a> {
        let Self { rings, door_rings, frames, datagram, places, door_place, flows, door } = self;
        for _ in 0..CLIENTS {
            let _ = places.push([[SocketStorage::EMPTY], [SocketStorage::EMPTY]]);
        }
        let _ = door_place.push([SocketStorage::EMPTY]);
        for (place, [a, b, c, d]) in places.iter_mut().zip(rings) {
            let [front, back] = place;
            let _ = flows.push([Flow::new(front, (a, b)), Flow::new(back, (c, d))]);
        }
        let [receive, send] = door_rings;
        if let Some(place) = door_place.first_mut() {
            let _ = door.push(Flow::new(place, (receive, send)));
        }
        let [input, output] = frames;
        Parts {
            flows: flows.as_mut_slice().as_flattened_mut(),
            door: door.as_mut_slice(),
            frames: (input, output),
            datagram,
        }
    }
}

/// A node's memory, taken apart.
pub(super) struct Parts<'a> {
    /// Pairs of a client's connection and one to a target.
    pub(super) flows: &'a mut [Flow<'a>],
    /// The one connection that turns clients away.
    pub(super) door: &'a mut [Flow<'a>],
    pub(super) frames: (&'a mut [u8; FRAME], &'a mut [u8; FRAME]),
    pub(super) datagram: &'a mut [u8],
}
