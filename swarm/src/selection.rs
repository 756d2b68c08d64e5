//! The order in which missing chunks are asked for.

mod order;
mod random;
mod rarest_first;
mod sequential;
mod supplier;

use std::fmt::Debug;

pub(crate) use order::Order;

use crate::choices::choices;

choices! {
    /// Which missing chunk is asked for first.
    pub enum ChunkSelection of &'static dyn Selection {
        Supplier = "supplier" in supplier,
        RarestFirst = "rarestFirst" in rarest_first,
        Random = "random" in random,
        Sequential = "sequential" in sequential,
    }
}

/// A rule that says which missing chunk is asked for first: by level, and within a level in an order that is fixed for the
/// round.
pub(crate) trait Selection: Debug + Send + Sync {
    /// The order of so many positions; `seed` is the peer's own for this round.
    fn order(&self, positions: u32, seed: u64) -> Order;

    /// How many levels there are for so many neighbours.
    fn levels(&self, neighbours: usize) -> usize;

    /// The level of a chunk; the lowest is asked for first.
    fn level(&self, chunk: &Missing) -> usize;

    /// Whether chunks are asked of suppliers before they have them ([`crate::Forest`]).
    fn has_suppliers(&self) -> bool {
        false
    }
}

impl ChunkSelection {
    /// Whether chunks are asked of suppliers before they have them, by the trees of [`crate::Config::forest`].
    pub fn has_suppliers(self) -> bool {
        self.rule().has_suppliers()
    }
}

/// A missing chunk, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    /// Neighbours that have it.
    pub(crate) holders: usize,
}

/// SplitMix64's finaliser (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
