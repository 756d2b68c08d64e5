//! FedAvg, chunk by chunk: the mean of the updates weighted by their signed sample counts.
//!
//! McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data" (AISTATS 2017),
//! algorithm 1. Each element is summed in peer order in f64 and rounded once, so that the result has the same bits on
//! all peers whatever the order in which chunks came. Memory is one column: the same chunk of all origins.

use bytes::Bytes;
use fltorrent_swarm::{ChunkId, ChunkLayout};
use thiserror::Error;

use crate::store::{ChunkStore, StoreError};

/// Why there is no mean.
#[derive(Debug, Error)]
pub enum FoldError {
    /// A chunk is missing or cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An origin's update is not finite. The swarm refuses those of others, so that it is this peer's own.
    #[error(
        "value {position} of peer {origin}'s own update is {found}: its training gave NaN or infinity; lower training.learningRate"
    )]
    Update {
        /// Whose.
        origin: u32,
        /// Which value of the model, from 0.
        position: u64,
        /// What it is.
        found: f32,
    },
    /// Every update is finite, so that this is no peer's training.
    #[error(
        "value {position} of their mean is {found}, although all of them are finite: they weigh {total} samples together; expected 1 or more, and a machine that computes rightly"
    )]
    NotFinite {
        /// Which value of the model, from 0.
        position: u64,
        /// What it is.
        found: f32,
        /// The sum of the weights.
        total: u128,
    },
}

/// The mean of a round's updates, from its first element to its last.
#[derive(Debug)]
pub struct FedAvg<'a> {
    store: &'a ChunkStore,
    layout: &'a ChunkLayout,
    round: u32,
    weights: &'a [u64],
    /// Their sum.
    total: u128,
    /// Values that were given.
    position: u64,
    /// The next chunk.
    index: u32,
    sums: Vec<f64>,
    /// Elements of `sums` that were given.
    given: usize,
}

impl<'a> FedAvg<'a> {
    /// Of one update of each origin with `weights[origin]` samples.
    pub fn new(
        store: &'a ChunkStore,
        layout: &'a ChunkLayout,
        round: u32,
        weights: &'a [u64],
    ) -> Self {
        Self {
            store,
            layout,
            round,
            weights,
            total: weights.iter().map(|&weight| u128::from(weight)).sum(),
            position: 0,
            index: 0,
            sums: Vec::new(),
            given: 0,
        }
    }

    /// The next `count` elements; fewer where the layout has no more.
    ///
    /// # Errors
    /// When a chunk is missing or cannot be read, or a value is no finite number.
    pub fn next(&mut self, count: usize) -> Result<Vec<f32>, FoldError> {
        let total = self.total as f64;
        let mut values = Vec::with_capacity(count);
        while values.len() < count {
            if self.given == self.sums.len() {
                if self.index == self.layout.chunks() {
                    break;
                }
                self.fold()?;
            }
            let left = &self.sums[self.given..];
            let part = &left[..left.len().min(count - values.len())];
            values.extend(part.iter().map(|sum| (sum / total) as f32));
            self.given += part.len();
        }
        self.check(&values)?;
        self.position += values.len() as u64;
        Ok(values)
    }

