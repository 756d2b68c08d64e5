//! From the manifest's file to what a run works from.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use fltorrent_crds::{
    Errors, Experiment, NotUtf8, Plan, data::is_url, family::Family as _, manifest, plan::unexpanded,
};
use fltorrent_peer::extend;
use fltorrent_records::text_file::{self, TextError};
use thiserror::Error;

/// A manifest that cannot be used.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ManifestError {
    #[error("{}: cannot be read; name a manifest, or create one: fltorrent init", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: is not UTF-8 text, as a manifest is", path.display())]
    NotUtf8 { path: PathBuf, source: Box<NotUtf8> },
    #[error("{}: is larger than {} bytes; name a manifest", path.display(), manifest::MAX_BYTES)]
    TooLarge { path: PathBuf },
    #[error("--data does not fit: the manifest's data is {kind}, which has no path; remove --data")]
    NoDataPath { kind: String },
    #[error("--data {}: a manifest takes no path with {part}, which looks like something for a shell: rename the folder, or start in it with --data .", path.display())]
    DataPath { path: PathBuf, part: String },
    #[error("{errors}")]
    Fields { errors: Errors },
    #[error("the resolved manifest cannot be written as YAML; report this as a bug")]
    Resolve(#[source] serde_saphyr::ser::Error),
}

impl ManifestError {
    /// The same about this file.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Fields { errors } => Self::Fields {
                errors: errors.in_file(&path.display().to_string()),
            },
            other => other,
        }
    }
}

impl From<Errors> for ManifestError {
    fn from(errors: Errors) -> Self {
        Self::Fields { errors }
    }
}

/// A manifest and its plan.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The manifest with all defaults written out.
    pub experiment: Experiment,
    /// The plan of that manifest.
    pub plan: Plan,
}

impl Resolved {
    /// Reads a file, with settings over it.
    ///
    /// # Errors
    /// When the file cannot be read or is too large, and as [`Resolved::from_text`].
    pub fn read(path: &Path, sets: &[(String, String)]) -> Result<Self, ManifestError> {
        Self::from_text(&read(path)?, sets).map_err(|error| error.in_file(path))
    }

    /// Takes a manifest's text, with settings over it.
    ///
    /// # Errors
    /// Everything that is wrong with the manifest.
    pub fn from_text(text: &str, sets: &[(String, String)]) -> Result<Self, ManifestError> {
        let (mut experiment, plan) = Plan::load_with(text, sets, extend::installed())?;
        experiment.spec.exchange.num_chunks = Some(plan.exchange.num_chunks);
        Ok(Self { experiment, plan })
    }

    /// The same with paths of data and of the first model from the root on: what is kept with the results means the same files
    /// wherever it is read on this machine.
    #[must_use]
    pub fn anchored(mut self) -> Self {
        let of_data = self.experiment.spec.data.source.paths().into_iter();
        let mut paths: Vec<&mut String> = of_data.map(|(_, path)| path).collect();
        paths.extend(self.plan.data.source.paths());
        let init = self.experiment.spec.model.init_from.as_mut();
        paths.extend(init.map(|from| &mut from.path));
        paths.extend(self.plan.init_from.as_mut().map(|from| &mut from.path));
        for path in paths {
            if !is_url(path)
                && let Some(absolute) = from_root(path)
            {
                *path = absolute;
            }
        }
        self
    }

    /// The manifest as YAML, which gives the same plan again without any setting.
    ///
    /// # Errors
    /// When a value has no form in YAML.
    pub fn yaml(&self) -> Result<String, ManifestError> {
        serde_saphyr::to_string(&self.experiment).map_err(ManifestError::Resolve)
    }
}

/// The path from the root on, as a manifest may have it. None where the working folder is no text, or has a name in it that no path
/// of a manifest may have: there paths stay as they are, and peers have the same working folder.
fn from_root(path: &str) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    let absolute = absolute.to_str()?;
    unexpanded(absolute).is_none().then(|| absolute.to_owned())
}

/// The working folder, where the manifest of a run that is started in it means its files from there only.
pub(crate) fn bound_to() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    from_root(".").is_none().then_some(here)
}

/// The settings that put this machine's data in the place of the manifest's: a folder or file, of CSV the folder of both.
///
/// # Errors
/// When the manifest is wrong, its data is not in a folder or file, or the path is none that a manifest may have.
pub(crate) fn with_data_path(
    text: &str,
    sets: &[(String, String)],
    path: &Path,
) -> Result<Vec<(String, String)>, ManifestError> {
    let mut source = manifest::parse_with(text, sets)?.spec.data.source;
    let path = in_manifest(path, &env::current_dir().unwrap_or_default())?;
    let kind = source.name();
    let here: Vec<(String, String)> = source
        .paths()
        .into_iter()
        .filter_map(|(field, there)| {
            let here = match field {
                "path" => path.clone(),
                _ => path.join(Path::new(there).file_name()?),
            };
            let quoted = serde_json::Value::from(here.to_string_lossy()).to_string();
            Some((format!("data.{kind}.{field}"), quoted))
        })
        .collect();
    if here.is_empty() {
        return Err(ManifestError::NoDataPath { kind: kind.to_owned() });
    }
    Ok(here)
}

