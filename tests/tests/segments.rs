//! The properties of segments that are cut and of what stands in front of packets, over the committed corpora and over
//! chance.

use proptest::prelude::*;
use sockhop_tests::properties::corpus;
use sockhop_tests::segments::{
    a_datagram_that_lacks_its_checksum_gets_the_right_one, only_a_missing_checksum_is_written,
    pieces_say_what_the_whole_said,
};

#[test]
fn the_committed_corpora_hold() {
    for (target, property) in [
        ("segment_cut", pieces_say_what_the_whole_said as fn(&[u8])),
        ("vnet_header", only_a_missing_checksum_is_written),
    ] {
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{target} has a corpus");
        inputs.iter().for_each(|input| property(input));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pieces_of_any_segment_say_what_the_whole_said(input in any::<[u8; 12]>()) {
        pieces_say_what_the_whole_said(&input);
    }

    #[test]
    fn nothing_but_a_missing_checksum_is_written_whatever_is_said(
        header in any::<[u8; 10]>(),
        short in any::<bool>(),
        packet in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut input = header.to_vec();
        if short {
            // Places that lie in the packet, or just outside of it.
            (input[7], input[8], input[9]) = (0, header[8] % 32, 0);
        }
        input.extend(packet);
        only_a_missing_checksum_is_written(&input);
    }

    #[test]
    fn any_datagram_gets_the_checksum_that_it_lacks(input in prop::collection::vec(any::<u8>(), 0..2_000)) {
        a_datagram_that_lacks_its_checksum_gets_the_right_one(&input);
    }
}
