//! Aggregation: the updates of a round made one model, column by column.
//!
//! An [`Aggregation`] is the rule; [`Fold`] drives it, rounds each value once to f32 and refuses what is not finite. Origins
//! come in their order and elements are f64, so that the result has the same bits on all peers whatever the order in which
//! chunks came. Memory is what a rule keeps of one column.

mod mean;
mod updates;

use fltorrent_crds::aggregation::Aggregation as Choice;
use thiserror::Error;

use crate::store::StoreError;
pub use updates::{Column, Part, Updates};

/// A rule that makes one model of the updates of a round.
pub trait Aggregation: Send {
    /// Reads whole updates before the first column is asked for, as a rule by distances has to.
    ///
    /// # Errors
    /// When a chunk is missing or cannot be read.
    fn survey(&mut self, _updates: &Updates<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes one value of each element of a column. `out` is as long as the column, and zero.
    ///
    /// # Errors
    /// When a chunk is missing or cannot be read.
    fn column(&mut self, column: &Column<'_>, out: &mut [f64]) -> Result<(), StoreError>;
}

/// The rule that a plan names.
#[must_use]
pub fn rule(choice: &Choice) -> Box<dyn Aggregation> {
    match choice {
        // What FedProx adds is in the training.
        Choice::Fedavg(_) | Choice::Fedprox(_) => Box::new(mean::WeightedMean),
    }
}

/// The rule that gives a single update as it is.
#[must_use]
pub fn alone() -> impl Aggregation {
    mean::WeightedMean
}

/// Why there is no new model.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum FoldError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "value {position} of peer {origin}'s own update is {found}: its training gave NaN or infinity; lower training.learningRate"
    )]
    Update { origin: u32, position: u64, found: f32 },
    #[error(
        "value {position} of their aggregate is {found}, although all of them are finite; expected a finite number: use a machine that computes correctly"
    )]
    NotFinite { position: u64, found: f32 },
}

/// The model that a rule makes of a round's updates, from its first element to its last.
pub struct Fold<'a> {
    rule: &'a mut dyn Aggregation,
    updates: Updates<'a>,
    /// Those that are left.
    columns: Box<dyn Iterator<Item = Column<'a>> + 'a>,
    /// Values that were given.
    position: u64,
    /// The last column's result.
    column: Vec<f64>,
    /// Elements of it that were given.
    given: usize,
}

impl<'a> Fold<'a> {
    /// Of these updates by that rule.
    ///
    /// # Errors
    /// When a chunk that the rule reads beforehand is missing or cannot be read.
    pub fn new(rule: &'a mut dyn Aggregation, updates: Updates<'a>) -> Result<Self, FoldError> {
        rule.survey(&updates)?;
        Ok(Self {
            rule,
            updates,
            columns: Box::new(updates.columns()),
            position: 0,
            column: Vec::new(),
            given: 0,
        })
    }

