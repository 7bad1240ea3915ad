#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::traces::a_trace_is_written_as_it_was_read(input));
