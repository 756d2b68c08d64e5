//! Claims that are gone: they have no owner and no version that matters, and are made anew like any other object.

use std::sync::{Arc, atomic::Ordering};

use super::context::{Context, Remembered};

impl Context {
    /// A claim of an experiment is gone, as its label says. Returns whether its objects were all there before. Where they are being applied, they
    /// are once more.
    pub fn lost_claim(&self, namespace: &str, experiment: &str) -> bool {
        self.claims_lost.fetch_add(1, Ordering::SeqCst);
        let mut all = self.all();
        let of = |one: &&mut Remembered| {
            let mark = one.mark.as_ref().map(|(_, mark)| mark);
            mark.is_some_and(|mark| mark.is_of(namespace, experiment))
        };
        all.values_mut().find(of).map(forget_claims).is_some()
    }

    /// Which claims are gone is not known: the next look at an experiment makes those that are missing.
    pub fn lost_sight_of_claims(&self) {
        self.claims_lost.fetch_add(1, Ordering::SeqCst);
        self.all().values_mut().for_each(forget_claims);
    }
}

fn forget_claims(of: &mut Remembered) {
    of.claims_gone = true;
    of.claims = Arc::default();
}
