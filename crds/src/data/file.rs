//! Where a file of a data set is.

use serde::{Deserialize, Serialize};

use crate::{errors::quote, findings::Findings};

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataFile {
    /// The path or the URL; not part of [`crate::Plan::hash`], since it may differ by machine.
    pub path: String,
    /// Its SHA-256 as 64 hexadecimal digits; there when `path` is a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

const SCHEMES: [&str; 2] = ["https://", "http://"];

/// Whether a place is a URL, and not a path.
pub fn is_url(place: &str) -> bool {
    SCHEMES.iter().any(|scheme| place.starts_with(scheme))
}

/// The file at `{section}.{split}`, whose SHA-256 is at `{section}.sha256.{split}`.
pub(super) fn resolve(
    place: &str,
    sha256: Option<String>,
    section: &str,
    split: &str,
    findings: &mut Findings,
) -> Option<DataFile> {
    let hash_path = format!("{section}.sha256.{split}");
    let path = format!("{section}.{split}");
    check(place, sha256.is_some(), &path, &hash_path, findings)?;
    Some(DataFile {
        path: place.to_owned(),
        sha256,
    })
}

/// Refuses a URL that nothing vouches for or that cannot be fetched.
pub(super) fn check(place: &str, hashed: bool, path: &str, hash_path: &str, findings: &mut Findings) -> Option<()> {
    let Some((found, expected)) = fault(place, hashed, hash_path) else {
        return Some(());
    };
    findings.error(path, found, expected);
    None
}

fn fault(place: &str, hashed: bool, hash_path: &str) -> Option<(String, String)> {
    let rest = SCHEMES.iter().find_map(|scheme| place.strip_prefix(scheme));
    let Some(rest) = rest else {
        return place.contains("://").then(|| {
            (
                format!("{} is no URL that can be fetched", quote(place)),
                "write a path, or a URL that begins with https:// or http://".to_owned(),
            )
        });
    };
    let host = rest.split('/').next().unwrap_or(rest);
    if host.is_empty() || place.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Some((
            format!("{} is not a URL", quote(place)),
            "write one such as https://example.org/data.csv".to_owned(),
        ));
    }
    if host.contains('@') {
        return Some((
            "the URL holds a user name or a password".to_owned(),
            "the manifest is kept with the results: download the file and write its path".to_owned(),
        ));
    }
    (!hashed).then(|| {
        (
            format!("{} comes without its SHA-256", quote(place)),
            format!("write {hash_path}, so that every peer has the same data"),
        )
    })
}
