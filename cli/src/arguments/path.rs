//! Paths on the command line.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use fltorrent_crds::plan::unexpanded;

/// Takes a path as it stands, and refuses one that a shell was meant to expand: it does so at the beginning of a word only, not in
/// `--out=~/x`.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(literal)
}

fn literal(path: PathBuf) -> Result<PathBuf, String> {
    match path.to_str().and_then(unexpanded) {
        Some(part) if !is_there(&path, part) => {
            Err(format!("{part} is not expanded here; write the whole path"))
        }
        _ => Ok(path),
    }
}

/// Whether something of this very name is there, which is meant then.
fn is_there(path: &Path, part: &str) -> bool {
    let named = path.ancestors().filter(|ancestor| {
        let name = ancestor.file_name().unwrap_or_default();
        name.to_string_lossy().contains(part)
    });
    named.last().is_some_and(Path::exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_expanded_is_refused_unless_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("$HOME");
        std::fs::create_dir(&there).unwrap();
        for path in ["runs/x".into(), "./~".into(), there.join("new")] {
            assert_eq!(literal(path.clone()), Ok(path));
        }
        for (path, part) in [
            ("~/x".into(), "~ "),
            ("~nobody/x".into(), "~nobody "),
            (folder.path().join("${USER}/x"), "${USER} "),
        ] {
            let error = literal(path).unwrap_err();
            assert!(error.starts_with(part), "{error}");
        }
    }
}