    /// The next `count` elements; fewer where the layout has no more.
    ///
    /// # Errors
    /// When a chunk is missing or cannot be read, or a value is no finite number.
    pub fn next(&mut self, count: usize) -> Result<Vec<f32>, FoldError> {
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            if self.given == self.column.len() {
                let Some(column) = self.columns.next() else {
                    break;
                };
                let range = column.range();
                self.column.clear();
                self.column.resize((range.end - range.start) as usize, 0.0);
                self.given = 0;
                self.rule.column(&column, &mut self.column)?;
            }
            let left = &self.column[self.given..];
            let part = &left[..left.len().min(count - values.len())];
            values.extend(part.iter().map(|&value| value as f32));
            self.given += part.len();
        }
        self.check(&values)?;
        self.position += values.len() as u64;
        Ok(values)
    }

    fn check(&self, values: &[f32]) -> Result<(), FoldError> {
        // No way out of the loop: so the compiler takes many at once.
        if values.iter().fold(true, |all, value| all & value.is_finite()) {
            return Ok(());
        }
        let found = (self.position..).zip(values);
        match found.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((position, &found)) => Err(self.cause(position, found)?),
            None => Ok(()),
        }
    }

    /// Why a value of the result is not finite.
    fn cause(&self, position: u64, found: f32) -> Result<FoldError, StoreError> {
        let mut columns = self.updates.columns();
        if let Some(column) = columns.find(|column| column.range().contains(&position)) {
            let at = (position - column.range().start) as usize;
            for part in column.parts() {
                let part = part?;
                if let Some(found) = part.values().nth(at).filter(|own| !own.is_finite()) {
                    return Ok(FoldError::Update {
                        origin: part.origin,
                        position,
                        found,
                    });
                }
            }
        }
        Ok(FoldError::NotFinite { position, found })
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_swarm::{ChunkId, ChunkLayout};

    use super::*;
    use crate::{buffers::Buffers, store::ChunkStore};

    fn mean(
        store: &ChunkStore,
        layout: &ChunkLayout,
        samples: &[Option<u64>],
        counts: &[usize],
    ) -> Result<Vec<f32>, FoldError> {
        let mut rule = rule(&Choice::default());
        let mut fold = Fold::new(rule.as_mut(), Updates::new(store, layout, 3, samples))?;
        let mut values = Vec::new();
        for &count in counts {
            values.extend(fold.next(count)?);
        }
        Ok(values)
    }

    fn store_of(layout: &ChunkLayout, updates: &[Vec<f32>], order: impl Iterator<Item = u32>) -> ChunkStore {
        let store = ChunkStore::new(std::env::temp_dir(), u64::MAX, &Buffers::new(64), 0);
        for position in order {
            let (origin, index) = (position / layout.chunks(), position % layout.chunks());
            let range = layout.range(index);
            let part = &updates[origin as usize][range.start as usize..range.end as usize];
            let data: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
            store
                .put(
                    ChunkId {
                        round: 3,
                        origin,
                        index,
                    },
                    data.into(),
                )
                .unwrap();
        }
        store
    }

    #[test]
    fn the_mean_is_weighted_and_does_not_depend_on_the_order_of_arrival() {
        let layout = ChunkLayout::new(7, 3).unwrap();
        let updates: Vec<Vec<f32>> = (0..4)
            .map(|origin| (0..7).map(|at| 0.1 * at as f32 + 1.7 * origin as f32).collect())
            .collect();
        let weights = [3, 1, 400, 17];
        let mut results = Vec::new();
        for order in [(0..12).collect::<Vec<u32>>(), (0..12).rev().collect()] {
            let store = store_of(&layout, &updates, order.into_iter());
            // The whole; and in parts that are no chunks, and beyond the end.
            for counts in [&[7][..], &[2, 0, 4, 9, 1]] {
                results.push(mean(&store, &layout, &weights.map(Some), counts).unwrap());
            }
        }
        assert!(results.iter().all(|result| *result == results[0]));
        for at in 0..7 {
            let sum = updates
                .iter()
                .zip(weights)
                .fold(0.0, |sum, (u, w)| sum + w as f64 * f64::from(u[at]));
            assert_eq!(results[0][at], (sum / 421.0) as f32);
        }
    }

    #[test]
    fn sums_of_weights_do_not_wrap_and_a_mean_that_is_no_number_is_an_error() {
        let layout = ChunkLayout::new(4, 2).unwrap();
        let updates = [vec![1.0; 4], vec![3.0; 4]];
        let store = store_of(&layout, &updates, 0..4);
        let mean = |samples: [Option<u64>; 2]| mean(&store, &layout, &samples, &[4]);
        // Half of 2^64 twice is 0 in 64 bits.
        assert_eq!(mean([Some(1 << 63); 2]).unwrap(), [2.0; 4]);
        for nothing in [[Some(0); 2], [None; 2]] {
            let error = mean(nothing).unwrap_err().to_string();
            let words = "value 0 of their aggregate is NaN";
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn without_an_origin_the_others_weigh_more_and_its_chunks_are_not_read() {
        let layout = ChunkLayout::new(4, 2).unwrap();
        let updates = [vec![1.0; 4], vec![100.0; 4], vec![4.0; 4]];
        // All but origin 1's.
        let order = (0..2).chain(4..6);
        let store = store_of(&layout, &updates, order);
        let samples = [Some(1), None, Some(2)];
        assert_eq!(mean(&store, &layout, &samples, &[4]).unwrap(), [3.0; 4]);
        let error = mean(&store, &layout, &[Some(1); 3], &[4]).unwrap_err();
        let words = "chunk 0 of origin 1 in round 3 is not in the store";
        assert_eq!(error.to_string(), words);
    }

    #[test]
    fn an_update_that_is_not_finite_is_named_by_its_origin() {
        let layout = ChunkLayout::new(4, 2).unwrap();
        let updates = [vec![1.0; 4], vec![1.0, 1.0, 1.0, f32::INFINITY]];
        let store = store_of(&layout, &updates, 0..4);
        let mean = |counts| mean(&store, &layout, &[Some(7); 2], counts);
        assert_eq!(mean(&[3]).unwrap(), [1.0; 3]);
        let error = mean(&[3, 1]).unwrap_err().to_string();
        assert_eq!(
            error,
            "value 3 of peer 1's own update is inf: its training gave NaN or infinity; lower training.learningRate"
        );
    }
}
