//! CSV files (RFC 4180): a row is a sample, with its label in one column and its input in the others.

mod limit;

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use fltorrent_crds::{experiment::Column, plan::Columns};

use super::{DataError, idx::MAX_SAMPLES, source::Source};
use limit::RowLimit;

/// Bytes that a value may take in a row.
const VALUE_BYTES: usize = 64;
/// Bytes that the names of the columns may take beside that.
const SPARE_BYTES: usize = 64 << 10;
/// Names of columns that an error lists.
const LISTED: usize = 8;

/// A file whose rows come one by one.
pub(super) struct Table {
    name: String,
    reader: Reader<RowLimit>,
    record: ByteRecord,
    /// Number of the labels' column.
    label: usize,
    /// Fields of a row.
    width: usize,
    rows: usize,
}

impl Table {
    /// Opens a file of samples with `input_len` values each.
    pub(super) fn open(
        source: Source,
        columns: &Columns,
        input_len: usize,
    ) -> Result<Self, DataError> {
        let name = source.name();
        let longest = input_len.saturating_mul(VALUE_BYTES) + SPARE_BYTES;
        let mut reader = ReaderBuilder::new()
            .has_headers(columns.header)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(RowLimit::new(source.into_reader(), longest));
        let width = input_len + 1;
        let label = match &columns.label {
            Column::Number(number) => *number as usize,
            Column::Name(wanted) => {
                let names = reader.byte_headers().map_err(|source| DataError::Csv {
                    file: name.clone(),
                    source,
                })?;
                let found = names.iter().position(|name| name == wanted.as_bytes());
                found.ok_or_else(|| DataError::Column {
                    file: name.clone(),
                    wanted: wanted.clone(),
                    found: listed(names),
                })?
            }
        };
        if label >= width {
            return Err(DataError::ColumnNumber {
                file: name,
                label,
                width,
            });
        }
        Ok(Self {
            name,
            reader,
            record: ByteRecord::new(),
            label,
            width,
            rows: 0,
        })
    }

    /// Goes to the next row; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, DataError> {
        let more = self
            .reader
            .read_byte_record(&mut self.record)
            .map_err(|source| DataError::Csv {
                file: self.name.clone(),
                source,
            })?;
        if !more {
            return Ok(false);
        }
        if self.record.len() != self.width {
            return Err(DataError::Row {
                file: self.name.clone(),
                line: self.line(),
                found: self.record.len(),
                expected: self.width,
            });
        }
        self.rows += 1;
        if self.rows > MAX_SAMPLES as usize {
            return Err(DataError::Header {
                file: self.name.clone(),
                field: "the number of rows",
                found: format!("more than {MAX_SAMPLES}"),
                expected: format!("at most {MAX_SAMPLES}"),
            });
        }
        Ok(true)
    }

    /// The row's label.
    pub(super) fn label(&self, classes: u32) -> Result<u8, DataError> {
        let text = text(&self.record, self.label);
        let label = text.parse::<u8>().ok();
        label
            .filter(|&label| u32::from(label) < classes)
            .ok_or_else(|| DataError::Cell {
                file: self.name.clone(),
                line: self.line(),
                column: self.label,
                found: text.chars().take(LISTED * 4).collect(),
                expected: format!("a label, a whole number below data.csv.classes = {classes}"),
            })
    }

    /// The row's input: hands over each value with its place in the input.
    pub(super) fn values(&self, mut take: impl FnMut(usize, f64)) -> Result<(), DataError> {
        let places = (0..self.width).filter(|&column| column != self.label);
        for (place, column) in places.enumerate() {
            let text = text(&self.record, column);
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            take(
                place,
                value.ok_or_else(|| DataError::Cell {
                    file: self.name.clone(),
                    line: self.line(),
                    column,
                    found: text.chars().take(LISTED * 4).collect(),
                    expected: "a finite number".to_owned(),
                })?,
            );
        }
        Ok(())
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }
}

fn text(record: &ByteRecord, column: usize) -> String {
    String::from_utf8_lossy(record.get(column).unwrap_or_default()).into_owned()
}

fn listed(names: &ByteRecord) -> String {
    let mut list: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| {
            String::from_utf8_lossy(name)
                .chars()
                .take(LISTED * 4)
                .collect()
        })
        .collect();
    if names.len() > LISTED {
        list.push("…".to_owned());
    }
    list.join(", ")
}

/// Reads a file's labels.
pub(super) fn labels(mut table: Table, classes: u32) -> Result<Vec<u8>, DataError> {
    let mut labels = Vec::new();
    while table.advance()? {
        labels.push(table.label(classes)?);
    }
    Ok(labels)
}

/// How values become inputs, place by place: `(value − shift) · factor`, or `value ÷ divisor`.
pub(super) enum Scaling {
    Divide(f64),
    Normalise(Vec<Moments>),
}

/// Mean and standard deviation of a column.
#[derive(Clone, Copy, Default)]
pub(super) struct Moments {
    mean: f64,
    deviation: f64,
}

impl Scaling {
    /// Mean and deviation of every column over all rows.
    ///
    /// Source: B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products", Technometrics
    /// 4(3), 1962. IEEE basic operations in the file's order, hence the same bits on every machine.
    pub(super) fn normalise(mut table: Table) -> Result<Self, DataError> {
        let mut moments = vec![Moments::default(); table.width - 1];
        let mut count = 0.0;
        while table.advance()? {
            count += 1.0;
            table.values(|place, value| {
                let column = &mut moments[place];
                let before = value - column.mean;
                column.mean += before / count;
                column.deviation += before * (value - column.mean);
            })?;
        }
        for column in &mut moments {
            let deviation = libm::sqrt(column.deviation / count);
            // A column of one value tells nothing and becomes 0.
            column.deviation = if deviation > 0.0 { deviation } else { 1.0 };
        }
        Ok(Self::Normalise(moments))
    }

    fn apply(&self, place: usize, value: f64) -> f32 {
        let scaled = match self {
            Self::Divide(divisor) => value / divisor,
            Self::Normalise(moments) => (value - moments[place].mean) / moments[place].deviation,
        };
        scaled as f32
    }
}

/// Inputs of the rows at `wanted`, in that order; every entry is below `count`. With no entry, all rows are checked.
pub(super) fn inputs(
    mut table: Table,
    scaling: &Scaling,
    count: usize,
    wanted: &[u32],
) -> Result<Vec<f32>, DataError> {
    let len = table.width - 1;
    let mut slots: Vec<usize> = (0..wanted.len()).collect();
    slots.sort_unstable_by_key(|&slot| wanted[slot]);
    let mut slots = slots.into_iter().peekable();
    let mut inputs = vec![0.0; wanted.len() * len];
    let mut row = vec![0.0; len];
    for index in 0..count {
        if !table.advance()? {
            return Err(DataError::Changed {
                file: table.name.clone(),
            });
        }
        let is_wanted = slots
            .peek()
            .is_some_and(|&slot| wanted[slot] as usize == index);
        if is_wanted || wanted.is_empty() {
            table.values(|place, value| row[place] = scaling.apply(place, value))?;
            if let Some(place) = row.iter().position(|value| !value.is_finite()) {
                return Err(DataError::Cell {
                    file: table.name.clone(),
                    line: table.line(),
                    column: place + usize::from(place >= table.label),
                    found: row[place].to_string(),
                    expected: "a number that a 32-bit float can hold".to_owned(),
                });
            }
        }
        while let Some(slot) = slots.next_if(|&slot| wanted[slot] as usize == index) {
            inputs[slot * len..][..len].copy_from_slice(&row);
        }
    }
    Ok(inputs)
}
