//! Opens a file of a data set, wherever it is.

use std::path::{Path, PathBuf};

use fltorrent_crds::data::{DataFile, is_url};

use super::{DataError, fetch::Cache, sha256, source::Source};

/// A file of this machine that is what the manifest means.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// How it is called in errors: its path or its URL.
    pub(super) name: String,
    gzipped: bool,
}

/// Fetches the file if it has to be, and checks its hash if there is one.
pub(super) fn find(file: &DataFile) -> Result<Found, DataError> {
    let name = file.path.clone();
    let gzipped = is_gzipped(&name);
    if is_url(&name) {
        let sha256 = file
            .sha256
            .as_deref()
            .ok_or_else(|| DataError::NoHash { file: name.clone() })?;
        let path = Cache::of_user()?.file(&name, sha256)?;
        return Ok(Found { path, name, gzipped });
    }
    let path = PathBuf::from(&name);
    if let Some(expected) = &file.sha256 {
        verify(&path, &name, expected)?;
    }
    Ok(Found { path, name, gzipped })
}

impl Found {
    /// The content, unpacked if its name ends in `.gz`.
    pub(super) fn open(self) -> Result<Source, DataError> {
        let name = self.name.clone();
        Source::open(&self.path, self.name, self.gzipped)?.ok_or(DataError::Absent { file: name })
    }
}

/// Opens `folder/name`, or else `folder/name.gz`; a folder that is a URL has the latter.
pub(super) fn open_in(folder: &str, name: &str, sha256: Option<&str>) -> Result<Source, DataError> {
    if is_url(folder) {
        let path = format!("{}/{name}.gz", folder.trim_end_matches('/'));
        let sha256 = sha256.map(str::to_owned);
        return find(&DataFile { path, sha256 })?.open();
    }
    for gzipped in [false, true] {
        let path = Path::new(folder).join(if gzipped { format!("{name}.gz") } else { name.to_owned() });
        let shown = path.display().to_string();
        // Archives of MNIST have folders with the names of files.
        if path.is_dir() && nearby(&path, name).is_some() {
            continue;
        }
        if let Some(source) = Source::open(&path, shown.clone(), gzipped)? {
            if let Some(expected) = sha256 {
                verify(&path, &shown, expected)?;
            }
            return Ok(source);
        }
    }
    Err(DataError::Missing {
        folder: folder.into(),
        name: name.to_owned(),
        near: nearby(Path::new(folder), name),
    })
}

/// Where a file of this name, or of one that is common for it, is in folders below: `MNIST/raw` as torchvision makes it, or a
/// folder a file.
fn nearby(folder: &Path, name: &str) -> Option<PathBuf> {
    const DEPTH: usize = 3;
    const MOST: usize = 1_000;
    let dotted = name.replacen("-idx", ".idx", 1);
    let names = [
        name.to_owned(),
        format!("{name}.gz"),
        dotted.clone(),
        format!("{dotted}.gz"),
    ];
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        if found.is_some() {
            return found;
        }
        seen += 1;
        if depth == DEPTH || seen > MOST {
            continue;
        }
        let below = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut below: Vec<PathBuf> = below.take(MOST).map(|entry| entry.path()).collect();
        below.sort_unstable_by(|a, b| b.cmp(a));
        folders.extend(below.into_iter().map(|path| (path, depth + 1)));
    }
    None
}

fn verify(path: &Path, name: &str, expected: &str) -> Result<(), DataError> {
    let found = sha256::of_file(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            return DataError::Absent { file: name.to_owned() };
        }
        DataError::Read {
            file: name.to_owned(),
            source,
        }
    })?;
    if found == expected {
        return Ok(());
    }
    Err(DataError::Hash {
        file: name.to_owned(),
        found,
        expected: expected.to_owned(),
    })
}

/// By its name, without what follows the path in a URL.
fn is_gzipped(name: &str) -> bool {
    let path = if is_url(name) {
        name.split(['?', '#']).next().unwrap_or(name)
    } else {
        name
    };
    path.ends_with(".gz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_is_gzipped() {
        assert!(is_gzipped("a/b.csv.gz") && is_gzipped("https://example.org/b.gz?raw=1#x"));
        assert!(!is_gzipped("a/b.csv") && !is_gzipped("https://example.org/b?x=y.gz"));
    }
}
