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
    let unkept = |source| WorkError::Keep { round, source };
    while trainer.take_first().map_err(trained)?.is_some() {}
    let mut fold = Fold::new(rule, updates).map_err(folded)?;
    let mut hasher = blake3::Hasher::new();
    let kept = last.map(|last| last.begin(trainer.parameters())).transpose();
    let mut kept = kept.map_err(unkept)?;
    for length in trainer.lengths() {
        let values = fold.next(length).map_err(folded)?;
        hasher.update(&little_endian(&values));
        if let Some(kept) = &mut kept {
            kept.add(&values).map_err(unkept)?;
        }
        trainer.push(values).map_err(trained)?;
    }
    if let (Some(last), Some(kept)) = (last, kept) {
        last.keep(round, kept);
    }
    Ok(*hasher.finalize().as_bytes())
}
