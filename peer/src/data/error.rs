use std::{
    io,
    path::{Path, PathBuf},
};

use fltorrent_crds::{FieldError, shards::ShardError};
use thiserror::Error;

use super::{Split, fetch::FetchError, kind::Kind};
use crate::guard::Panicked;

/// Whatever went wrong in a program's own code.
pub type OwnError = Box<dyn std::error::Error + Send + Sync>;

/// Data that cannot be had, or that is not what the plan says.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum DataError {
    #[error("{}: found neither {name} nor {name}.gz; expected the four IDX files of MNIST or Fashion-MNIST there: {}", folder.display(), nearby(near.as_deref()))]
    Missing {
        folder: PathBuf,
        name: String,
        near: Option<PathBuf>,
    },
    #[error(
        "{file}: is not gzip, though its name ends in .gz; expected an intact copy: fetch the file again, or give it a name without .gz"
    )]
    NotGzip { file: String },
    #[error("{file}: cannot be read: check the file and who may read it")]
    Read { file: String, source: io::Error },
    #[error("{file}: the gzip stream is damaged; expected an intact copy: fetch the file again")]
    Damaged { file: String, source: io::Error },
    #[error(
        "{file}: the gzip stream is cut after {found} bytes of content; expected an intact copy: fetch the file again"
    )]
    Cut { file: String, found: u64 },
    #[error(
        "{file}: something that is not gzip follows the gzip stream and its {found} bytes of content; expected an end there: fetch the file again"
    )]
    Behind { file: String, found: u64 },
    #[error("{file}: ends after {found} bytes of content; expected {expected}: fetch the file again")]
    Truncated { file: String, found: u64, expected: u64 },
    #[error(
        "{file}: its header announces {announced} bytes of content, but a file of this size holds at most {possible}; expected an intact copy: fetch the file again"
    )]
    Announced {
        file: String,
        announced: u64,
        possible: u64,
    },
    #[error(
        "{file}: has more than the {expected} bytes of content that its header announces; expected an end there: fetch the file again"
    )]
    Trailing { file: String, expected: u64 },
    #[error("{file}: {field} is {found}; expected {expected}: {advice}")]
    Header {
        file: String,
        field: &'static str,
        found: String,
        expected: Box<str>,
        advice: Box<str>,
    },
    #[error(
        "{file}: label {found} of sample {index} is not a class; expected less than data.{section}.classes = {classes}: {}", advice(section, **found, *classes, *has_zero)
    )]
    Label {
        file: String,
        section: &'static str,
        index: usize,
        found: Box<i128>,
        classes: u32,
        has_zero: bool,
    },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Shards(#[from] ShardError),
    #[error("{file}: comes without its SHA-256; write it beside the URL as sha256")]
    NoHash { file: String },
    #[error(
        "{file}: its SHA-256 is {found}; expected {expected}, as the manifest says: give that file, or correct the manifest's sha256"
    )]
    Hash {
        file: String,
        found: String,
        expected: String,
    },
    #[error("{file}: is not there; correct the path in data or put the file in place")]
    Absent { file: String },
    #[error(
        "{file}: the byte at offset {at}, in line {line}, is not UTF-8; expected a text in UTF-8: convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
    )]
    NotUtf8 { file: String, at: u64, line: u64 },
    #[error(
        "{file}: {length} bytes are not 2 to {most} windows of {context} bytes with one byte more: give a longer text, or correct data.text.context"
    )]
    Windows {
        file: String,
        length: u64,
        context: usize,
        most: u32,
    },
    #[error("{file}: is {found}; expected {expected}: {advice}")]
    Kind {
        file: String,
        found: &'static str,
        expected: &'static str,
        advice: &'static str,
    },
    #[error(
        "{file}: the quote that opens in line {line} is not closed; expected a second one behind the field: close it, or fetch the file again if it was cut"
    )]
    Unclosed { file: String, line: u64 },
    #[error(
        "{file}, line {line}: the row has more than {longest} bytes; expected a label and the values of data.csv.inputShape: correct the file or data.csv.inputShape"
    )]
    LongRow { file: String, line: u64, longest: usize },
    #[error("{file}, line {line}: {found}; expected {expected}: {advice}")]
    Table {
        file: String,
        line: u64,
        found: String,
        expected: &'static str,
        advice: String,
    },
    #[error("{file}: there is no column {wanted}; the header has {found}: {advice}")]
    Column {
        file: String,
        wanted: String,
        found: String,
        advice: String,
    },
    #[error("{file}: the {holds} are in column {column}, but data.csv.inputShape makes rows of {width} fields, 0–{}: correct {field} or data.csv.inputShape", width - 1)]
    ColumnNumber {
        file: String,
        holds: &'static str,
        field: &'static str,
        column: usize,
        width: usize,
    },
    #[error(
        "{file}, line {line}: {found} fields; expected {expected}, {parts}the values of data.csv.inputShape: {advice}"
    )]
    Row {
        file: String,
        line: u64,
        found: usize,
        expected: usize,
        parts: &'static str,
        advice: String,
    },
    #[error("{file}, line {line}, column {column}: `{found}`; expected {expected}: {advice}")]
    Cell {
        file: String,
        line: u64,
        column: Box<str>,
        found: Box<str>,
        expected: Box<str>,
        advice: Box<str>,
    },
    #[error("{file}: has become shorter since its labels were read; leave it alone while peers start")]
    Changed { file: String },
    #[error("{file}: its header is not that of a safetensors file: give another file")]
    TensorHeader { file: String, source: serde_json::Error },
    #[error("{file}: sample {index} has the value {found}; expected finite numbers: correct the file")]
    Value { file: String, index: usize, found: f32 },
    #[error(
        "sample {index} of the {split:?} split does not exist; expected an index below {len}: correct data.partition"
    )]
    Index { index: u32, split: Split, len: usize },
    #[error(
        "data.idx.inputShape is {shape:?}; expected extents of at least 1 and at most {max} pixels in all: correct data.idx.inputShape"
    )]
    Shape { shape: Vec<u32>, max: usize },
    #[error(
        "this program has no data set `{name}`; it has {known}: run the program that registers it (docs/own-model.md)"
    )]
    Unknown { name: String, known: String },
    #[error("the data set `{name}` refuses data.custom.settings")]
    Settings { name: String, source: FieldError },
    #[error("the data set `{name}` failed")]
    Own { name: String, source: OwnError },
    #[error("the data set `{name}` failed")]
    Panicked { name: String, source: Panicked },
    #[error("the data set `{name}` gave {found}; expected {expected}: correct its code")]
    Gave {
        name: String,
        found: String,
        expected: String,
    },
}

/// Advice when the header of a file is not the expected one and nothing better is known.
pub(super) const CORRECT: &str = "give the file that data describes, or correct data";

impl DataError {
    /// A file of this kind in the place of an expected one.
    pub(super) fn kind(file: String, kind: Kind, expected: &'static str) -> Self {
        Self::Kind {
            file,
            found: kind.name,
            expected,
            advice: kind.advice,
        }
    }
}

/// Advice about a label that is no class.
fn advice(section: &str, found: i128, classes: u32, has_zero: bool) -> String {
    if found == i128::from(classes) && !has_zero {
        "labels seem to count from 1: subtract 1 from each".to_owned()
    } else if found < 0 {
        "number the classes from 0".to_owned()
    } else {
        format!("correct data.{section}.classes or the file")
    }
}

/// Advice about files that are not where they should be.
fn nearby(near: Option<&Path>) -> String {
    match near {
        Some(near) => format!(
            "{} is there; write its folder as data.idx.path, and name the files as above",
            near.display()
        ),
        None => "correct data.idx.path or put the file in place".to_owned(),
    }
}
