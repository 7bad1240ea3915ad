#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::stack::segment_is_read_as_smoltcp_reads_it(input));
