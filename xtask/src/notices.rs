//! The licence texts of what is linked in, as most licences ask for.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::dependencies::Dependency;

/// Prefixes of the files that a licence wants passed on.
const NAMES: [&str; 4] = ["licen", "copying", "notice", "copyright"];

/// All texts, each under its crate's name.
pub(crate) fn notices(dependencies: &[Dependency]) -> Result<String, String> {
    let mut text = String::new();
    for Dependency {
        name, version, license, ..
    } in dependencies
    {
        text += &format!("===== {name} {version}: {license}\n\n");
        let crate_ = format!("{name}-{version}");
        let folder = source(&crate_).map_err(|error| format!("the source of {crate_}: {error}"))?;
        let found = files(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if found.is_empty() {
            text += "Its source has no text of the licence, which is that of this name in the list at spdx.org/licenses.\n\n";
        }
        for file in found {
            let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            text += String::from_utf8_lossy(&bytes).trim();
            text += "\n\n";
        }
    }
    Ok(text)
}

/// Where Cargo has unpacked a crate.
fn source(crate_: &str) -> io::Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map_or_else(
        || Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    for registry in fs::read_dir(home.join("registry/src"))? {
        let folder = registry?.path().join(crate_);
        if folder.is_dir() {
            return Ok(folder);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Those of a crate, and of code by others in its subfolders.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else if NAMES.iter().any(|start| name.starts_with(start)) && !name.ends_with(".rs") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
