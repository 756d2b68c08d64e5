//! CSV files (RFC 4180): a row is a sample, with its label in one column and its input in the others.

mod advice;
mod header;
mod rows;

use fltorrent_crds::{data::Columns, experiment::Column, shards::Groups};

use super::{DataError, Span, error::CORRECT, idx::MAX_SAMPLES, kind, shown, source::Source};
use header::Fault;
use rows::{Row, Rows};

/// Bytes that a value may take in a row.
const VALUE_BYTES: usize = 64;
/// Bytes that the names of the columns may take beside that.
const SPARE_BYTES: usize = 64 << 10;

/// Bytes that the name of a row's peer may take.
const MAX_GROUP: usize = 256;

/// The fields that name columns.
const LABEL_FIELD: &str = "data.csv.labelColumn";
const GROUP_FIELD: &str = "data.partition";

/// A file whose rows come one by one.
pub(super) struct Table {
    rows: Rows,
    row: Row,
    /// The columns' names, where the file has them.
    names: Option<Vec<Box<[u8]>>>,
    /// Number of the labels' column.
    label: usize,
    /// Number of the column that the partition names.
    group: Option<usize>,
    /// The columns that are no inputs, ascending.
    aside: Vec<usize>,
    /// Fields of a row.
    width: usize,
    count: usize,
    /// Whether a label is 0.
    has_zero: bool,
}

impl Table {
    /// Opens a file of samples with `input_len` values each; `group` is the column that the partition names.
    pub(super) fn open(
        source: Source,
        columns: &Columns,
        group: Option<&Column>,
        input_len: usize,
    ) -> Result<Self, DataError> {
        let longest = input_len.saturating_mul(VALUE_BYTES) + SPARE_BYTES;
        let mut table = Self {
            rows: Rows::new(source, longest),
            row: Row::default(),
            names: None,
            label: 0,
            group: None,
            aside: Vec::new(),
            width: input_len + 1 + usize::from(group.is_some()),
            count: 0,
            has_zero: false,
        };
        table
            .take_head(columns, group)
            .map_err(|error| table.explained(error))?;
        Ok(table)
    }

    /// Finds the columns that are no inputs, in the row that names them where there is one.
    fn take_head(&mut self, columns: &Columns, group: Option<&Column>) -> Result<(), DataError> {
        let has_names = columns.header && self.rows.read(&mut self.row)?;
        if let Some(fault) = has_names.then(|| header::check_sep(&self.row)).flatten() {
            return Err(self.fault(fault));
        }
        if !has_names
            && columns.header
            && [Some(&columns.label), group]
                .into_iter()
                .flatten()
                .any(|column| matches!(column, Column::Name(_)))
        {
            return Err(self.no_rows());
        }
        self.label = self.number_of(&columns.label, LABEL_FIELD)?;
        self.group = group.map(|group| self.number_of(group, GROUP_FIELD)).transpose()?;
        if self.group == Some(self.label) {
            return Err(self.fault(Fault {
                found: format!("column {} has the labels", self.called(self.label)),
                expected: "another one for data.partition",
                advice: "name the column that says whose a row is".to_owned(),
            }));
        }
        self.aside = [self.label].into_iter().chain(self.group).collect();
        self.aside.sort_unstable();
        let within = self.check_numbers();
        if !has_names {
            return within;
        }
        // A label's column beyond the row is told first, as what is wrong with the manifest.
        if within.is_ok() && self.row.len() != self.width {
            return Err(self.wrong_width(true));
        }
        let is_named = |column| matches!(column, Some(&Column::Name(_)));
        let has_numbers_only = !is_named(Some(&columns.label)) && !is_named(group);
        if let Some(fault) = header::check(&self.row, has_numbers_only.then_some((self.label, self.group))) {
            return Err(self.fault(fault));
        }
        self.names = Some(self.row.fields().map(Box::from).collect());
        within
    }

    fn number_of(&self, column: &Column, field: &'static str) -> Result<usize, DataError> {
        match column {
            Column::Number(number) => Ok(*number as usize),
            Column::Name(wanted) => {
                let found = self.row.fields().position(|name| name == wanted.as_bytes());
                found.ok_or_else(|| self.no_column(wanted, field))
            }
        }
    }

    fn check_numbers(&self) -> Result<(), DataError> {
        let both = [
            (Some(self.label), "labels", LABEL_FIELD),
            (self.group, "names of peers", GROUP_FIELD),
        ];
        for (column, holds, field) in both {
            if let Some(column) = column.filter(|column| *column >= self.width) {
                return Err(DataError::ColumnNumber {
                    file: self.name(),
                    holds,
                    field,
                    column,
                    width: self.width,
                });
            }
        }
        Ok(())
    }

