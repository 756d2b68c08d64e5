//! Each chunk at the neighbour that supplies it, by trees that all peers compute alike ([`crate::Forest`]). What no supplier gives is asked for as
//! rarest first asks.

use super::{Missing, Order, Selection, rarest_first};

pub(super) const SENTENCE: &str = "each at the neighbour that spanning trees over all links give it, before it has it; what that one fails to give as with rarestFirst";

pub(super) fn rule() -> &'static dyn Selection {
    &Supplier
}

#[derive(Debug)]
struct Supplier;

impl Selection for Supplier {
    fn order(&self, positions: u32, seed: u64) -> Order {
        rarest_first::rule().order(positions, seed)
    }

    fn levels(&self, neighbours: usize) -> usize {
        rarest_first::rule().levels(neighbours)
    }

    fn level(&self, chunk: &Missing) -> usize {
        rarest_first::rule().level(chunk)
    }

    fn has_suppliers(&self) -> bool {
        true
    }
}
