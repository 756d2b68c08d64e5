//! One ring: as few edges as keep connected what the group held together when one more of them is lost.

use super::Rewiring;

pub(super) const SENTENCE: &str = "in a ring around it, each to two others";

pub(super) fn rule() -> &'static dyn Rewiring {
    &Ring
}

#[derive(Debug)]
struct Ring;

impl Rewiring for Ring {
    fn rings(&self, _lost: usize) -> usize {
        1
    }
}
