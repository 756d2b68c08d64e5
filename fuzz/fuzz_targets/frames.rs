//! A control stream, cut anywhere.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fltorrent_swarm::fuzzing::frames(data));
