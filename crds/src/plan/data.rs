//! The data's recipe.

mod file;

use super::{Columns, DataFile, DataPlan, DataSource, SampleKind, custom};
use crate::{
    catalogue::Catalogue,
    errors::quote,
    experiment::{Column, CsvData, Data, DataType, MAX_PEERS, SafetensorsData, TextData},
    findings::Findings,
    partition::{self, Facts},
};

pub use file::is_url;

/// Training images of the digits: those whose index is not 4 modulo 5.
pub const DIGITS_TRAIN: u32 = 1_438;
/// Test images of the digits: those whose index is 4 modulo 5.
pub const DIGITS_TEST: u32 = 359;
/// Most values of one input.
pub const MAX_INPUT: u32 = 1 << 24;
/// Samples of one peer below which a warning is given.
const TINY_SHARD: u64 = 10;
/// Classes of a text: its bytes.
const BYTES: u32 = 256;

impl DataPlan {
    /// What one sample is, which decides what models fit.
    pub fn sample_kind(&self) -> SampleKind {
        match self.source {
            DataSource::Digits
            | DataSource::Idx { .. }
            | DataSource::Csv { .. }
            | DataSource::Safetensors { .. }
            | DataSource::Custom { .. } => SampleKind::Labelled,
            DataSource::Text { .. } => SampleKind::Text,
        }
    }

    /// Classes that samples are counted by: 1 for a text, whose windows have no class of their own.
    pub fn sample_classes(&self) -> u32 {
        match self.sample_kind() {
            SampleKind::Labelled => self.classes,
            SampleKind::Text => 1,
        }
    }

    /// Training samples of the data set where the project knows them; none for files, whose headers say it.
    pub fn train_samples(&self) -> Option<u32> {
        known_samples(&self.source)
    }
}

fn known_samples(source: &DataSource) -> Option<u32> {
    match source {
        DataSource::Digits => Some(DIGITS_TRAIN),
        DataSource::Idx { .. }
        | DataSource::Csv { .. }
        | DataSource::Safetensors { .. }
        | DataSource::Text { .. }
        | DataSource::Custom { .. } => None,
    }
}

/// The recipe; none when the data or the partition cannot be one.
pub(super) fn resolve(data: &Data, peers: u64, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<DataPlan> {
    let (source, input_shape, classes) = source(data, catalogue, findings)?;
    let samples = known_samples(&source).map(u64::from);
    if let Some(samples) = samples.filter(|samples| peers > *samples && peers <= u64::from(MAX_PEERS)) {
        findings.error(
            "groups",
            format!("{peers} peers for {samples} training samples"),
            "every peer needs one; take fewer peers or other data",
        );
    }
    let facts = Facts {
        classes,
        peers,
        samples,
    };
    let is_text = data.kind == DataType::Text;
    if !partition::check(&data.partition, &facts, is_text, findings) {
        return None;
    }
    if let (Some(samples), None) = (samples, data.partition.as_dyn().listed()) {
        let mean = samples / peers.max(1);
        if (1..TINY_SHARD).contains(&mean) {
            findings.warn(
                "data",
                format!("a peer has {mean} training samples on average, too few to learn much from"),
            );
        }
    }
    Some(DataPlan {
        source,
        input_shape,
        classes,
        partition: data.partition.clone(),
    })
}

/// Where the data is, the shape of an input, and the classes.
fn source(data: &Data, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<(DataSource, Vec<u32>, u32)> {
    match data.kind {
        DataType::Digits => Some((DataSource::Digits, vec![8, 8], 10)),
        DataType::Idx => {
            let idx = data.idx.as_ref()?;
            let hashed = idx.sha256.is_some();
            file::check(&idx.path, hashed, "data.idx.path", "data.idx.sha256", findings)?;
            let source = DataSource::Idx {
                path: idx.path.clone(),
                sha256: idx.sha256.clone(),
            };
            Some((source, idx.input_shape.to_vec(), idx.classes))
        }
        DataType::Csv => csv(data.csv.as_ref()?, findings),
        DataType::Safetensors => safetensors(data.safetensors.as_ref()?, findings),
        DataType::Text => text(data.text.as_ref()?, findings),
        DataType::Custom => custom::data_set(data.custom.as_ref()?, catalogue, findings),
    }
}

fn csv(csv: &CsvData, findings: &mut Findings) -> Option<(DataSource, Vec<u32>, u32)> {
    let hashes = csv.sha256.clone().unwrap_or_default();
    let train = file::resolve(&csv.train, hashes.train, "data.csv", "train", findings);
    let test = file::resolve(&csv.test, hashes.test, "data.csv", "test", findings);
    bounded(&csv.input_shape, "data.csv.inputShape", findings)?;
    if let (Column::Name(name), false) = (&csv.label_column, csv.header) {
        findings.error(
            "data.csv.labelColumn",
            format!("{} is a name, but header is false", quote(name)),
            "write the column's number counted from 0, or `header: true`",
        );
        return None;
    }
    if csv.normalise && csv.divisor != 1.0 {
        findings.error(
            "data.csv.divisor",
            format!("{} is there beside normalise", csv.divisor),
            "remove one of the two: normalise sets the scale by itself",
        );
        return None;
    }
    let source = DataSource::Csv {
        train: train?,
        test: test?,
        columns: Columns {
            label: csv.label_column.clone(),
            header: csv.header,
            divisor: csv.divisor,
            normalise: csv.normalise,
        },
    };
    Some((source, csv.input_shape.clone(), csv.classes))
}

fn safetensors(data: &SafetensorsData, findings: &mut Findings) -> Option<(DataSource, Vec<u32>, u32)> {
    bounded(&data.input_shape, "data.safetensors.inputShape", findings)?;
    let hashes = data.sha256.clone().unwrap_or_default();
    let hashed = hashes.train.is_some() && hashes.test.is_some();
    file::check(
        &data.path,
        hashed,
        "data.safetensors.path",
        "data.safetensors.sha256 with train and test",
        findings,
    )?;
    let split = |name: &str, sha256| DataFile {
        path: format!("{}/{name}.safetensors", data.path.trim_end_matches('/')),
        sha256,
    };
    let source = DataSource::Safetensors {
        train: split("train", hashes.train),
        test: split("test", hashes.test),
    };
    Some((source, data.input_shape.clone(), data.classes))
}

fn text(text: &TextData, findings: &mut Findings) -> Option<(DataSource, Vec<u32>, u32)> {
    let hashed = text.sha256.is_some();
    file::check(&text.path, hashed, "data.text.path", "data.text.sha256", findings)?;
    let source = DataSource::Text {
        file: DataFile {
            path: text.path.clone(),
            sha256: text.sha256.clone(),
        },
        test_fraction: text.test_fraction,
    };
    Some((source, vec![text.context], BYTES))
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
