//! The crates that are linked into the released programs, as Cargo and the lock file tell them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{cargo, root};

/// The packages of the released programs.
const PACKAGES: [&str; 4] = ["-p", "fltorrent-cli", "-p", "fltorrent-operator"];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression; empty where the crate names a file instead.
    pub(crate) license: String,
    /// SHA-256 of the crate's archive, in hex.
    pub(crate) checksum: String,
}

/// All of them, sorted by name and version. What only builds or derives is no part of a program.
pub(crate) fn dependencies() -> Result<Vec<Dependency>, String> {
    let mut tree = cargo(&["tree", "--quiet", "--locked", "--no-dedupe", "--prefix", "none"]);
    tree.args(["--edges", "normal,no-proc-macro", "--format", "{p}|{l}"]);
    let output = tree.args(PACKAGES).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).map_err(|error| format!("Cargo.lock: {error}"))?;
    Ok(read(&String::from_utf8_lossy(&output.stdout), &lock))
}

/// From Cargo's tree, a line a crate, and the lock file. Crates without a checksum are our own.
fn read(tree: &str, lock: &str) -> Vec<Dependency> {
    let checksums = checksums(lock);
    let found = tree.lines().filter_map(|line| {
        let (package, license) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some(Dependency {
            name: name.to_owned(),
            version: version.to_owned(),
            // Older crates write a slash for OR.
            license: license.replace('/', " OR "),
            checksum: (*checksums.get(&(name, version))?).to_owned(),
        })
    });
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

fn checksums(lock: &str) -> BTreeMap<(&str, &str), &str> {
    let packages = lock.split("[[package]]").filter_map(|package| {
        let field = |key: &str| {
            let mut values = package
                .lines()
                .filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            values.next()?.strip_suffix('"')
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    });
    packages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_registries_are_found_once_and_ours_are_not() {
        let tree = "own v0.1.0 (/somewhere)|Apache-2.0\nb v1.0.0+x|MIT/Apache-2.0\na v2.0.0|MIT\na v2.0.0|MIT";
        let lock = "version = 4\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n
[[package]]\nname = \"a\"\nversion = \"2.0.0\"\nsource = \"r\"\nchecksum = \"aa\"\n
[[package]]\nname = \"b\"\nversion = \"1.0.0+x\"\nsource = \"r\"\nchecksum = \"bb\"\n";
        let of = |name: &str, version: &str, license: &str, checksum: &str| Dependency {
            name: name.into(),
            version: version.into(),
            license: license.into(),
            checksum: checksum.into(),
        };
        let expected = [
            of("a", "2.0.0", "MIT", "aa"),
            of("b", "1.0.0+x", "MIT OR Apache-2.0", "bb"),
        ];
        assert_eq!(read(tree, lock), expected);
    }
}
