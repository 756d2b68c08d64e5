//! FedAvg, chunk by chunk: the mean of the updates weighted by their signed sample counts.
//!
//! McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data" (AISTATS 2017),
//! algorithm 1. Each element is summed in peer order in f64 and rounded once, so that the result has the same bits on
//! all peers whatever the order in which chunks came. Memory is one column: the same chunk of all origins.

use bytes::Bytes;
use fltorrent_swarm::{ChunkId, ChunkLayout};

use crate::store::{ChunkStore, StoreError};

/// Folds a round's updates, one of each origin with `weights[origin]` samples, into `out`, which has the layout's
/// elements.
///
/// # Errors
/// When a chunk is missing or cannot be read.
pub fn fedavg(
    store: &ChunkStore,
    layout: &ChunkLayout,
    round: u32,
    weights: &[u64],
    out: &mut [f32],
) -> Result<(), StoreError> {
    let mut sums = Vec::new();
    for index in 0..layout.chunks() {
        let range = layout.range(index);
        let (start, end) = (range.start as usize, range.end as usize);
        sums.clear();
        sums.resize(end - start, 0.0);
        for (origin, &weight) in (0u32..).zip(weights) {
            let data = store.get(ChunkId {
                round,
                origin,
                index,
            })?;
            add(&mut sums, weight as f64, &data);
        }
        let total = weights.iter().sum::<u64>() as f64;
        for (value, sum) in out[start..end].iter_mut().zip(&sums) {
            *value = (sum / total) as f32;
        }
    }
    Ok(())
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

    fn store_of(
        layout: &ChunkLayout,
        updates: &[Vec<f32>],
        order: impl Iterator<Item = u32>,
    ) -> ChunkStore {
        let store = ChunkStore::new(std::env::temp_dir(), u64::MAX);
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
            let mut out = vec![0.0; 7];
            fedavg(&store, &layout, 3, &weights, &mut out).unwrap();
            results.push(out);
        }
        assert_eq!(results[0], results[1]);
        for at in 0..7 {
            let sum = updates
                .iter()
                .zip(weights)
                .fold(0.0, |sum, (u, w)| sum + w as f64 * f64::from(u[at]));
            assert_eq!(results[0][at], (sum / 421.0) as f32);
        }
    }

    #[test]
    fn a_missing_chunk_is_named() {
        let layout = ChunkLayout::new(4, 2).unwrap();
        let store = store_of(&layout, &[vec![0.0; 4]], 0..2);
        let error = fedavg(&store, &layout, 3, &[1, 1], &mut [0.0; 4]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunk 0 of origin 1 in round 3 is not in the store"
        );
    }
}
