//! What the guard costs a packet: `cargo bench -p sockhop-tests --bench guard`; the budget is 60 ns each way.

use divan::Bencher;
use sockhop::tcp::Guard;
use sockhop_tests::cases::{Case, guard};

fn main() {
    println!("tcp::Guard, its tracker included: {} octets", size_of::<Guard>());
    divan::main();
}

#[divan::bench(args = guard::CASES)]
fn packet(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench_local((case.make)());
}
