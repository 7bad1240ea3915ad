//! The properties of stack, guard, relay and parser, over the committed corpora and over chance.

use proptest::prelude::*;
use sockhop_hosted::link::Dice;
use sockhop_tests::properties::corpus;
use sockhop_tests::stack::{
    guard_knows_what_smoltcp_believes, relay_passes_everything_on, segment_is_read_as_smoltcp_reads_it,
    stack_survives_any_packets,
};

#[test]
fn the_committed_corpora_hold() {
    for (target, property) in [
        ("segment", segment_is_read_as_smoltcp_reads_it as fn(&[u8])),
        ("guard", guard_knows_what_smoltcp_believes),
        ("relay", relay_passes_everything_on),
        ("stack", stack_survives_any_packets),
    ] {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{target} has a corpus");
        inputs.iter().for_each(|input| property(input));
    }
}

#[test]
fn a_million_changed_packets_do_no_harm() {
    let mut dice = Dice::new(3);
    for _ in 0..2_500 {
        let input: Vec<u8> = (0..2_400).map(|_| dice.roll().to_le_bytes()[5]).collect();
        stack_survives_any_packets(&input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_header_is_read_as_smoltcp_reads_it(six: bool, rest in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut packet = vec![if six { 0x60 } else { 0x45 }];
        packet.extend(rest);
        let total = u16::try_from(packet.len()).expect("short").to_be_bytes();
        if six && packet.len() >= 40 {
            let payload = u16::try_from(packet.len() - 40).expect("short").to_be_bytes();
            (packet[4], packet[5], packet[6]) = (payload[0], payload[1], 6);
        } else if packet.len() >= 20 {
            (packet[2], packet[3], packet[6], packet[7], packet[9]) = (total[0], total[1], 0, 0, 6);
        }
        segment_is_read_as_smoltcp_reads_it(&packet);
    }

    #[test]
    fn the_guard_knows_smoltcp_whatever_happens(input in prop::collection::vec(any::<u8>(), 0..800)) {
        guard_knows_what_smoltcp_believes(&input);
    }

    #[test]
    fn a_relay_passes_everything_on(input in prop::collection::vec(any::<u8>(), 0..800)) {
        relay_passes_everything_on(&input);
    }
}
