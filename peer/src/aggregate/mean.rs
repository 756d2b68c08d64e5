//! FedAvg: the mean of the updates weighted by their signed sample counts.
//!
//! McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data" (AISTATS 2017),
//! algorithm 1. Over the updates that are there, so that without one the others weigh more.

use super::{Aggregation, Column};
use crate::store::StoreError;

pub(super) struct WeightedMean;

impl Aggregation for WeightedMean {
    fn column(&mut self, column: &Column<'_>, out: &mut [f64]) -> Result<(), StoreError> {
        let mut total = 0;
        for part in column.parts() {
            let part = part?;
            let weight = part.samples as f64;
            for (sum, value) in out.iter_mut().zip(part.values()) {
                *sum += weight * f64::from(value);
            }
            total += u128::from(part.samples);
        }
        let total = total as f64;
        for sum in out {
            *sum /= total;
        }
        Ok(())
    }
}
