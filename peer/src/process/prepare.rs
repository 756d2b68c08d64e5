//! The slow part of the start: the data and the model.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use fltorrent_crds::{Plan, plan::Warning, shards};
use fltorrent_swarm::{ChunkLayout, OriginCounts};

use crate::{
    checkpoint::{self, Folder, Resume},
    data::{self, Divided, Samples},
    train::{self, Trainer, model_hash, safetensors},
    worker::Start,
};

/// A peer that is ready to train.
pub(super) struct Prepared {
    pub(super) trainer: Box<dyn Trainer>,
    pub(super) start: Start,
    /// Whether that is a checkpoint.
    pub(super) resumes: bool,
    /// False where that should be one and is not there.
    pub(super) has_first_model: bool,
    pub(super) shard: Samples,
    pub(super) test_part: Samples,
    /// The counts that each peer of the run has to sign.
    pub(super) counts: Arc<[OriginCounts]>,
    pub(super) label_hash: [u8; 32],
    pub(super) layout: ChunkLayout,
}

/// `folder` holds the peer's checkpoints; `resume` says which one it goes on from. With `warns`, what is probably not meant about the
/// data goes into the log.
pub(super) fn prepare(
    plan: &Plan,
    index: u32,
    folder: &Folder,
    (resume, incarnation): (Option<Resume>, u32),
    warns: bool,
) -> Result<Prepared> {
    let (index_at, peers) = (index as usize, plan.peers.len());
    let Divided { labels, shards } = data::divide(plan)?;
    let test_parts = shards::test_part(plan.seed, peers, labels.test.len() as u32);
    let mut trainer = train::trainer(&plan.model, &plan.training, plan.seed, index)?;
    let (start, resumes) = match (start(plan, index, folder, resume, trainer.as_mut()), resume) {
        // Its peer has newer ones by now, or they are gone with the process before. The model comes from the others.
        (Err(error), Some(Resume::After(round))) if incarnation > 0 => {
            tracing::info!("goes on without the checkpoint of the start: {error:#}");
            let fresh = Start::fresh(trainer.as_mut())?;
            (Start { round, ..fresh }, false)
        }
        (start, resume) => (start?, resume.is_some()),
    };
    let (own_train, own_test) = (&shards[index_at], &test_parts[index_at]);
    let (shard, test_part) = data::load_parts(&plan.data, &labels, own_train, own_test)?;
    if warns {
        for Warning { path, message } in data::of_part(plan, &labels, &shard) {
            tracing::warn!("{path}: {message}");
        }
    }
    let counts = shards.iter().zip(&test_parts);
    let counts: Arc<[OriginCounts]> = counts
        .map(|(shard, test)| {
            // A sample of a text has a label at each of its positions.
            let labels = test.len() * test_part.targets();
            OriginCounts {
                samples: shard.len() as u64,
                evaluated: labels as u32,
            }
        })
        .collect();
    if incarnation == 0 {
        check_same_data(&start, counts[index_at])?;
    }
    Ok(Prepared {
        counts,
        shard,
        test_part,
        label_hash: data::label_hash(&plan.data, &labels),
        trainer,
        start,
        resumes,
        has_first_model: resumes || resume.is_none(),
        layout: ChunkLayout::new(plan.model.parameters, plan.exchange.num_chunks)
            .context("exchange.numChunks does not fit the model")?,
    })
}

/// The first metainfo of a run that goes on tells how the checkpoint's model did, and the others know on how many samples it can have been.
fn check_same_data(start: &Start, own: OriginCounts) -> Result<()> {
    let (then, now) = (start.evaluation.total, own.evaluated);
    let is_told = start.round > 0 && !start.is_over;
    ensure!(
        !is_told || then == now,
        "the checkpoint's model was judged on {then} test samples of this peer, and it has {now} now: the data is not what it was; put it back as it was, or start a new run"
    );
    Ok(())
}

/// Where the peer begins; the trainer has that model afterwards.
fn start(plan: &Plan, index: u32, folder: &Folder, resume: Option<Resume>, trainer: &mut dyn Trainer) -> Result<Start> {
    if let Some(resume) = resume {
        let loaded = checkpoint::load(folder, index, plan, resume)?;
        for error in loaded.damaged {
            tracing::warn!("{}; an older checkpoint is used", crate::chain(&error));
        }
        trainer.set(&loaded.parameters)?;
        let header = loaded.header;
        return Ok(Start {
            round: header.rounds,
            model: header.model,
            evaluation: header.evaluation,
            stop: header.stop,
            is_over: loaded.is_over,
        });
    }
    let Some(from) = &plan.init_from else {
        return Ok(Start::fresh(trainer)?);
    };
    let parameters = safetensors::load(from, &plan.model)?;
    trainer.set(&parameters)?;
    Ok(Start {
        model: model_hash(&parameters),
        ..Start::default()
    })
}
