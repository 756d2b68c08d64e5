//! Networks and data sets that a program brings itself, beyond those of the project.
//!
//! A program says once, at its start, what it has ([`install`]); from then on manifests may name it
//! (`model: {type: custom, custom: {name: …}}`). Peers are processes of the same program, so they know it too.

use serde_json::{Map, Value};
use thiserror::Error;

pub use fltorrent_crds::{
    FieldError,
    catalogue::{Catalogue, Form, Task},
    plan::{Start, TensorPlan},
    seeds,
};

use crate::{data, guard::guard, train};
pub use crate::{
    data::{Inputs, Labels, OwnData, OwnError, Split},
    guard::Panicked,
    train::{OwnNetwork, Parameters, burn, layers},
};

/// A program's own networks and data sets, by name.
#[derive(Default)]
pub struct Extensions {
    networks: train::Networks,
    data_sets: data::DataSets,
}

/// A program that says twice what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the program's own networks and data sets are settled already; say them once, before anything else")]
pub struct Installed;

/// Settles what this process has beyond the project's own networks and data sets.
///
/// # Errors
/// When it is settled already, by an earlier call or because somebody looked.
pub fn install(extensions: Extensions) -> Result<(), Installed> {
    if train::NETWORKS.get().is_some() || data::DATA_SETS.get().is_some() {
        return Err(Installed);
    }
    train::NETWORKS.set(extensions.networks).map_err(|_| Installed)?;
    data::DATA_SETS.set(extensions.data_sets).map_err(|_| Installed)
}

/// This process' own networks and data sets.
pub fn installed() -> &'static dyn Catalogue {
    &Process
}

impl Extensions {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a network; the manifest names it in `model.custom.name`.
    ///
    /// # Panics
    /// When no manifest could name it (lower-case letters, digits and hyphens, 63 at most, a letter first, no hyphen last), or
    /// there is one of this name.
    #[must_use]
    pub fn network<N: OwnNetwork>(mut self, name: &'static str) -> Self {
        check_name(name);
        let network = Box::new(train::Registered::<N>::new());
        let before = self.networks.insert(name, network);
        assert!(before.is_none(), "there are two networks `{name}`");
        self
    }

    /// Adds a data set; the manifest names it in `data.custom.name`.
    ///
    /// # Panics
    /// As [`Extensions::network`].
    #[must_use]
    pub fn data_set<D: OwnData>(mut self, name: &'static str) -> Self {
        check_name(name);
        let data_set = Box::new(data::Registered::<D>::new());
        let before = self.data_sets.insert(name, data_set);
        assert!(before.is_none(), "there are two data sets `{name}`");
        self
    }
}

/// This process, as a plan asks it.
struct Process;

impl Catalogue for Process {
    fn networks(&self) -> Vec<&str> {
        train::networks().keys().copied().collect()
    }

    fn tensors(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        task: &Task,
    ) -> Option<Result<Vec<TensorPlan>, FieldError>> {
        let network = train::network(name)?;
        Some(guarded(|| network.tensors(settings, task)))
    }

    fn data_sets(&self) -> Vec<&str> {
        data::data_sets().keys().copied().collect()
    }

    fn data_set(&self, name: &str, settings: &Map<String, Value>) -> Option<Result<Form, FieldError>> {
        let data_set = data::data_sets().get(name)?;
        Some(guarded(|| data_set.form(settings)))
    }
}

fn guarded<T>(ask: impl FnOnce() -> Result<T, FieldError>) -> Result<T, FieldError> {
    guard(ask).unwrap_or_else(|panic| Err(FieldError::new("", panic.to_string(), "correct the program's own code")))
}

/// Whose fault a panic is.
pub(crate) fn blame() -> &'static str {
    if train::networks().is_empty() && data::data_sets().is_empty() {
        "fltorrent"
    } else {
        "fltorrent or in the program's own networks and data sets"
    }
}

fn check_name(name: &str) {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(
        name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(inner)
            && !name.ends_with('-'),
        "`{name}` is not a name; a name has a–z, 0–9 and -, 63 at most, a letter first and no hyphen last"
    );
}
