//! Text, for models that predict what comes next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataFile, DataSet, Resolved, SampleKind, SourceSettings, file};
use crate::{catalogue::Catalogue, family::Settings, findings::Findings, forms::SHA256_PATTERN};

/// Classes of a text: its bytes.
const BYTES: u32 = 256;

/// A text file in UTF-8, read as bytes: 256 classes. A sample is a window of the text with, for each byte, the next one
/// as its label; windows do not overlap, and the last of them are the test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Text {
    /// The file or its URL, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the file; a URL needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub sha256: Option<String>,
    /// Bytes of a window.
    #[serde(default = "context")]
    #[schemars(range(min = 1, max = 4096))]
    pub context: u32,
    /// Share of the windows that are test samples, at the end of the text.
    #[serde(default = "tenth")]
    #[schemars(range(min = 0.001, max = 0.9))]
    pub test_fraction: f64,
}

fn context() -> u32 {
    64
}

fn tenth() -> f64 {
    0.1
}

impl Settings for Text {}

impl SourceSettings for Text {
    fn paths(&mut self) -> Vec<(&'static str, &mut String)> {
        vec![("path", &mut self.path)]
    }

    fn resolve(&self, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<Resolved> {
        let hashed = self.sha256.is_some();
        file::check(&self.path, hashed, "data.text.path", "data.text.sha256", findings)?;
        let plan = TextPlan {
            file: DataFile {
                path: self.path.clone(),
                sha256: self.sha256.clone(),
            },
            test_fraction: self.test_fraction,
        };
        Some(Resolved {
            source: plan.into(),
            input_shape: vec![self.context],
            classes: BYTES,
        })
    }
}

/// A text, plain or gzipped, in windows of `input_shape[0]` bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TextPlan {
    /// The text.
    pub file: DataFile,
    /// Share of the windows, at the end, that are test samples, in 0..1.
    pub test_fraction: f64,
}

impl DataSet for TextPlan {
    fn files(&self) -> Vec<DataFile> {
        vec![self.file.clone()]
    }

    fn paths(&mut self) -> Vec<&mut String> {
        vec![&mut self.file.path]
    }

    fn brief(&self) -> String {
        self.file.path.clone()
    }

    fn sample_kind(&self) -> SampleKind {
        SampleKind::Text
    }
}
