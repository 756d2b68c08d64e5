//! The examples of `docs/fields.md`, each laid over the minimal manifest, as text.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(unreachable_pub, reason = "tests of two crates take it")]

use std::{fs, path::Path};

use fltorrent_crds::reference::{self, Example};

/// Parts of a spec by the field that they begin with, each with its lines.
type Parts = Vec<(String, String)>;

/// Each example's name, its own text, and the manifest that it makes.
pub fn examples() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fields");
    let minimal = fs::read_to_string(folder.join("minimal.yaml")).unwrap();
    let of_files = fs::read_dir(&folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(path.extension().unwrap(), "yaml", "{name}");
        let text = fs::read_to_string(&path).unwrap();
        Example { name, text }
    });
    let examples = reference::with_variants(of_files.collect()).unwrap();
    let whole = |Example { name, text }| {
        let manifest = match name.as_str() {
            "minimal" => text.clone(),
            _ => laid_over(&minimal, &text),
        };
        (name, text, manifest)
    };
    examples.into_iter().map(whole).collect()
}

/// The manifest with the fields of an example in place of its own.
fn laid_over(minimal: &str, example: &str) -> String {
    let (envelope, spec) = minimal.split_once("spec:\n").unwrap();
    let spec: Vec<&str> = spec.lines().map(|line| line.strip_prefix("  ").unwrap()).collect();
    let mut merged = parts(&spec.join("\n"));
    for (field, text) in parts(example) {
        merged.retain(|(other, _)| *other != field);
        merged.push((field, text));
    }
    let mut manifest = format!("{envelope}spec:\n");
    for line in merged.iter().flat_map(|(_, text)| text.lines()) {
        manifest.push_str(&format!("  {line}\n"));
    }
    manifest
}

fn parts(spec: &str) -> Parts {
    let mut parts = Parts::new();
    for line in spec.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with(' ') {
            let (_, text) = parts.last_mut().unwrap();
            text.push_str(line);
            text.push('\n');
        } else {
            let (field, _) = line.split_once(':').unwrap();
            parts.push((field.to_owned(), format!("{line}\n")));
        }
    }
    parts
}
