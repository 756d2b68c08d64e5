//! Random order.

use super::{Missing, Order, Selection};

pub(super) const SENTENCE: &str = "any, in an order that each peer draws for each round";

pub(super) fn rule() -> &'static dyn Selection {
    &Random
}

#[derive(Debug)]
struct Random;

impl Selection for Random {
    fn order(&self, positions: u32, seed: u64) -> Order {
        Order::random(positions, seed)
    }

    fn levels(&self, _: usize) -> usize {
        1
    }

    fn level(&self, _: &Missing) -> usize {
        0
    }
}
