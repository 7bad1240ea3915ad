//! Several engines that are one stack: whose each connection, listener for one peer and UDP port is.
//!
//! Each worker has an engine and a queue of the device. The kernel deals packets over the queues by a hash of the tuple
//! that is the same in both directions, so a connection that a peer opens stays with the engine that has seen its SYN.
//! What an engine begins itself is answered wherever the hash says, until the kernel has seen a packet of it leave by
//! another queue: then it is dealt there, but it forgets that after some seconds of silence. An engine that is handed
//! a packet it knows nothing of looks up whose it is, and gives it back to be handed over.
//!
//! ```text
//! queue 0 ─► engine 0 ── known here, or a SYN to a listener of all? ─► it is dealt with
//!                 └───── no: Directory ─► "engine 1's" ─► next_stray ─► engine 1
//! ```
//!
//! The directory is also what keeps two engines from using the same tuple or port: it is claimed before it is used.

use super::wait::Tuple;
use super::{Config, Engine, Keyed, Limits};
use core::hash::BuildHasher;
use core::net::SocketAddr;
use sockhop::trace::Sink;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts that are locked one by one, so that engines seldom wait for each other.
const PARTS: usize = 64;
/// Packets that wait to be handed over; more are dropped, as a queue's are.
const WAITING: usize = 256;

/// Something that one engine of a stack has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    /// A connection, in TIME-WAIT too.
    Flow(Tuple),
    /// A listener for one peer.
    Listener(SocketAddr),
    /// A UDP port.
    Port(SocketAddr),
}

/// Which engine has what.
#[derive(Debug)]
struct Directory {
    keyed: Keyed,
    parts: [Mutex<HashMap<Claim, usize, Keyed>>; PARTS],
}

impl Directory {
    fn new(keyed: Keyed) -> Self {
        Self { keyed, parts: core::array::from_fn(|_| Mutex::new(HashMap::with_hasher(keyed))) }
    }

    fn part(&self, claim: &Claim) -> MutexGuard<'_, HashMap<Claim, usize, Keyed>> {
        let part = usize::try_from(self.keyed.hash_one(claim) >> 32).unwrap_or(0) % PARTS;
        // Nothing under the lock can be left half done.
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine's place among those of its stack.
#[derive(Debug)]
pub(super) struct Seat {
    directory: Arc<Directory>,
    worker: usize,
}

/// A packet that another engine of the same stack is to have; its checksums are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Whose it is: the engine's place among those of its stack.
    pub owner: usize,
    /// The packet.
    pub packet: Vec<u8>,
}

/// Returns engines that are one stack, one for each sink.
///
/// Each has its share of the limits: packets are dealt by a hash that nobody can predict, so shares fill alike, and
/// nothing that is counted for each packet is shared. Numbers of connections are unique over all of them.
pub fn several<S: Sink>(config: &Config, sinks: Vec<S>) -> Vec<Engine<S>> {
    let of = sinks.len();
    let mut config = config.clone();
    config.limits = config.limits.share(of);
    let directory = Arc::new(Directory::new(Keyed([config.seed[1], config.seed[0]])));
    let seated = |(worker, sink)| {
        let mut engine = Engine::new(config.clone(), sink);
        if of > 1 {
            engine.take_seat(Seat { directory: Arc::clone(&directory), worker }, of);
        }
        engine
    };
    sinks.into_iter().enumerate().map(seated).collect()
}

impl Limits {
    /// Returns what each of so many engines may have.
    const fn share(self, of: usize) -> Self {
        Self {
            flows: self.flows.div_ceil(of),
            half_open: self.half_open.div_ceil(of),
            time_wait: self.time_wait.div_ceil(of),
            rings: self.rings.div_ceil(of),
            answers: self.answers.div_ceil(of as u32),
            ..self
        }
    }
}

impl<S: Sink> Engine<S> {
    /// Becomes one of several.
    fn take_seat(&mut self, seat: Seat, of: usize) {
        let (first, step) = (seat.worker as u32 + 1, of as u32);
        self.serial = (first.wrapping_sub(step), step);
        self.ports.begin_at(seat.worker, of);
        self.seat = Some(seat);
    }

    /// Returns the number of a new connection, which no engine of the stack uses again.
    pub(super) const fn next_serial(&mut self) -> u32 {
        let (last, step) = self.serial;
        self.serial.0 = last.wrapping_add(step);
        self.serial.0
    }

    /// Returns the next packet that another engine of this stack is to have; its owner takes it with
    /// [`ingress_verified`](Self::ingress_verified).
    pub fn next_stray(&mut self) -> Option<Stray> {
        self.strays.pop_front()
    }