    /// Refuses a file whose inputs have other names than those of the training file, or another order. The label's column may be
    /// elsewhere.
    pub(super) fn check_names(&self, train: &Self) -> Result<(), DataError> {
        let (Some(names), Some(expected)) = (&self.names, &train.names) else {
            return Ok(());
        };
        let fault = [self, train]
            .into_iter()
            .find_map(|table| Some(table.fault(header::check_utf8(&table.row)?)));
        let mut pairs = (0..self.input_len()).filter_map(|place| {
            let column = self.column_of(place);
            let expected = expected.get(train.column_of(place))?;
            Some((column, names.get(column)?, expected))
        });
        match pairs.find(|(_, name, expected)| name != expected) {
            Some((column, name, expected)) => {
                let (name, expected) = header::told_apart(name, expected);
                Err(fault.unwrap_or_else(|| {
                    self.fault(Fault {
                        found: format!("column {column}, counted from 0, is `{name}`"),
                        expected: "the inputs of the training file in its order",
                        advice: format!("it has `{expected}` there: give both files the same columns"),
                    })
                }))
            }
            None => Ok(()),
        }
    }

    /// Goes to the next row; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, DataError> {
        match self.next() {
            Err(error) => Err(self.explained(error)),
            more => more,
        }
    }

    /// Goes to a row of those whose labels were read.
    fn advance_to_known(&mut self) -> Result<(), DataError> {
        match self.advance()? {
            true => Ok(()),
            false => Err(DataError::Changed { file: self.name() }),
        }
    }

    fn next(&mut self) -> Result<bool, DataError> {
        if !self.rows.read(&mut self.row)? {
            return Ok(false);
        }
        if self.count == 0
            && self.names.is_none()
            && let Some(fault) = header::check_sep(&self.row).or_else(|| header::check_first_sample(&self.row))
        {
            return Err(self.fault(fault));
        }
        if self.row.len() != self.width {
            return Err(self.wrong_width(false));
        }
        self.count += 1;
        if self.count > MAX_SAMPLES as usize {
            return Err(DataError::Header {
                file: self.name(),
                field: "the number of rows",
                found: format!("more than {MAX_SAMPLES}"),
                expected: format!("at most {MAX_SAMPLES}").into(),
                advice: CORRECT.into(),
            });
        }
        Ok(true)
    }

    /// The row's label: a whole number, which may be written as a decimal one.
    pub(super) fn label(&mut self, classes: u32) -> Result<u8, DataError> {
        let field = self.row.field(self.label);
        let whole = |number: f64| (number.fract() == 0.0 && (0.0..256.0).contains(&number)).then_some(number as u8);
        let label = advice::number(field).and_then(whole);
        match label.filter(|&label| u32::from(label) < classes) {
            Some(label) => {
                self.has_zero |= label == 0;
                Ok(label)
            }
            None => Err(self.explained(self.cell(
                self.label,
                shown(field),
                format!("a label, a whole number below data.csv.classes = {classes}"),
                advice::of_label(field, classes, self.has_zero),
            ))),
        }
    }

    /// The row's input: hands over each value with its place in the input.
    pub(super) fn values(&self, mut take: impl FnMut(usize, f64)) -> Result<(), DataError> {
        let places = (0..self.width).filter(|column| !self.aside.contains(column));
        for (place, column) in places.enumerate() {
            let field = self.row.field(column);
            let Some(value) = advice::number(field) else {
                let error = self.cell(
                    column,
                    shown(field),
                    "a finite number".to_owned(),
                    advice::of_value(field),
                );
                return Err(self.explained(error));
            };
            take(place, value);
        }
        Ok(())
    }

    /// The row's input as the model sees it.
    fn scaled(&self, scaling: &Scaling, row: &mut [f32]) -> Result<(), DataError> {
        self.values(|place, value| row[place] = scaling.apply(place, value))?;
        match row.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(self.cell(
                self.column_of(place),
                shown(self.row.field(self.column_of(place))),
                "a number that a 32-bit float can hold".to_owned(),
                "correct the file, or data.csv".to_owned(),
            )),
            None => Ok(()),
        }
    }

    /// The column of a place in the input.
    fn column_of(&self, place: usize) -> usize {
        let skip = |column, &aside: &usize| column + usize::from(column >= aside);
        self.aside.iter().fold(place, skip)
    }

    /// Values of a sample.
    fn input_len(&self) -> usize {
        self.width - self.aside.len()
    }

    /// What the partition's column says of the row.
    fn group(&self, column: usize) -> Result<&[u8], DataError> {
        let field = self.row.field(column);
        match field.len() {
            1..=MAX_GROUP => Ok(field),
            length => Err(self.explained(self.cell(
                column,
                if length == 0 {
                    String::new()
                } else {
                    format!("{length} bytes")
                },
                format!("whose the row is, as data.partition wants, in at most {MAX_GROUP} bytes"),
                match length {
                    0 => advice::of_value(field),
                    _ => format!("name the column of such names in {GROUP_FIELD}"),
                },
            ))),
        }
    }

    /// How a column is called in an error: by its name, or by its number as in `data.csv.labelColumn`.
    fn called(&self, column: usize) -> String {
        let name = self.names.as_ref().and_then(|names| names.get(column));
        match name.filter(|name| !name.is_empty()) {
            Some(name) => format!("`{}`", shown(name)),
            None => format!("{column} (counted from 0)"),
        }
    }

    fn name(&self) -> String {
        self.rows.source().name()
    }

    fn fault(&self, fault: Fault) -> DataError {
        DataError::Table {
            file: self.name(),
            line: self.row.lines().0,
            found: fault.found,
            expected: fault.expected,
            advice: fault.advice,
        }
    }

    fn cell(&self, column: usize, found: String, expected: String, advice: String) -> DataError {
        let advice = advice::of_break(&self.row, column).unwrap_or(advice);
        DataError::Cell {
            file: self.name(),
            line: self.row.line_of(column),
            column: self.called(column).into(),
            found: found.into(),
            expected: expected.into(),
            advice: advice.into(),
        }
    }

    fn wrong_width(&self, is_header: bool) -> DataError {
        DataError::Row {
            file: self.name(),
            line: self.row.lines().0,
            found: self.row.len(),
            expected: self.width,
            parts: match self.group {
                Some(_) => "a label, the column of data.partition and ",
                None => "a label and ",
            },
            advice: advice::of_row(&self.row, self.width, is_header),
        }
    }

    /// A file without even a header.
    fn no_rows(&self) -> DataError {
        DataError::Header {
            file: self.name(),
            field: "the number of rows",
            found: "0".to_owned(),
            expected: "the names of the columns and a row a sample".into(),
            advice: CORRECT.into(),
        }
    }

    fn no_column(&self, wanted: &str, field: &str) -> DataError {
        if let Some(fault) = header::check_utf8(&self.row) {
            return self.fault(fault);
        }
        let advice = advice::of_separator(self.row.fields());
        DataError::Column {
            file: self.name(),
            wanted: shown(wanted.as_bytes()),
            found: header::listed(&self.row),
            advice: advice
                .unwrap_or_else(|| format!("correct {field}, or write `header: false` and the column's number")),
        }
    }

    /// A file of another kind is told as such, whatever is wrong with it as a table.
    fn explained(&self, error: DataError) -> DataError {
        match kind::of(self.rows.source().head()) {
            Some(kind) => DataError::kind(self.name(), kind, "a table in CSV"),
            None => error,
        }
    }
}

