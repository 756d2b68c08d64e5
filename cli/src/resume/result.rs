//! What a finished run leaves, whether it is there, and what writes what is missing of it.

use std::path::PathBuf;

use fltorrent_crds::{Plan, plan::InitFromPlan};
use fltorrent_peer::{
    checkpoint::{self, Common, Folder, Resume},
    train::{
        model_hash,
        safetensors::{self, SaveError},
    },
};
use fltorrent_records::report::ModelHash;
use fltorrent_report as report;
use thiserror::Error;

use crate::launcher::Results;

/// Why a result cannot be completed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ResultError {
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::ResumeError),
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// True if everything that the run leaves is there, and of its last round.
pub(super) fn is_there(results: &Results, plan: &Plan, common: &Common) -> bool {
    missing(results, plan, common).next().is_none()
        && results.path().join(report::FILE).is_file()
        && tells_of(results, common)
}

/// Writes the models that are not there, or are of an earlier round, from the checkpoints.
///
/// # Errors
/// When a checkpoint cannot be read or a model not be written.
pub fn write_models(results: &Results, plan: &Plan, common: &Common) -> Result<(), ResultError> {
    for (peer, path) in missing(results, plan, common) {
        let folder = Folder::at(&results.peers());
        let loaded = checkpoint::load(&folder, peer, plan, Resume::After(common.rounds))?;
        safetensors::save_model(&path, &plan.model, &loaded.parameters)?;
    }
    Ok(())
}

/// The models that are not there as the last round left them, with the peer that would have written each.
fn missing(results: &Results, plan: &Plan, common: &Common) -> impl Iterator<Item = (u32, PathBuf)> {
    let own = plan
        .peers
        .iter()
        .filter(|_| plan.output.peer_models)
        .map(|peer| (peer.index, results.of_peer(peer.index, "safetensors")));
    std::iter::once((0, results.model()))
        .chain(own)
        .filter(|(_, path)| !is_model(path.clone(), plan, common))
}

fn is_model(path: PathBuf, plan: &Plan, common: &Common) -> bool {
    let file = InitFromPlan {
        path: path.display().to_string(),
        sha256: None,
    };
    safetensors::load(&file, &plan.model).is_ok_and(|parameters| model_hash(&parameters) == common.model)
}

/// True if the summary is that of the whole run.
fn tells_of(results: &Results, common: &Common) -> bool {
    results.summary().is_some_and(|summary| {
        let is_complete = matches!(summary["outcome"].as_str(), Some("completed" | "converged"));
        let model = ModelHash::from_bytes(common.model).to_string();
        is_complete && summary["modelHash"] == *model
    })
}
