//! The chart's values.yaml with its comments.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// A value that a user may set.
#[derive(Debug)]
pub struct Documented {
    /// Keys, separated by points.
    pub path: String,
    /// Default.
    pub default: Value,
    /// Meaning, as one line of Markdown.
    #[allow(dead_code, reason = "only the test of the README reads it")]
    pub meaning: String,
}

/// The chart's folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/fltorrent")
}

/// A file with every value otherwise than by default, but for what is made by default.
pub fn all() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/all.yaml")
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn yaml(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The value at a path.
pub fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    values.pointer(&format!("/{}", path.replace('.', "/")))
}

/// Every value that has a comment beginning with `# --`, in the order of the file.
pub fn documented() -> Vec<Documented> {
    let path = folder().join("values.yaml");
    let values = yaml(&path);
    let mut found = Vec::new();
    let mut keys: Vec<(usize, String)> = Vec::new();
    let mut meaning: Option<String> = None;
    for line in read(&path).lines() {
        let text = line.trim_start();
        if let Some(begin) = text.strip_prefix("# -- ") {
            meaning = Some(begin.to_owned());
        } else if let Some(more) = text.strip_prefix("# ") {
            if let Some(meaning) = &mut meaning {
                meaning.push(' ');
                meaning.push_str(more);
            }
        } else if let Some((key, _)) = text.split_once(':') {
            let indent = line.len() - text.len();
            keys.retain(|(above, _)| *above < indent);
            keys.push((indent, key.to_owned()));
            let names: Vec<&str> = keys.iter().map(|(_, key)| key.as_str()).collect();
            let path = names.join(".");
            if let Some(meaning) = meaning.take() {
                let default = at(&values, &path).unwrap_or_else(|| panic!("no {path}"));
                found.push(Documented {
                    default: default.clone(),
                    path,
                    meaning,
                });
            }
        } else {
            meaning = None;
        }
    }
    found
}
