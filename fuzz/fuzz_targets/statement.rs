//! The bytes that an origin signs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fltorrent_swarm::fuzzing::statement(data));
