//! What machines, parsers and the relay cost: `cargo bench -p sockhop-tests --bench machines`.
//!
//! The budget of `socks5_handshake` is 150 ns.

use divan::Bencher;
use sockhop::socks5::Server;
use sockhop::tcp::Tracker;
use sockhop_tests::cases::{Case, machines, relay};

fn main() {
    println!("socks5::Server with names and passwords: {} octets", size_of::<Server>());
    println!("socks5::Server for addresses only: {} octets", size_of::<Server<64>>());
    println!("tcp::Tracker: {} octets", size_of::<Tracker>());
    divan::main();
}

#[divan::bench(args = machines::CASES)]
fn machine(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench_local((case.make)());
}

#[divan::bench(args = relay::CASES)]
fn relayed(bencher: Bencher<'_, '_>, case: &Case) {
    bencher.bench_local((case.make)());
}
