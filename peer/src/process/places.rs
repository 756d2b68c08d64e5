//! Where a peer keeps what.

use std::path::PathBuf;

use crate::checkpoint::Folder;

/// Three folders, which may be one.
#[derive(Clone, Debug)]
pub struct Places {
    /// For the metrics file, and the peer's own final model when the manifest wants it.
    pub records: PathBuf,
    /// For checkpoints.
    pub checkpoints: Folder,
    /// For chunks that do not fit into memory; nothing is left there.
    pub scratch: PathBuf,
}

impl Places {
    /// All in one folder.
    pub fn all_in(folder: PathBuf) -> Self {
        Self {
            records: folder.clone(),
            checkpoints: Folder::at(&folder),
            scratch: folder,
        }
    }
}
