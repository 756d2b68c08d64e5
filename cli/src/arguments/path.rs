//! Paths on the command line.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use fltorrent_peer::path::unexpanded;

/// Takes a path as it stands, and refuses one that a shell was meant to expand: it does so at the beginning of a word only, not in
/// `--out=~/x`.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(literal)
}

fn literal(path: PathBuf) -> Result<PathBuf, String> {
    match unexpanded(&path) {
        Some(part) => Err(format!("{part} is not expanded here; write the whole path")),
        None => Ok(path),
    }
}
