#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gw_proxy::fuzzing::head(bytes));