/// The path as a manifest may have it: where the name of a folder above the working folder forbids it, from there on.
fn in_manifest(path: &Path, working: &Path) -> Result<PathBuf, ManifestError> {
    let part = |path: &Path| path.to_str().and_then(unexpanded).map(str::to_owned);
    let Some(found) = part(path) else {
        return Ok(path.to_owned());
    };
    match path.strip_prefix(working) {
        Ok(below) if part(below).is_none() => Ok(Path::new(".").join(below)),
        _ => Err(ManifestError::DataPath {
            path: path.to_owned(),
            part: found,
        }),
    }
}

/// Reads no more than a manifest may have, whatever the path names.
pub(crate) fn read(path: &Path) -> Result<String, ManifestError> {
    text_file::read(path, manifest::MAX_BYTES as u64).map_err(|error| {
        let path = path.to_owned();
        match error {
            TextError::Read(source) => ManifestError::Read { path, source },
            TextError::TooLarge { .. } => ManifestError::TooLarge { path },
            TextError::NotUtf8(source) => {
                let source = Box::new(source);
                ManifestError::NotUtf8 { path, source }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::model::Network;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resolved_manifest_gives_the_same_plan() {
        for text in [
            include_str!("../../examples/quickstart.yaml"),
            include_str!("../../examples/fashion-mnist.yaml"),
        ] {
            for topology in ["{type: star}", "{type: tree, tree: {arity: 3}}"] {
                let sets = [("topology".to_owned(), topology.to_owned())];
                let resolved = Resolved::from_text(text, &sets).unwrap();
                let yaml = resolved.yaml().unwrap();
                let again = Resolved::from_text(&yaml, &[]).unwrap();
                assert_eq!(again.plan, resolved.plan);
                assert_eq!(again.yaml().unwrap(), yaml);
                for default in ["numChunks", "uploadSlots: 32", "heartbeatInterval: 30s"] {
                    assert!(yaml.contains(default), "{yaml} has no {default}");
                }
            }
        }
    }

    #[test]
    fn free_settings_are_written_as_they_were_read() {
        let settings = r##"{a: "007", b: "null", c: 1e5, d: 1.0, e: [1, {f: -3, g: []}], h: 18446744073709551615, i: null,
            "j k": "ü: #", l: "1e5", m: "yes", n: "", o: 0.1, p: {}, q: "two\nlines", r: true, s: ".inf"}"##;
        let model = format!("{{type: custom, custom: {{name: x, settings: {settings}}}}}");
        let sets = [("model".to_owned(), model)];
        let quickstart = include_str!("../../examples/quickstart.yaml");
        let experiment = manifest::parse_with(quickstart, &sets).unwrap();
        let Network::Custom(custom) = &experiment.spec.model.network else {
            panic!("{:?}", experiment.spec.model)
        };
        let read = &custom.settings;
        assert_eq!(read.len(), 16);
        assert_eq!((&read["a"], &read["d"]), (&json!("007"), &json!(1.0)));
        let yaml = serde_saphyr::to_string(&experiment).unwrap();
        assert_eq!(
            manifest::parse(&yaml).unwrap().spec.model,
            experiment.spec.model,
            "{yaml}"
        );
    }

    #[test]
    fn a_folder_of_data_is_named_as_a_manifest_may_name_it() {
        let of = |path: &str| in_manifest(Path::new(path), Path::new("/srv/$proj"));
        for (path, named) in [
            ("/srv/data", "/srv/data"),
            ("data", "data"),
            ("/srv/$proj/data", "./data"),
            ("/srv/$proj", "./"),
        ] {
            assert_eq!(of(path).unwrap().to_str(), Some(named));
        }
        for path in ["/srv/$other/data", "/srv/$proj/$other", "$other"] {
            let error = of(path).unwrap_err().to_string();
            assert!(
                error.contains("takes no path with $") && error.ends_with("--data ."),
                "{error}"
            );
        }
    }

    #[test]
    fn a_manifest_in_another_encoding_or_with_faulty_yaml_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        let fault = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let error = crate::chain(&Resolved::read(&path, &[]).unwrap_err());
            error.replace(folder.path().to_str().unwrap(), "FOLDER")
        };
        for (bytes, expected) in [
            (
                &b"a: 1\n# caf\xe9\n"[..],
                "FOLDER/m.yaml: is not UTF-8 text, as a manifest is: the byte at offset 10, in line 2, is not UTF-8; expected a text in UTF-8: convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`",
            ),
            (
                b"\xff\xfea\0:\0",
                "FOLDER/m.yaml: is not UTF-8 text, as a manifest is: it is UTF-16; expected a text in UTF-8: convert it, for example with `iconv -f UTF-16 -t UTF-8`",
            ),
        ] {
            assert_eq!(fault(bytes), expected);
        }
        let found = fault(b"a: 1\nb: [1\nc: 2\n");
        assert!(
            found.starts_with("the text cannot be read as one YAML document; line 3 column ")
                && found.contains("--> FOLDER/m.yaml:3:")
                && !found.contains("error:"),
            "{found}"
        );
        let found = fault(("[".repeat(100) + &"]".repeat(100)).as_bytes());
        assert!(found.contains(" at FOLDER/m.yaml:1:"), "{found}");
    }

    #[test]
    fn files_that_are_no_manifests_are_refused() {
        let missing = Resolved::read(Path::new("no/such.yaml"), &[]).unwrap_err();
        assert!(missing.to_string().contains("no/such.yaml"), "{missing}");
        let endless = Resolved::read(Path::new("/dev/zero"), &[]).unwrap_err();
        assert!(matches!(endless, ManifestError::TooLarge { .. }), "{endless}");
    }
}