/// Reads a file's labels, and with `grouped` what the partition's column says.
pub(super) fn labels(table: &mut Table, classes: u32, grouped: bool) -> Result<(Vec<u8>, Option<Groups>), DataError> {
    let mut labels = Vec::new();
    let mut groups = table
        .group
        .filter(|_| grouped)
        .map(|column| (column, Groups::default()));
    while table.advance()? {
        labels.push(table.label(classes)?);
        if let Some((column, groups)) = &mut groups {
            groups.push(table.group(*column)?);
        }
    }
    Ok((labels, groups.map(|(_, groups)| groups)))
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
        let mut moments = vec![Moments::default(); table.input_len()];
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

/// Inputs of the rows at `wanted`, in that order; every entry is below `count`.
pub(super) fn inputs(mut table: Table, scaling: &Scaling, count: usize, wanted: &[u32]) -> Result<Vec<f32>, DataError> {
    let len = table.input_len();
    let mut slots: Vec<usize> = (0..wanted.len()).collect();
    slots.sort_unstable_by_key(|&slot| wanted[slot]);
    let mut slots = slots.into_iter().peekable();
    let mut inputs = vec![0.0; wanted.len() * len];
    let mut row = vec![0.0; len];
    for index in 0..count {
        table.advance_to_known()?;
        let is_wanted = slots.peek().is_some_and(|&slot| wanted[slot] as usize == index);
        if is_wanted {
            table.scaled(scaling, &mut row)?;
        }
        while let Some(slot) = slots.next_if(|&slot| wanted[slot] as usize == index) {
            inputs[slot * len..][..len].copy_from_slice(&row);
        }
    }
    Ok(inputs)
}

/// Checks all rows, and gives the span of each column's values as the model sees them.
pub(super) fn spans(mut table: Table, scaling: &Scaling, count: usize) -> Result<Vec<Span>, DataError> {
    let mut row = vec![0.0; table.input_len()];
    let mut spans = vec![(f32::INFINITY, f32::NEG_INFINITY); row.len()];
    for _ in 0..count {
        table.advance_to_known()?;
        table.scaled(scaling, &mut row)?;
        for ((least, greatest), value) in spans.iter_mut().zip(&row) {
            *least = least.min(*value);
            *greatest = greatest.max(*value);
        }
    }
    let spans = spans.into_iter().enumerate();
    let span = |(place, (least, greatest))| Span {
        name: format!("column {}", table.called(table.column_of(place))),
        least,
        greatest,
    };
    Ok(spans.map(span).collect())
}
