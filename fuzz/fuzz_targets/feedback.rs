#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outreachd_fuzz::feedback(data));
