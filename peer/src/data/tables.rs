//! The two CSV files of a data set, which are read alike.

use std::cell::OnceCell;

use fltorrent_crds::{data::CsvPlan, plan::DataPlan, shards::Groups};

use super::{
    DataError, Inputs, Labels, Reader, Span, Split, file, input_len,
    table::{self, Scaling, Table},
};

pub(super) struct Tables<'a> {
    files: &'a CsvPlan,
    plan: &'a DataPlan,
    /// What both files' values are scaled by, once it is known.
    scaling: OnceCell<Scaling>,
}

impl<'a> Tables<'a> {
    pub(super) fn of(files: &'a CsvPlan, plan: &'a DataPlan) -> Self {
        Self {
            files,
            plan,
            scaling: OnceCell::new(),
        }
    }

    /// What normalises the values is that of the training file, which is read for it.
    fn scaling(&self) -> Result<&Scaling, DataError> {
        if let Some(scaling) = self.scaling.get() {
            return Ok(scaling);
        }
        let columns = &self.files.columns;
        let scaling = match columns.normalise {
            true => Scaling::normalise(self.open(Split::Train)?)?,
            false => Scaling::Divide(columns.divisor),
        };
        Ok(self.scaling.get_or_init(|| scaling))
    }

    fn open(&self, split: Split) -> Result<Table, DataError> {
        let source = file::find(split.of(&self.files.train, &self.files.test))?.open()?;
        let group = self.plan.partition.column();
        Table::open(source, &self.files.columns, group, input_len(self.plan)?)
    }
}

impl Reader for Tables<'_> {
    /// The inputs of both files have to have the same names.
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError> {
        let mut train = self.open(Split::Train)?;
        let mut test = self.open(Split::Test)?;
        test.check_names(&train)?;
        let (train, groups) = table::labels(&mut train, self.plan.classes, true)?;
        let labels = Labels {
            train,
            test: table::labels(&mut test, self.plan.classes, false)?.0,
            content: groups.as_ref().map(Groups::hash),
        };
        Ok((labels, groups))
    }

    fn load(&self, labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError> {
        let scaling = self.scaling()?;
        let numbers = table::inputs(self.open(split)?, scaling, labels.of(split).len(), indices)?;
        Ok((Inputs::Numbers(numbers), None))
    }

    fn spans(&self, labels: &Labels, split: Split) -> Result<Vec<Span>, DataError> {
        let scaling = self.scaling()?;
        table::spans(self.open(split)?, scaling, labels.of(split).len())
    }

    fn scale_advice(&self) -> (&'static str, &'static str) {
        ("data.csv", "write `normalise: true`, or leave out what tells nothing")
    }
}
