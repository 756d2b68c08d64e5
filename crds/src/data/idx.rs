//! The format of MNIST.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataFile, DataSet, Resolved, SourceSettings, file, is_url};
use crate::{
    catalogue::Catalogue,
    family::{Settings, Sketch},
    findings::Findings,
    forms::SHA256_PATTERN,
};

/// A folder of IDX files, such as MNIST or Fashion-MNIST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Idx {
    /// The folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, plain or with `.gz`; or its URL, where the names end in `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the files; a URL needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<IdxSha256>,
    /// Height and width of an image; files that differ are refused.
    #[serde(default = "mnist_shape")]
    #[schemars(inner(range(min = 1, max = 4096)))]
    pub input_shape: [u32; 2],
    /// Number of classes; files with a label of this number or above are refused.
    #[serde(default = "mnist_classes")]
    #[schemars(range(min = 2, max = 256))]
    pub classes: u32,
}

/// SHA-256 of the four IDX files, 64 hexadecimal digits each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdxSha256 {
    /// Of `train-images-idx3-ubyte`, with `.gz` where it has that.
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub train_images: String,
    /// Of `train-labels-idx1-ubyte`, with `.gz` where it has that.
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub train_labels: String,
    /// Of `t10k-images-idx3-ubyte`, with `.gz` where it has that.
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub test_images: String,
    /// Of `t10k-labels-idx1-ubyte`, with `.gz` where it has that.
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub test_labels: String,
}

fn mnist_shape() -> [u32; 2] {
    [28, 28]
}

fn mnist_classes() -> u32 {
    10
}

impl Settings for Idx {
    fn example(_sketch: &Sketch) -> Option<Self> {
        Some(Self {
            path: "mnist".to_owned(),
            sha256: None,
            input_shape: mnist_shape(),
            classes: mnist_classes(),
        })
    }
}

impl SourceSettings for Idx {
    fn paths(&mut self) -> Vec<(&'static str, &mut String)> {
        vec![("path", &mut self.path)]
    }

    fn resolve(&self, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<Resolved> {
        let hashed = self.sha256.is_some();
        file::check(&self.path, hashed, "data.idx.path", "data.idx.sha256", findings)?;
        let plan = IdxPlan {
            path: self.path.clone(),
            sha256: self.sha256.clone(),
        };
        Some(Resolved {
            source: plan.into(),
            input_shape: self.input_shape.to_vec(),
            classes: self.classes,
        })
    }
}

/// A folder with the four IDX files of MNIST or Fashion-MNIST, plain or gzipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdxPlan {
    /// The folder or its URL; not part of [`crate::Plan::hash`], since it may differ by machine.
    pub path: String,
    /// SHA-256 of the files; there when `path` is a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<IdxSha256>,
}

impl IdxPlan {
    /// The names of the files without `.gz`, each with its SHA-256: training images and labels, test images and labels.
    pub fn named(&self) -> [(&'static str, Option<&str>); 4] {
        let hash = |of: fn(&IdxSha256) -> &String| self.sha256.as_ref().map(|all| of(all).as_str());
        [
            ("train-images-idx3-ubyte", hash(|all| &all.train_images)),
            ("train-labels-idx1-ubyte", hash(|all| &all.train_labels)),
            ("t10k-images-idx3-ubyte", hash(|all| &all.test_images)),
            ("t10k-labels-idx1-ubyte", hash(|all| &all.test_labels)),
        ]
    }
}

impl DataSet for IdxPlan {
    fn files(&self) -> Vec<DataFile> {
        let (folder, ending) = (
            self.path.trim_end_matches('/'),
            if is_url(&self.path) { ".gz" } else { "" },
        );
        let file = |(name, hash): (&str, Option<&str>)| DataFile {
            path: format!("{folder}/{name}{ending}"),
            sha256: hash.map(str::to_owned),
        };
        self.named().map(file).into()
    }

    fn paths(&mut self) -> Vec<&mut String> {
        vec![&mut self.path]
    }

    fn brief(&self) -> String {
        self.path.clone()
    }
}
