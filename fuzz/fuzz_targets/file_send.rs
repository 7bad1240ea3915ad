#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::files::sender_is_cut_invariant(input));
