//! Models of closed rounds, made once more for neighbours that catch up.

use std::sync::Arc;

use fltorrent_swarm::{Bitfield, ChunkId, ChunkLayout};
use tokio::sync::mpsc;

use crate::{
    aggregate::{Aggregation, Fold, FoldError, Updates},
    store::ChunkStore,
};

/// Makes the rule that folds a round.
pub type Rule = Arc<dyn Fn() -> Box<dyn Aggregation> + Send + Sync>;

/// What is folded of a closed round.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) round: u32,
    pub(super) samples: Vec<Option<u64>>,
    pub(super) set: Option<Bitfield>,
}

/// A model whose chunks are in the store.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) round: u32,
    pub(super) model: [u8; 32],
    pub(super) hashes: Vec<[u8; 32]>,
}

/// Folds a round on a thread of the pool; where that fails, nothing is sent.
pub(super) fn make(store: ChunkStore, layout: ChunkLayout, rule: &Rule, closed: Closed, made: mpsc::Sender<Made>) {
    let (mut rule, hold) = (rule(), store.hold(closed.round));
    tokio::task::spawn_blocking(move || match fold(&store, &layout, rule.as_mut(), &closed) {
        // The driver has gone when it does not take this.
        Ok(model) => drop((made.blocking_send(model), hold)),
        Err(error) => {
            let round = closed.round;
            tracing::warn!(
                round,
                error = crate::chain(&error),
                "the model cannot be made once more"
            );
        }
    });
}

fn fold(
    store: &ChunkStore,
    layout: &ChunkLayout,
    rule: &mut dyn Aggregation,
    closed: &Closed,
) -> Result<Made, FoldError> {
    let round = closed.round;
    let updates = Updates::new(store, layout, round, &closed.samples).only(closed.set.as_ref());
    let mut fold = Fold::new(rule, updates)?;
    let mut whole = blake3::Hasher::new();
    let mut hashes = Vec::with_capacity(layout.chunks() as usize);
    for index in 0..layout.chunks() {
        let range = layout.range(index);
        let values = fold.next((range.end - range.start) as usize)?;
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        whole.update(&data);
        hashes.push(*blake3::hash(&data).as_bytes());
        let origin = closed.samples.len() as u32;
        store.put(ChunkId { round, origin, index }, data.into())?;
    }
    Ok(Made {
        round,
        model: *whole.finalize().as_bytes(),
        hashes,
    })
}
