//! The way of a model from updates into a trainer.

use super::WorkError;
use crate::{
    aggregate::{Aggregation, Fold, Updates},
    last_model::LastModel,
    train::{Trainer, little_endian},
};

/// Gives a trainer the model that a rule makes of updates, tensor by tensor, in place of one that it may have; BLAKE3 of the new one.
pub(super) fn set_model(
    trainer: &mut dyn Trainer,
    rule: &mut dyn Aggregation,
    updates: Updates<'_>,
    round: u32,
    last: Option<&LastModel>,
) -> Result<[u8; 32], WorkError> {
    let trained = |source| WorkError::Train { round, source };
    let folded = |source| WorkError::Fold { round, source };
    while trainer.take_first().map_err(trained)?.is_some() {}
    let mut fold = Fold::new(rule, updates).map_err(folded)?;
    let mut hasher = blake3::Hasher::new();
    let mut kept = Vec::new();
    if let Some(last) = last {
        last.clear();
        kept.reserve_exact(trainer.parameters() as usize);
    }
    for length in trainer.lengths() {
        let values = fold.next(length).map_err(folded)?;
        hasher.update(&little_endian(&values));
        if last.is_some() {
            kept.extend_from_slice(&values);
        }
        trainer.push(values).map_err(trained)?;
    }
    if let Some(last) = last {
        last.keep(round, kept);
    }
    Ok(*hasher.finalize().as_bytes())
}
