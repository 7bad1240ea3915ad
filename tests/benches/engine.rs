//! What a packet costs the engine among few flows and many: `cargo bench -p sockhop-tests --bench engine`.
//!
//! Two engines exchange one octet on each flow in turn, over memory; the figure is for a round trip of four packets,
//! both ends together. The budget is that 1,000 flows cost at most three times what 10 do, per packet.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use divan::Bencher;
use divan::counter::ItemsCount;
use sockhop::relay::{Ring, Stream};
use sockhop::time::Instant;
use sockhop_hosted::engine::{Config, Engine, Event, FlowId, Limits, Wire};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn main() {
    divan::main();
}

#[divan::bench(args = [10, 100, 1_000, 10_000], sample_count = 200, sample_size = 500)]
fn octet_there_and_back(bencher: Bencher<'_, '_>, flows: usize) {
    let mut world = World::new(flows);
    bencher.counter(ItemsCount::new(4_usize)).bench_local(|| world.round_trip());
}

/// Packets under way.
#[derive(Default)]
struct Queue {
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
    fn deliver(&mut self, now: Instant, to: &mut Engine, back: &mut Self) {
        let mut rest = &mut self.octets[..];
        for length in self.lengths.drain(..) {
            let (packet, later) = rest.split_at_mut(length);
            to.ingress(now, packet, back);
            rest = later;
        }
        self.octets.clear();
    }
}

struct World {
    now: Instant,
    client: Engine,
    server: Engine,
    there: Queue,
    back: Queue,
    pairs: Vec<(FlowId, FlowId)>,
    turn: usize,
}

impl World {
    fn new(flows: usize) -> Self {
        let mut world = Self {
            now: Instant::ZERO,
            client: engine(A, 1),
            server: engine(B, 2),
            there: Queue::default(),
            back: Queue::default(),
            pairs: vec![],
            turn: 0,
        };
        world.server.listen(SocketAddr::from((B, 80)), 0);
        for _ in 0..flows {
            let at = SocketAddr::from((B, 80));
            let ours = world.client.connect(world.now, SocketAddr::from((A, 0)), at).expect("there is room");
            world.settle();
            while let Some(event) = world.server.next_event() {
                if let Event::Opened { flow, .. } = event {
                    world.pairs.push((ours, flow));
                }
            }
        }
        assert_eq!(world.pairs.len(), flows);
        // Each flow's rings are touched once, so that no page is met for the first time.
        for _ in 0..flows {
            world.round_trip();
        }
        world
    }

    fn settle(&mut self) {
        for _ in 0..4 {
            self.client.flush(self.now, &mut self.there);
            self.there.deliver(self.now, &mut self.server, &mut self.back);
            self.server.flush(self.now, &mut self.back);
            self.back.deliver(self.now, &mut self.client, &mut self.there);
        }
    }

    fn round_trip(&mut self) {
        self.now = self.now + Duration::from_micros(100);
        // Flows in an order that a cache cannot guess.
        self.turn = (self.turn + 7_919) % self.pairs.len();
        let (ours, theirs) = self.pairs[self.turn];
        put(&mut self.client, ours);
        self.client.flush(self.now, &mut self.there);
        self.there.deliver(self.now, &mut self.server, &mut self.back);
        get(&mut self.server, theirs);
        put(&mut self.server, theirs);
        self.server.flush(self.now, &mut self.back);
        self.back.deliver(self.now, &mut self.client, &mut self.there);
        get(&mut self.client, ours);
        self.client.flush(self.now, &mut self.there);
        self.there.deliver(self.now, &mut self.server, &mut self.back);
        while self.client.next_event().is_some() {}
        while self.server.next_event().is_some() {}
    }
}

fn put(engine: &mut Engine, flow: FlowId) {
    let mut socket = engine.stream(flow).expect("it stands");
    socket.with_space(|space| (1.min(space.len()), ())).expect("there is room");
}

fn get(engine: &mut Engine, flow: FlowId) {
    let mut socket = engine.stream(flow).expect("it stands");
    socket.read(&mut [0; 8]).expect("an octet came");
}

fn engine(address: Ipv4Addr, seed: u64) -> Engine {
    let mut config = Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]);
    config.limits = Limits { rings: 1 << 31, half_open: 20_000, ..Limits::default() };
    Engine::new(config, ())
}
