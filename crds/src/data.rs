//! Where the samples come from.

mod csv;
mod custom;
mod digits;
mod file;
mod idx;
mod safetensors;
mod text;

use std::fmt::Debug;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::{BuiltIn, Catalogue},
    custom::Custom,
    family::family,
    findings::Findings,
    forms::SHA256_PATTERN,
};
pub use csv::{Columns, Csv, CsvPlan};
pub use custom::CustomPlan;
pub use digits::{DIGITS_TEST, DIGITS_TRAIN, Digits};
pub use file::{DataFile, is_url};
pub use idx::{Idx, IdxPlan, IdxSha256};
pub use safetensors::{Safetensors, SafetensorsPlan};
pub use text::{Text, TextPlan};

family! {
    /// The data set.
    pub enum Source: dyn SourceSettings, plan DataSource: dyn DataSet {
        "digits" => Digits as Digits,
        "idx" => Idx as IdxPlan,
        "csv" => Csv as CsvPlan,
        "safetensors" => Safetensors as SafetensorsPlan,
        "text" => Text as TextPlan,
        "custom" => Custom as CustomPlan,
    }
}

/// Most values of one input.
pub const MAX_INPUT: u32 = 1 << 24;

/// What the settings of a source are asked.
pub(crate) trait SourceSettings {
    /// Each setting that is a path or a URL, by its name.
    fn paths(&mut self) -> Vec<(&'static str, &mut String)> {
        Vec::new()
    }

    /// What the plan has of it; none when it cannot be one.
    fn resolve(&self, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<Resolved>;
}

/// A source as the plan has it.
pub(crate) struct Resolved {
    pub(crate) source: DataSource,
    /// As [`crate::plan::DataPlan::input_shape`].
    pub(crate) input_shape: Vec<u32>,
    pub(crate) classes: u32,
}

impl Source {
    /// Each setting that is a path or a URL, by its name.
    pub fn paths(&mut self) -> Vec<(&'static str, &mut String)> {
        self.as_dyn_mut().paths()
    }

    /// Training samples where the project knows them.
    pub fn train_samples(&self) -> Option<u32> {
        let resolved = self.as_dyn().resolve(&BuiltIn, &mut Findings::default())?;
        resolved.source.train_samples()
    }
}

/// What a data set of the plan is asked.
pub trait DataSet: Debug {
    /// The files that it is read from.
    fn files(&self) -> Vec<DataFile> {
        Vec::new()
    }

    /// What of it may differ by machine: where its files are.
    fn paths(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    /// How it is called in a few words: its place or its name.
    fn brief(&self) -> String;

    /// What one sample is, which decides what models fit.
    fn sample_kind(&self) -> SampleKind {
        SampleKind::Labelled
    }

    /// How the rows of a table are read.
    fn columns(&self) -> Option<&Columns> {
        None
    }

    /// Training samples where the project knows them; none for files, whose headers say it.
    fn train_samples(&self) -> Option<u32> {
        None
    }
}

impl dyn DataSet + '_ {
    /// Whether no file has to be fetched.
    pub fn is_local(&self) -> bool {
        self.files().iter().all(|file| !is_url(&file.path))
    }
}

/// What one sample of a data set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// An input of numbers, an image or a vector, with one label.
    Labelled,
    /// A window of a text: `context` bytes, each with the byte that follows it as its label.
    Text,
}

/// SHA-256 of the files of both splits, 64 hexadecimal digits each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SplitSha256 {
    /// Of the training samples' file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub train: Option<String>,
    /// Of the test samples' file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 64), regex(pattern = SHA256_PATTERN))]
    pub test: Option<String>,
}

/// Refuses an input that is too large.
fn bounded(shape: &[u32], path: &str, findings: &mut Findings) -> Option<()> {
    // At most three extents of 65,536: no overflow.
    let values: u64 = shape.iter().map(|&extent| u64::from(extent)).product();
    if values <= u64::from(MAX_INPUT) {
        return Some(());
    }
    findings.error(
        path,
        format!("an input has {values} values"),
        format!("at most {MAX_INPUT} will do"),
    );
    None
}
