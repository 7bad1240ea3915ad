//! What allocates per packet is found by counting: nothing does.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::machine::Machine;
use sockhop::relay::{Ring, Stream};
use sockhop::socks5::{Login, Server};
use sockhop::time::Instant;
use sockhop::trace::Ring as TraceRing;
use sockhop_hosted::engine::{Config, Engine, Event, FlowId, Wire};
use sockhop_tests::cases::crowd::Crowd;
use std::alloc::System;

const PAGE: usize = 4_096;

/// Counts what this thread allocates, and the octets that it holds.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only counts and passes on")]
// SAFETY: each call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        hold(0, layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        hold(layout.size(), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        hold(layout.size(), size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Notes that so many octets have become so many; some may be another thread's.
fn hold(before: usize, after: usize) {
    HELD.with(|held| held.set(held.get().wrapping_sub(before).wrapping_add(after)));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = ALLOCATIONS.with(Cell::get);
    let result = work();
    (result, ALLOCATIONS.with(Cell::get) - before)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| Vec::<u8>::with_capacity(10).capacity()).1, 1);
}

#[test]
fn a_conversation_allocates_nothing() {
    let ((), count) = allocations(|| {
        let mut server: Server = Server::new(Login::Password);
        for message in [&[5, 1, 2][..], &[1, 1, b'u', 1, b'p'], &[5, 1, 0, 1, 192, 0, 2, 1, 0, 80]] {
            server.feed(message);
            if let Ok(sockhop::socks5::Event::Login { .. }) = server.poll() {
                server.judge(true);
            }
            server.drain(&mut [0; 64]);
        }
        server.answer(Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 80))));
        server.drain(&mut [0; 64]);
        assert!(matches!(server.poll(), Ok(sockhop::socks5::Event::Relay)));
    });
    assert_eq!(count, 0);
}

#[test]
fn a_packet_allocates_nothing_once_the_connection_stands() {
    let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let at = SocketAddr::from((b, 80));
    let (mut client, mut server) = (engine(a, 1), engine(b, 2));
    server.listen(at, 0);
    let mut wires = (Queue::default(), Queue::default());
    let ours = client.connect(Instant::ZERO, SocketAddr::from((a, 0)), at).expect("there is room");
    let mut theirs = None;
    let mut now = Instant::ZERO;
    let mut packets = 0;
    for round in 0..4_000 {
        now = now + Duration::from_micros(50);
        let ((), count) = allocations(|| {
            exchange(now, &mut client, &mut server, &mut wires);
            while client.next_event().is_some() {}
            while let Some(event) = server.next_event() {
                if let Event::Opened { flow, .. } = event {
                    theirs = Some(flow);
                }
            }
            fill(&mut client, ours);
            if let Some(flow) = theirs {
                empty(&mut server, flow);
            }
        });
        // The handshake and the first rounds make room: a flow, its rings, queues that grow to their size.
        if round == 500 {
            packets = server.counters().packets_in;
        }
        assert!(round < 500 || count == 0, "{count} allocations in round {round}");
    }
    let packets = server.counters().packets_in - packets;
    assert!(packets > 10_000, "{packets} packets");
}

#[test]
fn an_idle_connection_costs_the_engine_no_page_and_less_than_two_kibioctets() {
    let held = || HELD.with(Cell::get);
    for connections in [1_000, 5_000] {
        let before = held();
        let mut crowd = Crowd::new(connections);
        let (used, idle) = crowd.rest();
        let each = held().wrapping_sub(before) / connections;
        println!("{connections}: {each} octets each, rings {} and then {idle}", used / connections);
        assert_eq!(used, connections * 2 * PAGE, "each has used both of its rings");
        assert_eq!(idle, 0, "octets of rings of {connections} connections");
        assert!(each < 2_048, "{each} octets for each of {connections}");
        crowd.echo();
    }
}

#[test]
fn connections_that_have_ended_leave_no_memory() {
    let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let at = SocketAddr::from((b, 80));
    let (mut client, mut server) = (engine(a, 1), engine(b, 2));
    server.listen(at, 0);
    let mut wires = (Queue::default(), Queue::default());
    let mut now = Instant::ZERO;
    let mut early = 0;
    for serial in 0..20_000 {
        now = now + Duration::from_millis(1);
        let flow = client.connect(now, SocketAddr::from((a, 0)), at).expect("there is room");
        let mut theirs = None;
        while theirs.is_none() {
            exchange(now, &mut client, &mut server, &mut wires);
            let opened = |event| if let Event::Opened { flow, .. } = event { Some(flow) } else { None };
            theirs = server.next_event().and_then(opened);
        }
        client.stream(flow).expect("it is open").abort();
        client.release(flow);
        server.release(theirs.expect("it is open"));
        exchange(now, &mut client, &mut server, &mut wires);
        exchange(now, &mut client, &mut server, &mut wires);
        while client.next_event().is_some() || server.next_event().is_some() {}
        assert_eq!((client.load().flows, server.load().flows), (0, 0));
        // Whatever grows to a size has it after a few thousand.
        if serial == 5_000 {
            early = HELD.with(Cell::get);
        }
    }
    let late = HELD.with(Cell::get);
    assert!(late <= early, "{early} octets after 5,000 connections, {late} after 20,000");
}

fn engine(address: Ipv4Addr, seed: u64) -> Engine<TraceRing<64>> {
    let config = Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]);
    Engine::new(config, TraceRing::new())
}

/// Packets under way, in room that is there from the beginning.
struct Queue {
    packets: Vec<[u8; 1_500]>,
    lengths: Vec<usize>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { packets: vec![[0; 1_500]; 256], lengths: Vec::with_capacity(256) }
    }
}

impl Wire for Queue {
    fn transmit(&mut self, packet: &[u8]) {
        self.packets[self.lengths.len()][..packet.len()].copy_from_slice(packet);
        self.lengths.push(packet.len());
    }
}

fn exchange(
    now: Instant,
    client: &mut Engine<TraceRing<64>>,
    server: &mut Engine<TraceRing<64>>,
    (there, back): &mut (Queue, Queue),
) {
    client.flush(now, there);
    for (at, length) in there.lengths.drain(..).enumerate() {
        server.ingress(now, &mut there.packets[at][..length], back);
    }
    server.flush(now, back);
    for (at, length) in back.lengths.drain(..).enumerate() {
        client.ingress(now, &mut back.packets[at][..length], there);
    }
}

fn fill(engine: &mut Engine<TraceRing<64>>, flow: FlowId) {
    let Some(mut socket) = engine.stream(flow) else { return };
    while socket.with_space(|space| (space.len(), space.len())).is_ok_and(|count| count > 0) {}
}

fn empty(engine: &mut Engine<TraceRing<64>>, flow: FlowId) {
    let Some(mut socket) = engine.stream(flow) else { return };
    let mut scratch = [0; 4_096];
    while socket.read(&mut scratch).is_ok_and(|count| count > 0) {}
}
