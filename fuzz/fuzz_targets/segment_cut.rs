#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockhop_tests::segments::pieces_say_what_the_whole_said(input));
