#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::properties::datagram_is_read_back(input));
