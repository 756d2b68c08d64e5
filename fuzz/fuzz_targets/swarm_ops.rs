//! One swarm among neighbours that say and do anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fltorrent_swarm::fuzzing::swarm_ops(data));
