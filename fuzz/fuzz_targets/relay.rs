#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::stack::relay_passes_everything_on(input));
