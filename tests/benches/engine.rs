//! What a packet costs the engine among few flows and many: `cargo bench -p sockhop-tests --bench engine`.
//!
//! An engine gets an octet on one flow after the other, in an order that no cache can guess, and its owner sends it back: two
//! packets. It fails when 10,000 flows cost more than three times what 10 do.

use divan::Bencher;
use divan::counter::ItemsCount;
use sockhop_tests::cases::engine::{self, echoes};
use sockhop_tests::cases::{Case, Work};
use std::time::Instant;

/// How much more a packet may cost among 10,000 flows than among 10.
const MOST: f64 = 3.0;

fn main() {
    divan::main();
    if !std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        flat();
    }
}

#[divan::bench(args = [10, 100, 1_000, 10_000], sample_count = 200, sample_size = 500)]
fn octet_echoed(bencher: Bencher<'_, '_>, flows: usize) {
    bencher.counter(ItemsCount::new(2_usize)).bench_local(echoes(flows));
}

#[divan::bench(args = engine::CASES)]
fn other(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench_local((case.make)());
}

/// Holds many flows against few.
fn flat() {
    let (mut few, mut many) = (echoes(10), echoes(10_000));
    // In turn, so that a disturbance meets both.
    let mut times: Vec<(f64, f64)> = (0..21).map(|_| (lasting(&mut few), lasting(&mut many))).collect();
    times.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let few = times[10].0;
    times.sort_unstable_by(|one, other| one.1.total_cmp(&other.1));
    let many = times[10].1;
    let ratio = many / few;
    println!(
        "a packet: {few:.0} ns among 10 flows, {many:.0} ns among 10,000: {ratio:.2} times (at most {MOST})"
    );
    assert!(ratio <= MOST, "the engine is not flat");
}

/// Returns what a packet takes, in nanoseconds.
fn lasting(work: &mut Work) -> f64 {
    const TIMES: u32 = 10_000;
    let began = Instant::now();
    for _ in 0..TIMES {
        work();
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(2 * TIMES)
}
