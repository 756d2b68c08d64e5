//! Where the files of a benchmark's run are.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A folder that goes with the value, or one that stays.
pub(super) enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    /// The folder `keep`, which is not made here; without it a new one among the temporary files.
    pub(super) fn new(keep: Option<PathBuf>) -> io::Result<Self> {
        keep.map_or_else(|| tempfile::tempdir().map(Self::Temporary), |keep| Ok(Self::Kept(keep)))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}
