//! The two CSV files of a data set, which are read alike.

use fltorrent_crds::plan::{Columns, DataFile, DataPlan};

use super::{
    DataError, Span, Split, file, input_len,
    table::{self, Scaling, Table},
};

pub(super) struct Tables<'a> {
    train: &'a DataFile,
    test: &'a DataFile,
    columns: &'a Columns,
    /// Values of a sample.
    input_len: usize,
    classes: u32,
}

impl<'a> Tables<'a> {
    pub(super) fn of(
        train: &'a DataFile,
        test: &'a DataFile,
        columns: &'a Columns,
        plan: &DataPlan,
    ) -> Result<Self, DataError> {
        Ok(Self {
            train,
            test,
            columns,
            input_len: input_len(plan)?,
            classes: plan.classes,
        })
    }

    /// The labels of the training file and of the test file, whose inputs have to have the same names.
    pub(super) fn labels(&self) -> Result<(Vec<u8>, Vec<u8>), DataError> {
        let mut train = self.open(Split::Train)?;
        let mut test = self.open(Split::Test)?;
        test.check_names(&train)?;
        let train = table::labels(&mut train, self.classes)?;
        Ok((train, table::labels(&mut test, self.classes)?))
    }

    /// The inputs of the samples at `indices` among the `count` ones of a split.
    pub(super) fn inputs(
        &self,
        scaling: &Scaling,
        split: Split,
        count: usize,
        indices: &[u32],
    ) -> Result<Vec<f32>, DataError> {
        table::inputs(self.open(split)?, scaling, count, indices)
    }

    /// The spans of the columns over the `count` samples of a split.
    pub(super) fn spans(&self, scaling: &Scaling, split: Split, count: usize) -> Result<Vec<Span>, DataError> {
        table::spans(self.open(split)?, scaling, count)
    }

    /// What both files' values are scaled by: what normalises them is that of the training file, which is read for it.
    pub(super) fn scaling(&self) -> Result<Scaling, DataError> {
        if self.columns.normalise {
            Scaling::normalise(self.open(Split::Train)?)
        } else {
            Ok(Scaling::Divide(self.columns.divisor))
        }
    }

    fn open(&self, split: Split) -> Result<Table, DataError> {
        let source = file::find(split.of(self.train, self.test))?.open()?;
        Table::open(source, self.columns, self.input_len)
    }
}