    fn check(&self, values: &[f32]) -> Result<(), FoldError> {
        // No way out of the loop: so the compiler takes many at once.
        if values
            .iter()
            .fold(true, |all, value| all & value.is_finite())
        {
            return Ok(());
        }
        let found = (self.position..).zip(values);
        match found.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((position, &found)) => Err(self.cause(position, found)?),
            None => Ok(()),
        }
    }

    /// Why a value of the mean is not finite.
    fn cause(&self, position: u64, found: f32) -> Result<FoldError, StoreError> {
        let index = (0..self.layout.chunks())
            .find(|&index| self.layout.range(index).contains(&position))
            .unwrap_or_default();
        let at = 4 * (position - self.layout.range(index).start) as usize;
        for (origin, _) in (0u32..).zip(self.weights) {
            let data = self.column(origin, index)?;
            let own = data.get(at..at + 4).and_then(|it| it.try_into().ok());
            let own = own.map(f32::from_le_bytes);
            if let Some(found) = own.filter(|own| !own.is_finite()) {
                return Ok(FoldError::Update {
                    origin,
                    position,
                    found,
                });
            }
        }
        Ok(FoldError::NotFinite {
            position,
            found,
            total: self.total,
        })
    }

    fn column(&self, origin: u32, index: u32) -> Result<Bytes, StoreError> {
        self.store.get(ChunkId {
            round: self.round,
            origin,
            index,
        })
    }

    /// Sums the next chunk of all origins.
    fn fold(&mut self) -> Result<(), StoreError> {
        let range = self.layout.range(self.index);
        self.sums.clear();
        self.sums.resize((range.end - range.start) as usize, 0.0);
        self.given = 0;
        for (origin, &weight) in (0u32..).zip(self.weights) {
            let data = self.column(origin, self.index)?;
            add(&mut self.sums, weight as f64, &data);
        }
        self.index += 1;
        Ok(())
    }
}

/// Adds `weight` times the little-endian f32 in `data`.
fn add(sums: &mut [f64], weight: f64, data: &Bytes) {
    for (sum, element) in sums.iter_mut().zip(data.chunks_exact(4)) {
        let element = f32::from_le_bytes([element[0], element[1], element[2], element[3]]);
        *sum += weight * f64::from(element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::Buffers;

    fn store_of(
        layout: &ChunkLayout,
        updates: &[Vec<f32>],
        order: impl Iterator<Item = u32>,
    ) -> ChunkStore {
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
            .map(|origin| {
                (0..7)
                    .map(|at| 0.1 * at as f32 + 1.7 * origin as f32)
                    .collect()
            })
            .collect();
        let weights = [3, 1, 400, 17];
        let mut results = Vec::new();
        for order in [(0..12).collect::<Vec<u32>>(), (0..12).rev().collect()] {
            let store = store_of(&layout, &updates, order.into_iter());
            results.push(FedAvg::new(&store, &layout, 3, &weights).next(7).unwrap());
            // In parts that are no chunks, and beyond the end.
            let mut fold = FedAvg::new(&store, &layout, 3, &weights);
            let parts: Vec<f32> = [2, 0, 4, 9, 1]
                .into_iter()
                .flat_map(|count| fold.next(count).unwrap())
                .collect();
            results.push(parts);
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
        let mean = |weights: &[u64]| FedAvg::new(&store, &layout, 3, weights).next(4);
        // Half of 2^64 twice is 0 in 64 bits.
        assert_eq!(mean(&[1 << 63, 1 << 63]).unwrap(), [2.0; 4]);
        let error = mean(&[0, 0]).unwrap_err().to_string();
        assert!(error.starts_with("value 0 of their mean is NaN"), "{error}");
        assert!(error.contains("weigh 0 samples"), "{error}");
    }

    #[test]
    fn an_update_that_is_not_finite_is_named_by_its_origin() {
        let layout = ChunkLayout::new(4, 2).unwrap();
        let updates = [vec![1.0; 4], vec![1.0, 1.0, 1.0, f32::INFINITY]];
        let store = store_of(&layout, &updates, 0..4);
        let mut fold = FedAvg::new(&store, &layout, 3, &[7, 7]);
        assert_eq!(fold.next(3).unwrap(), [1.0; 3]);
        let error = fold.next(1).unwrap_err().to_string();
        assert_eq!(
            error,
            "value 3 of peer 1's own update is inf: its training gave NaN or infinity; lower training.learningRate"
        );
    }

    #[test]
    fn a_missing_chunk_is_named() {
        let layout = ChunkLayout::new(4, 2).unwrap();
        let store = store_of(&layout, &[vec![0.0; 4]], 0..2);
        let error = FedAvg::new(&store, &layout, 3, &[1, 1])
            .next(4)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunk 0 of origin 1 in round 3 is not in the store"
        );
    }
}
