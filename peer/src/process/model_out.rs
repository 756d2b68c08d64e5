//! Where the final model goes, and who of those that have it writes it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use fltorrent_crds::plan::ModelPlan;

use crate::train::safetensors::{SaveError, save_model};

/// Where the final model goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelOut {
    /// A file of this peer alone.
    Own(PathBuf),
    /// A file of the first peer of those whose updates are in the model, which all of them know alike: in a cluster no file is that of all.
    /// Who does not know it writes the same into its own.
    OfFirst(PathBuf),
    /// One file of all peers of a launcher. Whoever ends first writes it, so that it is there whoever is lost.
    Shared(PathBuf),
}

impl ModelOut {
    /// Whether a peer writes it, where the first of the last round is that one, or nobody knows who.
    pub(super) fn is_for(&self, index: u32, first: Option<u32>) -> bool {
        first.is_none_or(|first| first == index) || !matches!(self, Self::OfFirst(_))
    }

    pub(super) fn write(&self, model: &ModelPlan, parameters: &[f32]) -> Result<(), SaveError> {
        let path = match self {
            Self::Own(path) | Self::OfFirst(path) => return save_model(path, model, parameters),
            Self::Shared(path) => path,
        };
        // Where nobody can be kept waiting, several write it: they write the same.
        let _turn = turn(path);
        match path.exists() {
            true => Ok(()),
            false => save_model(path, model, parameters),
        }
    }
}

/// Waits until no other peer writes; whoever dies while it does is not waited for.
fn turn(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use fltorrent_crds::Plan;

    use super::*;

    #[test]
    fn of_all_that_share_a_file_the_first_writes_it() {
        let manifest = include_str!("../../../examples/quickstart.yaml");
        let (_, plan) = Plan::load_with(manifest, &[], crate::extend::installed()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let parameters = vec![0.5; plan.model.parameters as usize];
        let shared = ModelOut::Shared(path.clone());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| shared.write(&plan.model, &parameters).unwrap());
            }
        });
        let first = fs::read(&path).unwrap();
        shared.write(&plan.model, &vec![1.5; parameters.len()]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let own = ModelOut::Own(path.clone());
        own.write(&plan.model, &vec![1.5; parameters.len()]).unwrap();
        assert_ne!(fs::read(&path).unwrap(), first);
        let firsts = [Some(3), None, Some(0)];
        assert_eq!(firsts.map(|first| own.is_for(3, first)), [true; 3]);
        let of_first = ModelOut::OfFirst(path);
        assert_eq!(firsts.map(|first| of_first.is_for(3, first)), [true, true, false]);
    }
}
