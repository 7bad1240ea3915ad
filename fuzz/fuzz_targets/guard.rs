#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::stack::guard_knows_what_smoltcp_believes(input));
