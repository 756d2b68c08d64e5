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
        let mut parts = column.parts();
        // Two at a time: the sums are longer than what they are made of, and go through memory half as often.
        while let Some(first) = parts.next().transpose()? {
            total += u128::from(first.samples);
            let first_weight = first.samples as f64;
            let sums = out.iter_mut().zip(first.values());
            match parts.next().transpose()? {
                None => sums.for_each(|(sum, value)| *sum += first_weight * f64::from(value)),
                Some(second) => {
                    total += u128::from(second.samples);
                    let second_weight = second.samples as f64;
                    for ((sum, first), second) in sums.zip(second.values()) {
                        let with_first = *sum + first_weight * f64::from(first);
                        *sum = with_first + second_weight * f64::from(second);
                    }
                }
            }
        }
        let total = total as f64;
        for sum in out {
            *sum /= total;
        }
        Ok(())
    }
}
