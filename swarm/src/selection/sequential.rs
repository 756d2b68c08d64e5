//! In order of position.

use super::{Missing, Order, Selection};

pub(super) const SENTENCE: &str = "by origin, then by index";

pub(super) fn rule() -> &'static dyn Selection {
    &Sequential
}

#[derive(Debug)]
struct Sequential;

impl Selection for Sequential {
    fn order(&self, positions: u32, _: u64) -> Order {
        Order::sequential(positions)
    }

    fn levels(&self, _: usize) -> usize {
        1
    }

    fn level(&self, _: &Missing) -> usize {
        0
    }
}
