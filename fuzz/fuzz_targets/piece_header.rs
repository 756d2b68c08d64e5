//! What stands before a chunk's bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fltorrent_swarm::fuzzing::piece_header(data));
