//! Does a case of `sockhop_tests::cases` a fixed number of times, for `tests/bench/instructions`: `counted list|NAME`.

use sockhop_tests::cases::{self, Work};

fn main() {
    let asked = std::env::args().nth(1).unwrap_or_default();
    if asked == "list" {
        for case in cases::all() {
            println!("{} {}", case.name, case.times);
        }
        return;
    }
    let Some(case) = cases::all().find(|case| case.name == asked) else {
        eprintln!("counted: {asked:?} is no case; `counted list` names them");
        std::process::exit(2);
    };
    let mut work = (case.make)();
    // What is only done the first times does not count.
    for _ in 0..case.times / 10 {
        work();
    }
    counted_from_here(&mut work, case.times);
}

/// What valgrind counts: it is told to begin where this is entered, and to stop where it is left.
#[inline(never)]
fn counted_from_here(work: &mut Work, times: u32) {
    for _ in 0..times {
        work();
    }
}
