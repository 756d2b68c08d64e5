//! Nothing is wired anew.

use super::Rewiring;

pub(super) const SENTENCE: &str = "not at all";

pub(super) fn rule() -> &'static dyn Rewiring {
    &None
}

#[derive(Debug)]
struct None;

impl Rewiring for None {
    fn rings(&self, _lost: usize) -> usize {
        0
    }
}
