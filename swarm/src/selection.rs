//! Which missing chunk is asked for first.

mod order;
mod random;
mod rarest_first;
mod sequential;

use std::fmt::Debug;

pub(crate) use order::Order;

use crate::choices::choices;

choices! {
    /// Which missing chunk is asked for first.
    pub enum ChunkSelection of &'static dyn Selection {
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
}

/// What is known of a missing chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    /// Neighbours that have it.
    pub(crate) holders: usize,
}
