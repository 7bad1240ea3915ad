#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::properties::socks4_client_is_cut_invariant(input));
