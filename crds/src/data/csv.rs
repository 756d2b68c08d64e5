//! Tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataFile, DataSet, Resolved, SourceSettings, SplitSha256, bounded, file};
use crate::{catalogue::Catalogue, column::Column, errors::quote, family::Settings, findings::Findings};

/// Two CSV files: a sample is a row with its label in one column and its input in the others, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Csv {
    /// File or URL of the training samples, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub train: String,
    /// File or URL of the test samples, plain or with `.gz`.
    #[schemars(length(min = 1, max = 4096))]
    pub test: String,
    /// SHA-256 of the files; a URL needs its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<SplitSha256>,
    /// The column of the labels, whole numbers from 0: its name in the header, or its number counted from 0.
    pub label_column: Column,
    /// Number of classes; files with a label of this number or above are refused.
    #[schemars(range(min = 2, max = 256))]
    pub classes: u32,
    /// `[features]`, `[height, width]` or `[channels, height, width]`; its product is the number of the other columns, without
    /// that of the partition.
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

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

impl Settings for Csv {}

impl SourceSettings for Csv {
    fn paths(&mut self) -> Vec<(&'static str, &mut String)> {
        vec![("train", &mut self.train), ("test", &mut self.test)]
    }

    fn resolve(&self, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<Resolved> {
        let hashes = self.sha256.clone().unwrap_or_default();
        let train = file::resolve(&self.train, hashes.train, "data.csv", "train", findings);
        let test = file::resolve(&self.test, hashes.test, "data.csv", "test", findings);
        bounded(&self.input_shape, "data.csv.inputShape", findings)?;
        if let (Column::Name(name), false) = (&self.label_column, self.header) {
            findings.error(
                "data.csv.labelColumn",
                format!("{} is a name, but header is false", quote(name)),
                "write the column's number counted from 0, or `header: true`",
            );
            return None;
        }
        if self.normalise && self.divisor != 1.0 {
            findings.error(
                "data.csv.divisor",
                format!("{} is there beside normalise", self.divisor),
                "remove one of the two: normalise sets the scale by itself",
            );
            return None;
        }
        let plan = CsvPlan {
            train: train?,
            test: test?,
            columns: Columns {
                label: self.label_column.clone(),
                header: self.header,
                divisor: self.divisor,
                normalise: self.normalise,
            },
        };
        Some(Resolved {
            source: plan.into(),
            input_shape: self.input_shape.clone(),
            classes: self.classes,
        })
    }
}

/// Two CSV files, plain or gzipped, one sample a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CsvPlan {
    /// The training samples.
    pub train: DataFile,
    /// The test samples.
    pub test: DataFile,
    /// How a row is read.
    pub columns: Columns,
}

/// How the rows of a CSV file are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Columns {
    /// The column of the labels.
    pub label: Column,
    /// Whether the first row names the columns.
    pub header: bool,
    /// What every value is divided by, > 0.
    pub divisor: f64,
    /// Whether columns are brought to mean 0 and standard deviation 1 over the training samples.
    pub normalise: bool,
}

impl DataSet for CsvPlan {
    fn files(&self) -> Vec<DataFile> {
        vec![self.train.clone(), self.test.clone()]
    }

    fn paths(&mut self) -> Vec<&mut String> {
        vec![&mut self.train.path, &mut self.test.path]
    }

    fn brief(&self) -> String {
        self.train.path.clone()
    }

    fn columns(&self) -> Option<&Columns> {
        Some(&self.columns)
    }
}
