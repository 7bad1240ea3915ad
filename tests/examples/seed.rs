//! Prints what each end of a seed saw, up to the first event that breaks a rule: `seed PROFILE SEED`.

use sockhop::tcp::Rules;
use sockhop::trace::{Ends, Line};
use sockhop_hosted::sim::{Plan, first_violation, run};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let profile = arguments[0].parse().expect("a profile");
    let seed = arguments[1].parse().expect("a seed");
    let outcome = run(&Plan::new(seed, profile), (Rules::ALL, Rules::ALL));
    println!("{}", outcome.verdict);
    for (name, tape) in [("A", &outcome.a), ("B", &outcome.b)] {
        let last = first_violation(tape).map_or(u32::MAX, |violation| violation.serial);
        println!("{name}");
        let mut ends = Ends::new();
        for event in tape.0.iter().take_while(|event| event.serial() <= last) {
            ends.learn(event);
            println!("{:>5} {}", event.serial(), Line(event, &ends));
        }
    }
}
