//! The bytes that a peer signs about its links, or about a round.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fltorrent_swarm::fuzzing::statement(data));
