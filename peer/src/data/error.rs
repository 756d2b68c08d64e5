use std::{io, path::PathBuf};

use thiserror::Error;

use super::Split;

/// Data that cannot be had, or that is not what the plan says.
#[derive(Debug, Error)]
pub enum DataError {
    /// Neither the plain nor the gzipped file is there.
    #[error("{}: found neither {name} nor {name}.gz; expected the four IDX files of MNIST or Fashion-MNIST there: correct data.idx.path or put the file in place", folder.display())]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// The plain file's name.
        name: String,
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
    /// The file ends too early.
    #[error(
        "{file}: ends after {found} bytes of content; expected {expected}: fetch the file again"
    )]
    Truncated {
        /// The file.
        file: String,
        /// Content bytes that were there.
        found: u64,
        /// Content bytes that its header announces.
        expected: u64,
    },
    /// The file cannot hold what its header announces.
    #[error(
        "{file}: its header announces {announced} bytes of content, but a file of this size holds at most {possible}; expected an intact IDX file: fetch the file again"
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
    #[error(
        "{file}: {field} is {found}; expected {expected}: give the file that data describes, or correct data"
    )]
    Header {
        /// The file.
        file: String,
        /// What the header field means.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value that the plan or the format wants.
        expected: String,
    },
    /// A label is not a class.
    #[error(
        "{file}: label {found} of sample {index} is not a class; expected less than data.idx.classes = {classes}: correct data.idx.classes or the file"
    )]
    Label {
        /// The file.
        file: String,
        /// The sample.
        index: usize,
        /// Its label.
        found: u8,
        /// Number of classes.
        classes: u32,
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
}
