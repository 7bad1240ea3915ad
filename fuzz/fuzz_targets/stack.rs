#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::stack::stack_survives_any_packets(input));
