//! Temporary stand-in until crds has it.
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub(crate) fn rng(seed: u64, purpose: &str, peer: u32, round: u32) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&peer.to_le_bytes());
    hasher.update(&round.to_le_bytes());
    hasher.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}