    /// Hands a packet over to whoever has the first of `claims` that somebody has; returns whether somebody else has.
    pub(super) fn hand_over(&mut self, claims: &[Claim], packet: &[u8]) -> bool {
        let Some(Seat { directory, worker }) = &self.seat else { return false };
        let owner = claims.iter().find_map(|claim| directory.part(claim).get(claim).copied());
        let Some(owner) = owner.filter(|owner| owner != worker) else { return false };
        self.send_over(owner, packet);
        true
    }

    /// Lets another engine have a packet, which is counted there.
    pub(super) fn send_over(&mut self, owner: usize, packet: &[u8]) {
        self.counters.packets_in -= 1;
        self.counters.strays += 1;
        if self.strays.len() < WAITING {
            self.strays.push_back(Stray { owner, packet: packet.to_vec() });
        }
    }
}

/// Takes something for the engine that has this seat, which may have it already.
///
/// # Errors
/// Whoever has it.
pub(super) fn claim(seat: Option<&Seat>, claim: Claim) -> Result<(), usize> {
    let Some(Seat { directory, worker }) = seat else { return Ok(()) };
    let owner = *directory.part(&claim).entry(claim).or_insert(*worker);
    if owner == *worker { Ok(()) } else { Err(owner) }
}

/// Gives up what the engine that has this seat has claimed.
pub(super) fn give_up(seat: Option<&Seat>, claim: Claim) {
    let Some(Seat { directory, worker }) = seat else { return };
    let mut part = directory.part(&claim);
    if part.get(&claim) == Some(worker) {
        part.remove(&claim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Event, FlowId, Wire};
    use core::net::IpAddr;
    use core::time::Duration;
    use sockhop::relay::{Ring, Stream};
    use sockhop::tcp::State;
    use sockhop::time::Instant;
    use std::collections::HashSet;

    const STACK: &str = "198.18.0.2";
    const PEER: &str = "198.18.0.1";

    #[derive(Default)]
    struct Out(Vec<Vec<u8>>);

    impl Wire for Out {
        fn transmit(&mut self, packet: &[u8]) {
            self.0.push(packet.to_vec());
        }
    }

    /// Two engines that are one stack, and a peer whose packets are dealt to them in turn, whosever they are.
    struct Table {
        now: Instant,
        engines: Vec<Engine>,
        peer: Engine,
        turn: usize,
    }

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    impl Table {
        fn new() -> Self {
            let config = |ip: &str| Config::new(vec![(ip.parse().unwrap(), 24)], 1_500, [3, 4]);
            let mut engines = several(&config(STACK), vec![(), ()]);
            for engine in &mut engines {
                engine.listen(at(STACK, 1_080), 1);
            }
            let peer = Engine::new(config(PEER), ());
            Self { now: Instant::from_micros(1), engines, peer, turn: 0 }
        }

        /// Lets the next engine have a packet, and whoever's it is if it is not his.
        fn deal(&mut self, mut packet: Vec<u8>, out: &mut Out) {
            self.turn = (self.turn + 1) % 2;
            self.engines[self.turn].ingress(self.now, &mut packet, out);
            while let Some(Stray { owner, mut packet }) = self.engines[self.turn].next_stray() {
                assert_ne!(owner, self.turn, "nobody hands to himself");
                self.engines[owner].ingress_verified(self.now, &mut packet, out);
                assert_eq!(self.engines[owner].next_stray(), None, "it is handed over once");
            }
        }

        /// Carries packets until there are none.
        fn settle(&mut self) {
            loop {
                self.now = self.now + Duration::from_millis(1);
                let (mut theirs, mut ours) = (Out::default(), Out::default());
                self.peer.flush(self.now, &mut theirs);
                self.engines.iter_mut().for_each(|engine| engine.flush(self.now, &mut ours));
                let quiet = theirs.0.is_empty() && ours.0.is_empty();
                for mut packet in ours.0 {
                    self.peer.ingress(self.now, &mut packet, &mut theirs);
                }
                let mut answers = Out::default();
                theirs.0.into_iter().for_each(|packet| self.deal(packet, &mut answers));
                for mut packet in answers.0 {
                    let mut last = Out::default();
                    self.peer.ingress(self.now, &mut packet, &mut last);
                    last.0.into_iter().for_each(|packet| self.deal(packet, &mut Out::default()));
                }
                if quiet {
                    return;
                }
            }
        }

        fn opened(&mut self) -> Vec<(usize, FlowId)> {
            let mut opened = vec![];
            for (place, engine) in self.engines.iter_mut().enumerate() {
                while let Some(event) = engine.next_event() {
                    if let Event::Opened { flow, .. } = event {
                        opened.push((place, flow));
                    }
                }
            }
            opened
        }
    }

    #[test]
    fn a_connection_that_is_dealt_to_both_engines_in_turn_is_carried_by_the_one_that_saw_its_syn() {
        let mut table = Table::new();
        let flows: Vec<FlowId> =
            (0..20).map(|_| table.peer.connect(table.now, at(PEER, 0), at(STACK, 1_080)).unwrap()).collect();
        table.settle();
        let opened = table.opened();
        assert_eq!(opened.len(), 20);
        let serials: HashSet<u32> = opened.iter().map(|(_, flow)| flow.serial()).collect();
        assert_eq!(serials.len(), 20, "no number is given twice");
        assert!(opened.iter().all(|(place, flow)| flow.serial() as usize % 2 == (place + 1) % 2));
        for flow in &flows {
            assert_eq!(table.peer.state(*flow), State::Established);
            table.peer.stream(*flow).unwrap().write(b"hello").unwrap();
        }
        table.settle();
        for (place, flow) in &opened {
            let mut heard = vec![];
            let mut stream = table.engines[*place].stream(*flow).unwrap();
            stream.with_received(|octets| (octets.len(), heard.extend_from_slice(octets))).unwrap();
            assert_eq!(heard, b"hello");
        }
        // The engines close first, so theirs are the records in TIME-WAIT, to which a FIN comes by either queue.
        for (place, flow) in opened {
            table.engines[place].release(flow);
        }
        table.settle();
        flows.into_iter().for_each(|flow| table.peer.release(flow));
        table.settle();
        let waits: usize = table.engines.iter().map(|engine| engine.load().time_wait).sum();
        assert_eq!((waits, table.peer.load().flows), (20, 0));
        assert!(table.engines.iter().all(|engine| engine.counters().strays > 0));
        let [one, other] = [0, 1].map(|place| table.engines[place].counters());
        assert_eq!(one.packets_in + other.packets_in, table.peer.counters().packets_out, "each counts once");
        table.now = table.now + Duration::from_secs(61);
        table.settle();
        let seat = table.engines[0].seat.as_ref().unwrap();
        let left: usize = seat.directory.parts.iter().map(|part| part.lock().unwrap().len()).sum();
        assert_eq!(left, 0, "nothing is claimed any more");
    }

    #[test]
    fn what_the_stack_dials_and_awaits_is_answered_by_whichever_queue_and_reaches_its_engine() {
        let mut table = Table::new();
        table.peer.listen(at(PEER, 80), 1);
        for place in [0, 1, 0, 1] {
            let dialed = table.engines[place].connect(table.now, at(STACK, 0), at(PEER, 80)).unwrap();
            table.settle();
            assert_eq!(table.engines[place].state(dialed), State::Established);
            let awaits = table.engines[place].listen_once(STACK.parse().unwrap(), None, 7).unwrap();
            table.opened();
            let came = table.peer.connect(table.now, at(PEER, 0), awaits).unwrap();
            table.settle();
            assert_eq!(table.peer.state(came), State::Established);
            assert!(matches!(table.opened()[..], [(owner, _)] if owner == place));
            assert_eq!(table.engines[place].unlisten(awaits), Some(7));
            let late = table.peer.connect(table.now, at(PEER, 0), awaits).unwrap();
            table.settle();
            assert_eq!(table.peer.state(late), State::Closed, "nobody listens there any more");
        }
    }

    #[test]
    fn a_datagram_reaches_the_engine_that_has_opened_its_port() {
        let mut table = Table::new();
        let ip: IpAddr = STACK.parse().unwrap();
        let ports: Vec<SocketAddr> =
            (0..40).map(|number| table.engines[number % 2].open_port(ip).unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 40, "no port is opened twice");
        assert!(!table.engines[1].open_port_at(ports[0]), "it is the other one's");
        let from = table.peer.open_port(PEER.parse().unwrap()).unwrap();
        // Each is written to as often as there are queues.
        for port in ports.iter().chain(&ports[1..]).chain(&ports[..1]) {
            table.peer.send_datagram(from, *port, b"hi");
        }
        table.settle();
        for (place, engine) in table.engines.iter_mut().enumerate() {
            let came: Vec<SocketAddr> =
                core::iter::from_fn(|| engine.next_datagram()).map(|datagram| datagram.at).collect();
            assert_eq!(came.len(), 40);
            assert!(came.iter().all(|at| ports.iter().position(|port| port == at).unwrap() % 2 == place));
        }
        table.engines[0].close_port(ports[0]);
        assert!(table.engines[1].open_port_at(ports[0]), "what is closed is anybody's");
    }
}
