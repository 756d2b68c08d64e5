//! What takes time before training can begin: the data and the model.

use anyhow::{Context, Result};
use fltorrent_crds::{Plan, shards};
use fltorrent_swarm::ChunkLayout;

use crate::{
    data::{self, Samples, Split},
    train::{Trainer, backend},
};

/// A peer that is ready to train.
pub(super) struct Prepared {
    pub(super) trainer: Box<dyn Trainer>,
    pub(super) shard: Samples,
    pub(super) test_part: Samples,
    pub(super) label_hash: [u8; 32],
    pub(super) layout: ChunkLayout,
}

pub(super) fn prepare(plan: &Plan, index: u32) -> Result<Prepared> {
    let (index_at, peers) = (index as usize, plan.peers.len());
    let labels = data::labels(&plan.data)?;
    let shards = shards::derive(
        &plan.data.partition,
        plan.seed,
        peers,
        &labels.train,
        plan.data.classes,
    )?;
    let test_parts = shards::test_part(plan.seed, peers, labels.test.len() as u32);
    let part = |parts: &[Vec<u32>], split| data::load(&plan.data, &labels, split, &parts[index_at]);
    Ok(Prepared {
        shard: part(&shards, Split::Train)?,
        test_part: part(&test_parts, Split::Test)?,
        label_hash: data::label_hash(&plan.data, &labels),
        trainer: backend::trainer(&plan.model, &plan.training, plan.seed, index)?,
        layout: ChunkLayout::new(plan.model.parameters, plan.exchange.num_chunks)
            .context("exchange.numChunks does not fit the model")?,
    })
}
