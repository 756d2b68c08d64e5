//! The folders of a peer in a pod, which may be on claims that outlive it.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use fltorrent_crds::Plan;
use fltorrent_peer::{
    checkpoint::{self, Folder, Resume},
    process::Places,
};
use fltorrent_records::file;
use thiserror::Error;

use super::settings::Settings;

/// The run's model, in the output folder of the peer that writes it.
pub(super) const MODEL: &str = "model.safetensors";

/// A folder that cannot be used.
#[derive(Debug, Error)]
#[error(
    "{folder}: cannot be used; mount an emptyDir or a claim at the state folder that the peer's user (65532) may write"
)]
pub(super) struct FolderError {
    folder: String,
    source: io::Error,
}

impl FolderError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let folder = path.display().to_string();
        move |source| Self { folder, source }
    }
}

/// The peer's folders, made as far as they are not there, without what counts no more. A process that is not the first of its attempt keeps
/// what those before it have left.
pub(super) fn furnish(settings: &Settings) -> Result<Places, FolderError> {
    let scratch = Folder::at(&settings.scratch);
    for folder in [&settings.records, &settings.checkpoints, &scratch] {
        folder.make().map_err(FolderError::at(&folder.path()))?;
    }
    let places = Places {
        records: settings.records.path(),
        checkpoints: settings.checkpoints.clone(),
        scratch: settings.scratch.clone(),
    };
    let mark = Mark::of(settings, &places);
    if settings.incarnation == 0 || !mark.is_there() {
        match settings.resume {
            None => forget(&places, &settings.output, settings.index)?,
            // The first process of the attempt drops by itself what it makes again.
            Some(Resume::After(round)) if settings.incarnation > 0 => {
                let figures = record(&places, settings.index, "jsonl");
                file::trim(&figures, round).map_err(FolderError::at(&figures))?;
            }
            Some(_) => {}
        }
        mark.leave()?;
    }
    Ok(places)
}

/// Finished rounds of a peer's newest checkpoints that the next attempt can resume from, the newest first.
pub(super) fn usable(folder: &Folder, index: u32, plan: &Plan) -> Vec<u32> {
    let mut rounds = checkpoint::whole(folder, index, plan);
    rounds.truncate(2);
    rounds
}

/// A file that says of which attempt the others are: the first process of an attempt may have died before it could clear them.
struct Mark {
    path: PathBuf,
    text: String,
}

impl Mark {
    fn of(settings: &Settings, places: &Places) -> Self {
        Self {
            path: record(places, settings.index, "attempt"),
            text: format!("{} {}\n", settings.run, settings.attempt),
        }
    }

    fn is_there(&self) -> bool {
        // One that cannot be read says nothing, and neither does one of another attempt.
        let size = fs::metadata(&self.path).map(|file| file.len());
        size.is_ok_and(|size| size == self.text.len() as u64)
            && fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    fn leave(&self) -> Result<(), FolderError> {
        fs::write(&self.path, &self.text).map_err(FolderError::at(&self.path))
    }
}

fn record(places: &Places, index: u32, extension: &str) -> PathBuf {
    places.records.join(format!("peer-{index}.{extension}"))
}

/// Removes what is on a claim of a time that counts no more: an earlier attempt's figures, checkpoints and models, or those of an experiment
/// that had the name before. A checkpoint that stays would be told at the end, and the next attempt would go on from it; a model that stays
/// would be taken for that of this experiment, however it ends.
fn forget(places: &Places, output: &Path, index: u32) -> Result<(), FolderError> {
    let checkpoints = checkpoint::remove_all(&places.checkpoints, index);
    checkpoints.map_err(FolderError::at(&places.checkpoints.path()))?;
    let records = ["jsonl", "safetensors"].map(|extension| record(places, index, extension));
    for file in records.into_iter().chain([output.join(MODEL)]) {
        match fs::remove_file(&file).map_err(|source| (source.kind(), source)) {
            // A folder is no model; that it is in the way is told once one is written.
            Ok(()) | Err((ErrorKind::NotFound | ErrorKind::IsADirectory, _)) => {}
            Err((_, source)) => return Err(FolderError::at(&file)(source)),
        }
    }
    Ok(())
}
