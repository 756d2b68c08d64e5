//! What the peers learn from.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]
#![allow(unreachable_pub, reason = "KubeSchema copies the types into functions")]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Column, Custom};
use crate::partition::Partition;

/// A SHA-256 as `sha256sum` prints it.
pub(crate) const SHA256_PATTERN: &str = "^[0-9a-f]{64}$";

/// The data set and its division among the peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'idx') == has(self.idx)")
        .message(Message::Message("idx must be there exactly when type is idx".into())),
    validation = Rule::new("(self.type == 'csv') == has(self.csv)")
        .message(Message::Message("csv must be there exactly when type is csv".into())),
    validation = Rule::new("(self.type == 'safetensors') == has(self.safetensors)")
        .message(Message::Message("safetensors must be there exactly when type is safetensors".into())),
    validation = Rule::new("(self.type == 'text') == has(self.text)")
        .message(Message::Message("text must be there exactly when type is text".into())),
    validation = Rule::new("(self.type == 'custom') == has(self.custom)")
        .message(Message::Message("custom must be there exactly when type is custom".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Which member holds the settings; digits (UCI optical digits, shipped with the project) has none.
    #[serde(rename = "type")]
    pub kind: DataType,
    /// A folder of IDX files: MNIST, Fashion-MNIST and sets of the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdxData")]
    pub idx: Option<IdxData>,
    /// Two CSV files: a sample is a row with its label in one column and its input in the others, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CsvData")]
    pub csv: Option<CsvData>,
    /// A folder with `train.safetensors` and `test.safetensors`, each with the tensors `images` or `inputs`, and `labels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SafetensorsData")]
    pub safetensors: Option<SafetensorsData>,
    /// A text in UTF-8, cut into windows, for models that predict its next byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TextData")]
    pub text: Option<TextData>,
    /// A data set that the program brings itself; the operator knows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Custom")]
    pub custom: Option<Custom>,
    /// How the training samples are divided among the peers.
    #[serde(default)]
    pub partition: Partition,
}

/// Data sets: `digits`, `idx`, `csv`, `safetensors`, `text`, `custom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum DataType {
    Digits,
    Idx,
    Csv,
    Safetensors,
    Text,
    Custom,
}

/// A folder of IDX files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdxData {
    /// The folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, plain or with `.gz`; or its URL, where the names end in `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the files; a URL needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdxSha256")]
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

/// Two CSV files: a sample is a row with its label in one column and its input in the others, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CsvData {
    /// File or URL of the training samples, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub train: String,
    /// File or URL of the test samples, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub test: String,
    /// SHA-256 of the files; a URL needs its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SplitSha256")]
    pub sha256: Option<SplitSha256>,
    /// The column of the labels, whole numbers from 0: its name in the header, or its number counted from 0.
    pub label_column: Column,
    /// Number of classes; files with a label of this number or above are refused.
    #[schemars(range(min = 2, max = 256))]
    pub classes: u32,
    /// `[features]`, `[height, width]` or `[channels, height, width]`; its product is the number of the other columns.
    #[schemars(length(min = 1, max = 3), inner(range(min = 1, max = 65_536)))]
    pub input_shape: Vec<u32>,
    /// Whether the first row names the columns.
    #[serde(default = "yes")]
    pub header: bool,
    /// What every value is divided by, for example 255 for grey levels.
    #[serde(default = "one")]
    #[schemars(range(min = 0.000_001, max = 1_000_000_000.0))]
    pub divisor: f64,
    /// Whether every column is shifted and scaled to mean 0 and standard deviation 1 over the training file.
    #[serde(default)]
    pub normalise: bool,
}

/// SHA-256 of the files of both splits, 64 hexadecimal digits each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitSha256 {
    /// Of the training samples' file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub train: Option<String>,
    /// Of the test samples' file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub test: Option<String>,
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

/// A folder with `train.safetensors` and `test.safetensors`, each with the inputs of its samples as a tensor `images` or
/// `inputs` (u8, which is divided by 255, or f32, which stays as it is) and their `labels` (whole numbers).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SafetensorsData {
    /// The folder or its URL.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the files; a URL needs both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SplitSha256")]
    pub sha256: Option<SplitSha256>,
    /// Number of classes; files with a label of this number or above are refused.
    #[schemars(range(min = 2, max = 256))]
    pub classes: u32,
    /// Shape of one input: `[features]`, `[height, width]` or `[channels, height, width]`.
    #[schemars(length(min = 1, max = 3), inner(range(min = 1, max = 65_536)))]
    pub input_shape: Vec<u32>,
}

/// A text file in UTF-8, read as bytes: 256 classes. A sample is a window of the text with, for each byte, the next one
/// as its label; windows do not overlap, and the last of them are the test samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextData {
    /// The file or its URL, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub path: String,
    /// SHA-256 of the file; a URL needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
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
