#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::segments::only_a_missing_checksum_is_written(input));
