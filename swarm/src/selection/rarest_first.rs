//! Rarest first, as BitTorrent has it (Cohen: "Incentives Build Robustness in BitTorrent", 2003). Among chunks that are as
//! rare each peer has an order of its own, so that not all ask for the same one.

use super::{Missing, Order, Selection};

pub(super) const SENTENCE: &str = "the one that the fewest neighbours have, and of those any";

pub(super) fn rule() -> &'static dyn Selection {
    &RarestFirst
}

#[derive(Debug)]
struct RarestFirst;

impl Selection for RarestFirst {
    fn order(&self, positions: u32, seed: u64) -> Order {
        Order::random(positions, seed)
    }

    fn levels(&self, neighbours: usize) -> usize {
        neighbours + 1
    }

    fn level(&self, chunk: &Missing) -> usize {
        chunk.holders
    }
}
