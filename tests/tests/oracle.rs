//! The tracker against smoltcp's own variables, read from its `Debug` output, after each packet.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use sockhop::relay::{Ring, Stream};
use sockhop::tcp::Rules;
use sockhop_hosted::engine::{Config, Engine, Event, FlowId};
use sockhop_hosted::lab::Tape;
use sockhop_hosted::link::{Dice, Link, Path, Pipe};
use sockhop_hosted::sim::{Plan, Profile, run_watched};
use sockhop_tests::oracle::{Count, compare};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

#[test]
fn the_tracker_knows_smoltcps_variables_after_each_packet() {
    let mut count = Count::default();
    for seed in 1..=60 {
        connection(seed, &mut count);
    }
    println!("{} comparisons, SND.WND differed {} times", count.compared, count.windows);
    assert!(count.compared > 10_000, "{count:?}");
    // smoltcp takes no window update in LAST-ACK and none from a segment it drops for other reasons.
    assert!(count.windows * 100 < count.compared, "{count:?}");
}

#[test]
fn the_guard_knows_what_smoltcp_believes_on_a_hostile_link() {
    let mut count = Count::default();
    for seed in 0..400 {
        for profile in Profile::ALL {
            let plan = Plan::new(seed, profile);
            // smoltcp prints its rings octet by octet.
            if plan.a.ring.max(plan.b.ring) > 2_048 {
                continue;
            }
            run_watched(&plan, (Rules::ALL, Rules::ALL), |a, ours, b, theirs| {
                for (engine, flow) in [(a, ours), (b, theirs)] {
                    if let Some(flow) = flow {
                        compare(engine, flow, &mut count);
                    }
                }
            });
        }
    }
    println!("{} comparisons, SND.WND differed {} times", count.compared, count.windows);
    assert!(count.compared > 10_000, "{count:?}");
}

fn engine(address: Ipv4Addr, seed: u64) -> Engine<Tape> {
    // smoltcp prints its rings octet by octet, so they are small here.
    let mut config = Config::new(vec![(IpAddr::V4(address), 24)], 1_500, [seed, !seed]);
    config.limits.ring = (4_096, 4_096);
    Engine::new(config, Tape::default())
}

/// One connection with random amounts both ways, delay, loss, and a reader that rests from time to time.
fn connection(seed: u64, count: &mut Count) {
    let mut dice = Dice::new(seed);
    let loss = [0, 0, 20, 60][usize::try_from(dice.below(4)).unwrap_or(0)];
    let path = Path { delay: Duration::from_millis(1 + dice.below(40)), loss, ..Path::default() };
    let (there, back) = (Pipe::new(path.clone(), seed), Pipe::new(path, !seed));
    let mut link = Link::new(engine(A, seed), engine(B, seed + 7), there, back);
    let at = SocketAddr::from((B, 80));
    link.b.listen(at, 1);
    let ours = link.a.connect(link.now(), SocketAddr::from((A, 0)), at).expect("there is room");
    let mut theirs: Option<FlowId> = None;
    let (mut up, mut down) = (dice.below(200_000), dice.below(200_000));
    for _ in 0..4_000 {
        link.settle_watched(|a, b| {
            compare(a, ours, count);
            if let Some(flow) = theirs {
                compare(b, flow, count);
            }
        });
        while link.a.next_event().is_some() {}
        while let Some(event) = link.b.next_event() {
            if let Event::Opened { flow, .. } = event {
                theirs = Some(flow);
            }
        }
        serve(&mut link.a, ours, &mut up, &mut dice);
        if let Some(flow) = theirs {
            serve(&mut link.b, flow, &mut down, &mut dice);
        }
        // What was written leaves before the clock moves.
        link.settle();
        let soon = link.now() + Duration::from_millis(50);
        if link.a.load().flows + link.b.load().flows == 0 || !link.advance(Some(soon)) {
            break;
        }
    }
}

/// Writes what is left, reads unless the dice say to rest, and closes when all is written.
fn serve(engine: &mut Engine<Tape>, flow: FlowId, left: &mut u64, dice: &mut Dice) {
    let rests = dice.below(4) == 0;
    let Some(mut socket) = engine.stream(flow) else { return };
    while *left > 0 {
        let most = usize::try_from(*left).unwrap_or(usize::MAX);
        let put = socket.with_space(|space| (space.len().min(most), space.len().min(most)));
        match put {
            Ok(octets) if octets > 0 => *left -= octets as u64,
            Ok(_) | Err(_) => break,
        }
    }
    if *left == 0 {
        socket.close();
    }
    let mut over = false;
    while !rests && !over {
        match socket.with_received(|octets| (octets.len(), ())) {
            Ok(Some(())) => {}
            Ok(None) => over = *left == 0,
            Err(_) => break,
        }
        if !over && socket.unread() == 0 {
            break;
        }
    }
    if over {
        engine.release(flow);
    }
}
