//! How large an experiment may be.

/// Most peers of an experiment.
pub const MAX_PEERS: u32 = 10_000;
/// Longest name of an experiment: what is added to it for a pod and a host still fits into 63 characters.
pub const MAX_NAME: usize = 45;
/// Largest seed: the largest whole number that every JSON reader keeps exactly.
pub const MAX_SEED: u64 = (1 << 53) - 1;
