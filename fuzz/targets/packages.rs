#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| camelid_fuzz_bodies::packages::run(input));
