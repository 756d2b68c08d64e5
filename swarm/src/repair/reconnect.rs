//! As many neighbours as were lost: each ring gives two of them back.

use super::Rewiring;

pub(super) const SENTENCE: &str =
    "in a ring around it and, where several neighbours were lost together, each to about as many others as it lost";

pub(super) fn rule() -> &'static dyn Rewiring {
    &Reconnect
}

#[derive(Debug)]
struct Reconnect;

impl Rewiring for Reconnect {
    fn rings(&self, lost: usize) -> usize {
        lost.div_ceil(2)
    }
}
