//! Writes the page of a transfer with some loss, of so many events: `report EVENTS FILE.html`.

use sockhop_tests::pages::{Traces, transfer};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let events = arguments[0].parse().expect("a number of events");
    let traces = Traces::of(&transfer(events as u64 * 600, 5)).first(events);
    assert!(traces.len() + 2 > events, "there are only {} events", traces.len());
    std::fs::write(&arguments[1], traces.page(&format!("{events} events"))).expect("the page can be written");
}
