//! Paths of a command line and of the environment, which stand for themselves.

use std::path::Path;

use fltorrent_crds::plan;

/// A part of a path that a shell was meant to expand; none when something of this very name exists.
#[must_use]
pub fn unexpanded(path: &Path) -> Option<&str> {
    let part = path.to_str().and_then(plan::unexpanded)?;
    let named = path.ancestors().filter(|ancestor| {
        let name = ancestor.file_name().unwrap_or_default();
        name.to_string_lossy().contains(part)
    });
    let is_there = named.last().is_some_and(Path::exists);
    (!is_there).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_expanded_unless_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("$HOME");
        std::fs::create_dir(&there).unwrap();
        for path in ["runs/x".into(), "./~".into(), there.join("new")] {
            assert_eq!(unexpanded(&path), None);
        }
        for (path, part) in [
            ("~/x".into(), "~"),
            ("~nobody/x".into(), "~nobody"),
            (folder.path().join("${USER}/x"), "${USER}"),
        ] {
            assert_eq!(unexpanded(&path), Some(part));
        }
    }
}
