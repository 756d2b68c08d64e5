//! Data sets that a program brings itself.

use std::{collections::BTreeMap, marker::PhantomData, sync::OnceLock};

use fltorrent_crds::{FieldError, catalogue::Form, data::CustomPlan, plan::DataPlan, shards::Groups};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{DataError, Inputs, Labels, OwnError, Reader, Split, input_len};
use crate::guard::{self, Panicked};

/// Data sets that a program brings itself, by name.
pub(crate) type DataSets = BTreeMap<&'static str, Box<dyn AnyData>>;

/// Those of this program.
pub(crate) static DATA_SETS: OnceLock<DataSets> = OnceLock::new();

pub(crate) fn data_sets() -> &'static DataSets {
    DATA_SETS.get_or_init(DataSets::default)
}

/// A data set that a program brings itself: labelled samples in an order that is the same on all peers.
///
/// Every peer reads all labels, derives its share from them, and asks for the inputs of that share alone.
pub trait OwnData: Sized + Send + Sync + 'static {
    /// The type of the manifest's `data.custom.settings`; refuse unknown fields (serde's `deny_unknown_fields`), or a
    /// misspelt one is ignored.
    type Settings: DeserializeOwned;

    /// Makes the data set. The plan is made from this, so nothing is read or fetched yet.
    ///
    /// # Errors
    /// Settings that cannot be used, with the path below the settings.
    fn new(settings: Self::Settings) -> Result<Self, FieldError>;

    /// Its shape and classes, which follow from the settings.
    fn form(&self) -> Form;

    /// The labels of both splits, at least one each. Peers with other labels or another [`Labels::content`] do not exchange;
    /// put a hash there of what two machines might have otherwise without a difference in the labels.
    ///
    /// # Errors
    /// Data that cannot be had.
    fn labels(&self) -> Result<Labels, OwnError>;

    /// The inputs at `indices` of a split, one after the other in that order, each of as many values as
    /// [`Form::input_shape`] says. Without an index nothing is wanted but a look at whether the data is whole.
    ///
    /// # Errors
    /// Data that cannot be had.
    fn inputs(&self, split: Split, indices: &[u32]) -> Result<Inputs, OwnError>;
}

/// A data set of some type, by its name in the program.
pub(crate) trait AnyData: Send + Sync {
    fn form(&self, settings: &Map<String, Value>) -> Result<Form, FieldError>;

    fn labels(&self, settings: &Map<String, Value>) -> Result<Labels, Failure>;

    fn inputs(&self, settings: &Map<String, Value>, split: Split, indices: &[u32]) -> Result<Inputs, Failure>;
}

/// Why a data set gave nothing.
pub(crate) enum Failure {
    Settings(FieldError),
    Own(OwnError),
}

pub(crate) struct Registered<D>(PhantomData<fn() -> D>);

impl<D: OwnData> Registered<D> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }

    fn made(settings: &Map<String, Value>) -> Result<D, FieldError> {
        D::new(guard::settings(settings)?)
    }
}

impl<D: OwnData> AnyData for Registered<D> {
    fn form(&self, settings: &Map<String, Value>) -> Result<Form, FieldError> {
        Ok(Self::made(settings)?.form())
    }

    fn labels(&self, settings: &Map<String, Value>) -> Result<Labels, Failure> {
        let data = Self::made(settings).map_err(Failure::Settings)?;
        data.labels().map_err(Failure::Own)
    }

    fn inputs(&self, settings: &Map<String, Value>, split: Split, indices: &[u32]) -> Result<Inputs, Failure> {
        let data = Self::made(settings).map_err(Failure::Settings)?;
        data.inputs(split, indices).map_err(Failure::Own)
    }
}

/// One of the program's data sets, whose answers are checked.
pub(super) struct Own<'a> {
    pub(super) own: &'a CustomPlan,
    pub(super) plan: &'a DataPlan,
}

impl Reader for Own<'_> {
    fn labels(&self) -> Result<(Labels, Option<Groups>), DataError> {
        let CustomPlan { name, settings } = self.own;
        let labels = ask(name, |data| data.labels(settings))?;
        for (split, of_split) in [(Split::Train, &labels.train), (Split::Test, &labels.test)] {
            if of_split.is_empty() || u32::try_from(of_split.len()).is_err() {
                let found = format!("{} labels of the {split:?} split", of_split.len());
                return Err(gave(name, found, format!("1 to {}", u32::MAX)));
            }
            let wrong = of_split.iter().position(|&label| u32::from(label) >= self.plan.classes);
            if let Some(index) = wrong {
                let label = of_split[index];
                let found = format!("the label {label} for sample {index} of the {split:?} split");
                return Err(gave(name, found, format!("less than {}", self.plan.classes)));
            }
        }
        Ok((labels, None))
    }

    fn load(&self, _labels: &Labels, split: Split, indices: &[u32]) -> Result<(Inputs, Option<Vec<u8>>), DataError> {
        let CustomPlan { name, settings } = self.own;
        let input_len = input_len(self.plan)?;
        let inputs = ask(name, |data| data.inputs(settings, split, indices))?;
        let expected = indices.len().saturating_mul(input_len);
        if inputs.len() != expected {
            let found = format!("{} values for {} inputs", inputs.len(), indices.len());
            return Err(gave(name, found, format!("{expected}, {input_len} an input")));
        }
        match &inputs {
            Inputs::Grey { white: 0, .. } => {
                let found = "grey levels with white = 0".to_owned();
                Err(gave(name, found, "white of at least 1".to_owned()))
            }
            Inputs::Numbers(numbers) => match numbers.iter().position(|number| !number.is_finite()) {
                Some(at) => {
                    let sample = indices[at / input_len];
                    let found = format!("the value {} in sample {sample}", numbers[at]);
                    Err(gave(name, found, "finite numbers".to_owned()))
                }
                None => Ok((inputs, None)),
            },
            Inputs::Grey { .. } | Inputs::Tokens(_) => Ok((inputs, None)),
        }
    }
}

fn ask<T>(name: &str, question: impl FnOnce(&dyn AnyData) -> Result<T, Failure>) -> Result<T, DataError> {
    let own = data_sets();
    let owned = || name.to_owned();
    let Some(data) = own.get(name) else {
        return Err(DataError::Unknown {
            name: owned(),
            known: guard::names(own),
        });
    };
    let panicked = |source: Panicked| DataError::Panicked { name: owned(), source };
    guard::guard(|| question(data.as_ref()))
        .map_err(panicked)?
        .map_err(|failure| match failure {
            Failure::Settings(source) => DataError::Settings { name: owned(), source },
            Failure::Own(source) => DataError::Own { name: owned(), source },
        })
}

fn gave(name: &str, found: String, expected: String) -> DataError {
    DataError::Gave {
        name: name.to_owned(),
        found,
        expected,
    }
}
