//! Arrays.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataFile, DataSet, Resolved, SourceSettings, SplitSha256, bounded, file};
use crate::{catalogue::Catalogue, family::Settings, findings::Findings};

/// A folder with `train.safetensors` and `test.safetensors`, each with the inputs of its samples as a tensor `images` or
/// `inputs` (u8, which is divided by 255, or f32, which stays as it is) and their `labels` (whole numbers).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Safetensors {
    /// The folder or its URL.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the files; a URL needs both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<SplitSha256>,
    /// Number of classes; files with a label of this number or above are refused.
    #[schemars(range(min = 2, max = 256))]
    pub classes: u32,
    /// Shape of one input: `[features]`, `[height, width]` or `[channels, height, width]`.
    #[schemars(length(min = 1, max = 3), inner(range(min = 1, max = 65_536)))]
    pub input_shape: Vec<u32>,
}

impl Settings for Safetensors {}

impl SourceSettings for Safetensors {
    fn paths(&mut self) -> Vec<(&'static str, &mut String)> {
        vec![("path", &mut self.path)]
    }

    fn resolve(&self, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<Resolved> {
        bounded(&self.input_shape, "data.safetensors.inputShape", findings)?;
        let hashes = self.sha256.clone().unwrap_or_default();
        file::check(
            &self.path,
            hashes.train.is_some() && hashes.test.is_some(),
            "data.safetensors.path",
            "data.safetensors.sha256 with train and test",
            findings,
        )?;
        let split = |name: &str, sha256| DataFile {
            path: format!("{}/{name}.safetensors", self.path.trim_end_matches('/')),
            sha256,
        };
        let plan = SafetensorsPlan {
            train: split("train", hashes.train),
            test: split("test", hashes.test),
        };
        Some(Resolved {
            source: plan.into(),
            input_shape: self.input_shape.clone(),
            classes: self.classes,
        })
    }
}

/// Two safetensors files with tensors `images` or `inputs` and `labels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetensorsPlan {
    /// The training samples.
    pub train: DataFile,
    /// The test samples.
    pub test: DataFile,
}

impl DataSet for SafetensorsPlan {
    fn files(&self) -> Vec<DataFile> {
        vec![self.train.clone(), self.test.clone()]
    }

    fn paths(&mut self) -> Vec<&mut String> {
        vec![&mut self.train.path, &mut self.test.path]
    }

    fn brief(&self) -> String {
        self.train.path.trim_end_matches("/train.safetensors").to_owned()
    }
}
