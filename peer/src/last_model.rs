//! The model that the training thread made last, for neighbours that catch up.
//!
//! The chunks from which it was made may be released by then: who dies and comes back while too few take part finds nobody who
//! could close another round.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The model of a round, in declared order.
type Model = (u32, Arc<Vec<f32>>);

/// A place for one model, shared by the training thread and the driver.
#[derive(Clone, Debug, Default)]
pub struct LastModel(Arc<Mutex<Option<Model>>>);

impl LastModel {
    fn slot(&self) -> MutexGuard<'_, Option<Model>> {
        // Every change is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of the one before.
    pub fn keep(&self, round: u32, model: Vec<f32>) {
        *self.slot() = Some((round, Arc::new(model)));
    }

    /// A round changes nothing: its model is the one before.
    pub fn stays(&self, round: u32) {
        if let Some((of, _)) = self.slot().as_mut() {
            *of = round;
        }
    }

    /// Makes room for the next one.
    pub fn clear(&self) {
        *self.slot() = None;
    }

    /// The model of a round, if it is the last one.
    #[must_use]
    pub fn of(&self, round: u32) -> Option<Arc<Vec<f32>>> {
        let slot = self.slot();
        let (_, model) = slot.as_ref().filter(|(of, _)| *of == round)?;
        Some(Arc::clone(model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_model_is_there() {
        let last = LastModel::default();
        assert!(last.of(0).is_none());
        last.keep(3, vec![1.0, 2.0]);
        assert_eq!(last.of(3).as_deref(), Some(&vec![1.0, 2.0]));
        assert!(last.of(2).is_none());
        last.stays(4);
        assert!(last.of(4).is_some());
        last.clear();
        assert!(last.of(4).is_none());
    }
}
