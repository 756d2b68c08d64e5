//! One message of the control stream, after its length.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fltorrent_swarm::fuzzing::message(data));
