//! An event says what it was made of, whatever its octets are.

use proptest::prelude::*;
use sockhop::trace::{Ends, Event, Line};

proptest! {
    #[test]
    fn an_event_is_its_octets(octets in any::<[u8; 32]>()) {
        prop_assert_eq!(Event::decode(&octets).encode(), octets);
    }

    #[test]
    fn what_an_event_means_makes_an_event_that_means_it(
        kind in prop::sample::select(KINDS),
        sub in any::<u8>(),
        mut octets in any::<[u8; 32]>(),
        small in any::<bool>(),
    ) {
        (octets[30], octets[31]) = (kind, if small { sub & 0x0f } else { sub });
        let event = Event::decode(&octets);
        if let Some(view) = event.view() {
            let again = Event::of(view).at(event.serial(), event.flow(), event.time());
            prop_assert_eq!(again.view(), Some(view));
            prop_assert_eq!((again.serial(), again.flow(), again.time()), (event.serial(), event.flow(), event.time()));
        }
    }
}

#[test]
fn each_kind_has_a_line_or_explains_another_event() {
    let silent = [0x07, 0x13, 0x30, 0x31];
    for kind in KINDS {
        let mut octets = [0; 32];
        octets[30] = *kind;
        let line = Line(&Event::decode(&octets), &Ends::new()).to_string();
        assert_eq!(line.is_empty(), silent.contains(kind), "{kind:#x}: {line:?}");
    }
}

/// Every kind that this version knows.
const KINDS: &[u8] = &[
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x20,
    0x30, 0x31, 0x40, 0x50, 0x51, 0x60, 0x61, 0x70, 0x7f,
];
