use std::{
    io,
    path::{Path, PathBuf},
};

use fltorrent_crds::FieldError;
use thiserror::Error;

use super::{OwnError, Split, fetch::FetchError, kind::Kind};
use crate::extend::Panicked;

/// Data that cannot be had, or that is not what the plan says.
#[derive(Debug, Error)]
pub enum DataError {
    /// Neither the plain nor the gzipped file is there.
    #[error("{}: found neither {name} nor {name}.gz; expected the four IDX files of MNIST or Fashion-MNIST there: {}", folder.display(), nearby(near.as_deref()))]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// The plain file's name.
        name: String,
        /// Where one of its names is, in a folder below.
        near: Option<PathBuf>,
    },
    /// A file whose name says gzip, and whose content does not.
    #[error(
        "{file}: is not gzip, though its name ends in .gz; expected an intact copy: fetch the file again, or give it a name without .gz"
    )]
    NotGzip {
        /// The file.
        file: String,
    },
    /// The operating system refused to read.
    #[error("{file}: cannot be read: check the file and who may read it")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The compressed stream does not decode, or its checksum is wrong.
    #[error("{file}: the gzip stream is damaged; expected an intact copy: fetch the file again")]
    Damaged {
        /// The file.
        file: String,
        /// What the decoder said.
        source: io::Error,
    },
    /// The compressed stream ends in its middle, or in what follows its content.
    #[error(
        "{file}: the gzip stream is cut after {found} bytes of content; expected an intact copy: fetch the file again"
    )]
    Cut {
        /// The file.
        file: String,
        /// Content bytes that were there.
        found: u64,
    },
    /// The compressed stream is whole, and something else stands behind it.
    #[error(
        "{file}: something that is not gzip follows the gzip stream and its {found} bytes of content; expected an end there: fetch the file again"
    )]
    Behind {
        /// The file.
        file: String,
        /// Content bytes that were there.
        found: u64,
    },
    /// The file ends too early.
    #[error("{file}: ends after {found} bytes of content; expected {expected}: fetch the file again")]
    Truncated {
        /// The file.
        file: String,
        /// Content bytes that were there.
        found: u64,
        /// Content bytes that its format or its header asks for.
        expected: u64,
    },
    /// The file cannot hold what its header announces.
    #[error(
        "{file}: its header announces {announced} bytes of content, but a file of this size holds at most {possible}; expected an intact copy: fetch the file again"
    )]
    Announced {
        /// The file.
        file: String,
        /// Content bytes that its header announces.
        announced: u64,
        /// The most that it can hold.
        possible: u64,
    },
    /// The file goes on after its content.
    #[error(
        "{file}: has more than the {expected} bytes of content that its header announces; expected an end there: fetch the file again"
    )]
    Trailing {
        /// The file.
        file: String,
        /// Content bytes that its header announces.
        expected: u64,
    },
    /// The header is not the expected one.
    #[error("{file}: {field} is {found}; expected {expected}: {advice}")]
    Header {
        /// The file.
        file: String,
        /// What the header field means.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value that the plan or the format wants.
        expected: Box<str>,
        /// What to do.
        advice: Box<str>,
    },
    /// A label is not a class.
    #[error(
        "{file}: label {found} of sample {index} is not a class; expected less than data.{section}.classes = {classes}: {}", advice(section, **found, *classes, *has_zero)
    )]
    Label {
        /// The file.
        file: String,
        /// The data's type in the manifest.
        section: &'static str,
        /// The sample.
        index: usize,
        /// Its label, in a box since 16 bytes in place would make every error of this kind larger.
        found: Box<i128>,
        /// Number of classes.
        classes: u32,
        /// Whether a label of the file is 0.
        has_zero: bool,
    },
    /// A file by URL could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A URL that nothing vouches for.
    #[error("{file}: comes without its SHA-256; write it beside the URL as sha256")]
    NoHash {
        /// The URL.
        file: String,
    },
    /// Another file than the manifest means.
    #[error(
        "{file}: its SHA-256 is {found}; expected {expected}, as the manifest says: give that file, or correct the manifest's sha256"
    )]
    Hash {
        /// The file.
        file: String,
        /// Of the file.
        found: String,
        /// Of the manifest.
        expected: String,
    },
    /// There is no such file.
    #[error("{file}: is not there; correct the path in data or put the file in place")]
    Absent {
        /// The file.
        file: String,
    },
    /// A text that is no text.
    #[error(
        "{file}: the byte at offset {at}, in line {line}, is not UTF-8; expected a text in UTF-8: convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
    )]
    NotUtf8 {
        /// The file.
        file: String,
        /// The first byte that is not, counted from 0.
        at: u64,
        /// Its line, counted from 1.
        line: u64,
    },
    /// A text that is too short or too long.
    #[error(
        "{file}: {length} bytes are not 2 to {most} windows of {context} bytes with one byte more: give a longer text, or correct data.text.context"
    )]
    Windows {
        /// The file.
        file: String,
        /// Its bytes.
        length: u64,
        /// Bytes of a window.
        context: usize,
        /// Most windows.
        most: u32,
    },
    /// The file is of another kind.
    #[error("{file}: is {found}; expected {expected}: {advice}")]
    Kind {
        /// The file.
        file: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Quotes that never close.
    #[error(
        "{file}: the quote that opens in line {line} is not closed; expected a second one behind the field: close it, or fetch the file again if it was cut"
    )]
    Unclosed {
        /// The file.
        file: String,
        /// The line that it opens in, counted from 1.
        line: u64,
    },
    /// A row that is too long.
    #[error(
        "{file}, line {line}: the row has more than {longest} bytes; expected a label and the values of data.csv.inputShape: correct the file or data.csv.inputShape"
    )]
    LongRow {
        /// The file.
        file: String,
        /// The row's line, counted from 1.
        line: u64,
        /// The most that are read.
        longest: usize,
    },
    /// A row that is not what the manifest takes it for.
    #[error("{file}, line {line}: {found}; expected {expected}: {advice}")]
    Table {
        /// The file.
        file: String,
        /// The row's line, counted from 1.
        line: u64,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
        /// What to do.
        advice: String,
    },
    /// There is no such column.
    #[error("{file}: there is no column {wanted}; the header has {found}: {advice}")]
    Column {
        /// The file.
        file: String,
        /// The manifest's label column.
        wanted: String,
        /// The header's first names.
        found: String,
        /// What to do.
        advice: String,
    },
    /// There are not so many columns.
    #[error("{file}: the labels are in column {label}, but data.csv.inputShape makes rows of {width} fields, 0–{}: correct data.csv.labelColumn or data.csv.inputShape", width - 1)]
    ColumnNumber {
        /// The file.
        file: String,
        /// Number of the labels' column.
        label: usize,
        /// Fields of a row.
        width: usize,
    },
    /// A row has too few or too many fields.
    #[error(
        "{file}, line {line}: {found} fields; expected {expected}, a label and the values of data.csv.inputShape: {advice}"
    )]
    Row {
        /// The file.
        file: String,
        /// The row's line, counted from 1.
        line: u64,
        /// Its fields.
        found: usize,
        /// The fields that the manifest means.
        expected: usize,
        /// What to do.
        advice: String,
    },
    /// A field cannot be used.
    #[error("{file}, line {line}, column {column}: `{found}`; expected {expected}: {advice}")]
    Cell {
        /// The file.
        file: String,
        /// The field's line, counted from 1.
        line: u64,
        /// The column's name in quotes, or its number.
        column: Box<str>,
        /// The field, cut.
        found: Box<str>,
        /// What it has to be.
        expected: Box<str>,
        /// What to do.
        advice: Box<str>,
    },
    /// A file became shorter between two readings.
    #[error("{file}: has become shorter since its labels were read; leave it alone while peers start")]
    Changed {
        /// The file.
        file: String,
    },
    /// The header of a safetensors file cannot be used.
    #[error("{file}: its header is not that of a safetensors file: give another file")]
    TensorHeader {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A value that no model can learn from.
    #[error("{file}: sample {index} has the value {found}; expected finite numbers: correct the file")]
    Value {
        /// The file.
        file: String,
        /// The sample.
        index: usize,
        /// The value.
        found: f32,
    },
    /// A sample is asked that the split does not have.
    #[error(
        "sample {index} of the {split:?} split does not exist; expected an index below {len}: correct data.partition"
    )]
    Index {
        /// The sample asked.
        index: u32,
        /// The split.
        split: Split,
        /// Its number of samples.
        len: usize,
    },
    /// The shape has no usable size.
    #[error(
        "data.idx.inputShape is {shape:?}; expected extents of at least 1 and at most {max} pixels in all: correct data.idx.inputShape"
    )]
    Shape {
        /// The plan's shape.
        shape: Vec<u32>,
        /// The most pixels an image may have.
        max: usize,
    },
    /// This program has no such data set of its own.
    #[error(
        "this program has no data set `{name}`; it has {known}: run the program that registers it (docs/own-model.md)"
    )]
    Unknown {
        /// The name in the manifest.
        name: String,
        /// The names that it has.
        known: String,
    },
    /// A program's own data set does not take its settings, which it took when the plan was made.
    #[error("the data set `{name}` refuses data.custom.settings")]
    Settings {
        /// Its name.
        name: String,
        /// What it says.
        source: FieldError,
    },
    /// A program's own data set failed.
    #[error("the data set `{name}` failed")]
    Own {
        /// Its name.
        name: String,
        /// What it said.
        source: OwnError,
    },
    /// The code of a program's own data set panicked.
    #[error("the data set `{name}` failed")]
    Panicked {
        /// Its name.
        name: String,
        /// What it said.
        source: Panicked,
    },
    /// A program's own data set gave what no peer can train on.
    #[error("the data set `{name}` gave {found}; expected {expected}: correct its code")]
    Gave {
        /// Its name.
        name: String,
        /// What it gave.
        found: String,
        /// What would do.
        expected: String,
    },
}

/// What to do when the header of a file is not the expected one and nothing better is known.
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

/// What to do about a label that is no class.
fn advice(section: &str, found: i128, classes: u32, has_zero: bool) -> String {
    if found == i128::from(classes) && !has_zero {
        "labels seem to count from 1: subtract 1 from each".to_owned()
    } else if found < 0 {
        "number the classes from 0".to_owned()
    } else {
        format!("correct data.{section}.classes or the file")
    }
}

/// What to do about files that are not where they should be.
fn nearby(near: Option<&Path>) -> String {
    match near {
        Some(near) => format!(
            "{} is there; write its folder as data.idx.path, and name the files as above",
            near.display()
        ),
        None => "correct data.idx.path or put the file in place".to_owned(),
    }
}
