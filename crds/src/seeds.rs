//! The one source of randomness: everything random follows from the manifest's seed, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Domain of the derivation; a change of what is drawn takes another one.
const CONTEXT: &str = "fltorrent.io v1alpha1 seeds";

/// The generator for one purpose of one peer in one round.
///
/// Its key is BLAKE3 (key derivation mode) of seed, purpose, peer and round, so no two purposes share a stream. Take 0
/// for `peer` or `round` where a purpose has none. A purpose is a dotted name such as `train.shuffle`.
pub fn rng(seed: u64, purpose: &str, peer: u32, round: u32) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&seed.to_le_bytes());
    hasher.update(&peer.to_le_bytes());
    hasher.update(&round.to_le_bytes());
    hasher.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// A number of `0..bound`, each equally likely; 0 when `bound` is 0.
///
/// Source: D. Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29(1), 2019, algorithm 5.
pub fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    if bound == 0 {
        return 0;
    }
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        // The low half tells the few draws that would make some numbers likelier than others.
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// A number of the open interval (0, 1): the middle of one of 2⁵² equal parts.
pub fn unit(rng: &mut impl Rng) -> f64 {
    const PARTS: f64 = (1_u64 << 52) as f64;
    // Fewer than 53 bits with the half, so that nothing is rounded and 1 is never reached.
    ((rng.next_u64() >> 12) as f64 + 0.5) / PARTS
}

/// A standard normal variate.
///
/// Source: G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates", Annals of Mathematical
/// Statistics 29(2), 1958.
pub fn normal(rng: &mut impl Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(unit(rng)));
    radius * libm::cos(core::f64::consts::TAU * unit(rng))
}

/// Puts the items into a random order, each equally likely (Fisher–Yates).
///
/// At most `u32::MAX` items are moved.
pub fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    for last in (1..count).rev() {
        items.swap(last as usize, below(rng, last + 1) as usize);
    }
}

/// Shuffles `0..count` and deals it out one by one.
pub(crate) fn deal(seed: u64, purpose: &str, peers: usize, count: u32) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..count).collect();
    shuffle(&mut rng(seed, purpose, 0, 0), &mut order);
    let mut parts = vec![Vec::new(); peers];
    if peers == 0 {
        return parts;
    }
    for (i, sample) in order.into_iter().enumerate() {
        parts[i % peers].push(sample);
    }
    for part in &mut parts {
        part.sort_unstable();
    }
    parts
}
