//! Two engines that exchange packets over memory.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::relay::Ring;
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config, Engine, Event, FlowId, Limits, Wire};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Where the server listens.
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(B), 80);

/// Packets under way.
#[derive(Debug, Default)]
pub struct Queue {
    octets: Vec<u8>,
    lengths: Vec<usize>,
}

impl Wire for Queue {
    fn transmit(&mut self, packet: &[u8]) {
        self.octets.extend_from_slice(packet);
        self.lengths.push(packet.len());
    }
}

impl Queue {
    fn deliver(&mut self, now: Instant, to: &mut Engine, back: &mut Self) -> usize {
        let (mut rest, mut count) = (&mut self.octets[..], 0);
        for length in self.lengths.drain(..) {
            let (packet, later) = rest.split_at_mut(length);
            to.ingress(now, packet, back);
            rest = later;
            count += 1;
        }
        self.octets.clear();
        count
    }
}

/// A client and a server, and what is between them.
#[derive(Debug)]
pub struct World {
    now: Instant,
    client: Engine,
    server: Engine,
    there: Queue,
    back: Queue,
    pairs: Vec<(FlowId, FlowId)>,
    turn: usize,
}

impl World {
    /// Returns two engines between which so many connections stand, each of which has been used.
    ///
    /// # Panics
    /// A connection does not come about.
    pub fn new(flows: usize) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            client: engine(A, 1),
            server: engine(B, 2),
            there: Queue::default(),
            back: Queue::default(),
            pairs: vec![],
            turn: 0,
        };
        world.server.listen(SERVER, 0);
        for _ in 0..flows {
            let pair = world.open();
            world.pairs.push(pair);
        }
        // Each flow's rings are touched once, so that no page is met for the first time.
        for _ in 0..flows {
            world.round_trip();
        }
        world
    }

    /// Sends an octet there and back on the next flow, in four packets.
    ///
    /// # Panics
    /// It does not come back.
    pub fn round_trip(&mut self) {
        self.pass();
        let (ours, theirs) = self.next();
        put(&mut self.client, ours, 1);
        self.client.flush(self.now, &mut self.there);
        self.there.deliver(self.now, &mut self.server, &mut self.back);
        assert_eq!(get(&mut self.server, theirs), 1, "an octet came");
        put(&mut self.server, theirs, 1);
        self.server.flush(self.now, &mut self.back);
        self.back.deliver(self.now, &mut self.client, &mut self.there);
        assert_eq!(get(&mut self.client, ours), 1, "an octet came");
        self.client.flush(self.now, &mut self.there);
        self.there.deliver(self.now, &mut self.server, &mut self.back);
        self.forget();
    }

    /// Sends so many octets to the server on the next flow.
    ///
    /// # Panics
    /// They do not arrive.
    pub fn upload(&mut self, octets: usize) {
        let (ours, theirs) = self.next();
        let (mut left, mut heard) = (octets, 0);
        for _ in 0..octets {
            self.pass();
            left -= put(&mut self.client, ours, left);
            self.exchange();
            heard += get(&mut self.server, theirs);
            if heard == octets {
                break;
            }
        }
        assert_eq!(heard, octets, "all arrives");
        self.forget();
    }

    /// Opens a connection, and returns both ends' names of it.
    ///
    /// # Panics
    /// It does not come about.
    pub fn open(&mut self) -> (FlowId, FlowId) {
        let ours = self.client.connect(self.now, SocketAddr::from((A, 0)), SERVER).expect("there is room");
        self.settle();
        let mut theirs = None;
        while let Some(event) = self.server.next_event() {
            if let Event::Opened { flow, .. } = event {
                theirs = Some(flow);
            }
        }
        self.forget();
        (ours, theirs.expect("the connection has come"))
    }

    /// Opens a connection and closes it at both ends, the client first.
    ///
    /// # Panics
    /// It does not come about, or something is left of it.
    pub fn life(&mut self) {
        self.pass();
        let before = self.server.load().flows;
        let (ours, theirs) = self.open();
        self.client.release(ours);
        self.settle();
        self.server.release(theirs);
        self.settle();
        assert_eq!(self.server.load().flows, before, "nothing is left");
        self.forget();
    }

    /// Has a packet come for nobody, whose answer is refused by its limit.
    pub fn stray(&mut self, packet: &mut [u8]) {
        self.server.ingress(self.now, packet, &mut self.back);
        self.back = Queue::default();
    }

    fn settle(&mut self) {
        while self.exchange() > 0 {}
    }

    /// Lets both ends work once, and returns how many packets that were.
    fn exchange(&mut self) -> usize {
        self.client.flush(self.now, &mut self.there);
        let there = self.there.deliver(self.now, &mut self.server, &mut self.back);
        self.server.flush(self.now, &mut self.back);
        there + self.back.deliver(self.now, &mut self.client, &mut self.there)
    }

    fn pass(&mut self) {
        self.now = self.now + Duration::from_micros(100);
    }

    /// Returns a flow, in an order that a cache cannot guess.
    fn next(&mut self) -> (FlowId, FlowId) {
        self.turn = (self.turn + 7_919) % self.pairs.len();
        self.pairs[self.turn]
    }

    fn forget(&mut self) {
        while self.client.next_event().is_some() {}
        while self.server.next_event().is_some() {}
    }
}

fn put(engine: &mut Engine, flow: FlowId, most: usize) -> usize {
    let mut socket = engine.stream(flow).expect("it stands");
    let filled = |space: &mut [u8]| (most.min(space.len()), most.min(space.len()));
    if most == 0 { 0 } else { socket.with_space(filled).unwrap_or(0) }
}

fn get(engine: &mut Engine, flow: FlowId) -> usize {
    let mut socket = engine.stream(flow).expect("it stands");
    let mut heard = 0;
    while let Ok(Some(count)) = socket.with_received(|octets| (octets.len(), octets.len())) {
        heard += count;
    }
    heard
}

fn engine(address: Ipv4Addr, seed: u64) -> Engine {
    let mut config = Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]);
    config.limits = Limits { rings: 1 << 31, half_open: 20_000, answers: 0, ..Limits::default() };
    config.two_msl = Duration::from_millis(1);
    Engine::new(config, ())
}
