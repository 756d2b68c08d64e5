//! Models of closed rounds, made once more for neighbours that catch up.

use std::{io, sync::Arc};

use fltorrent_swarm::{Bitfield, ChunkId, ChunkLayout};
use thiserror::Error;

use super::Driver;
use crate::{
    aggregate::{Aggregation, Fold, FoldError, Updates},
    last_model::Model,
    store::{ChunkStore, RoundHold, StoreError},
    train::little_endian,
};

/// Why a model cannot be made once more.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
enum MakeError {
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error("a chunk of it cannot be kept")]
    Store(#[from] StoreError),
    #[error("it cannot be read back")]
    Kept(#[source] io::Error),
}

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
    hold: RoundHold,
    pub(super) round: u32,
    pub(super) model: [u8; 32],
    pub(super) hashes: Vec<[u8; 32]>,
}

/// Where the values of a model come from.
enum Source {
    /// The updates of its round, which are in the store: they are folded once more.
    Updates(Box<dyn Aggregation>, Closed),
    /// The training thread, which has made it.
    Made(Model),
}

impl Driver {
    /// A neighbour that catches up wants the model of a round.
    pub(super) fn make_model(&mut self, round: u32) {
        self.wanted = None;
        let closed = self.last_closed.iter().flatten().find(|closed| closed.round == round);
        let is_held = self.held.contains_key(&round);
        let source = match (self.parts.last_model.of(round), closed) {
            (Some(model), _) => Source::Made(model),
            (None, Some(closed)) if is_held => Source::Updates((self.parts.rule)(), closed.clone()),
            // The training thread is about to fold it, or to take it over.
            (None, _) => {
                self.wanted = Some(round);
                return;
            }
        };
        let (store, layout) = (self.parts.store.clone(), *self.parts.swarm.layout());
        let (origin, made) = (self.parts.swarm.peers(), self.made.0.clone());
        let hold = store.hold(round);
        tokio::task::spawn_blocking(move || match make(&store, &layout, origin, source, hold) {
            // The driver has gone when it does not take this.
            Ok(model) => drop(made.blocking_send(model)),
            Err(error) => {
                let error = crate::chain(&error);
                tracing::warn!(round, error, "the model cannot be made once more");
            }
        });
    }

    /// The training thread has made the model of a round.
    pub(super) fn model_is_there(&mut self, round: u32) {
        if self.parts.last_model.of(round).is_some() {
            let now = self.now();
            self.parts.swarm.keeps_model(now, round);
        }
        if self.wanted == Some(round) {
            self.make_model(round);
        }
    }

    /// Offers a model to those who catch up.
    pub(super) fn offer(&mut self, made: Made) {
        let (now, round) = (self.now(), made.round);
        if self.parts.swarm.offer_model(now, round, made.model, made.hashes) {
            self.held.entry(round).or_insert(made.hold);
        }
    }
}

/// Cuts a model into chunks, as the update of an origin that there is not.
fn make(
    store: &ChunkStore,
    layout: &ChunkLayout,
    origin: u32,
    source: Source,
    hold: RoundHold,
) -> Result<Made, MakeError> {
    let round = hold.round();
    let mut whole = blake3::Hasher::new();
    let mut hashes = Vec::with_capacity(layout.chunks() as usize);
    let mut add = |index, data: Vec<u8>| {
        whole.update(&data);
        hashes.push(*blake3::hash(&data).as_bytes());
        store.put(ChunkId { round, origin, index }, data.into())
    };
    let ranges = (0..layout.chunks()).map(|index| (index, layout.range(index)));
    match source {
        Source::Made(model) => {
            for (index, range) in ranges {
                add(index, model.bytes(range).map_err(MakeError::Kept)?)?;
            }
        }
        Source::Updates(mut rule, closed) => {
            let updates = Updates::new(store, layout, round, &closed.samples).only(closed.set.as_ref());
            let mut fold = Fold::new(rule.as_mut(), updates)?;
            for (index, range) in ranges {
                let values = fold.next((range.end - range.start) as usize)?;
                add(index, little_endian(&values).into_owned())?;
            }
        }
    }
    Ok(Made {
        hold,
        round,
        model: *whole.finalize().as_bytes(),
        hashes,
    })
}
