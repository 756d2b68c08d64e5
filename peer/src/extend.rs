//! Networks and data sets that a program brings itself, beyond those of the project.
//!
//! A program says once, at its start, what it has ([`install`]); from then on manifests may name it
//! (`model: {type: custom, custom: {name: …}}`). Peers are processes of the same program, so they know it too.

mod guard;

use std::{collections::BTreeMap, sync::OnceLock};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

pub use fltorrent_crds::{
    FieldError,
    catalogue::{Catalogue, Form, Task},
    plan::{Start, TensorPlan},
    seeds,
};
pub use guard::Panicked;
pub(crate) use guard::guard;

use crate::{data, train};
pub use crate::{
    data::{Inputs, Labels, OwnData, OwnError, Split},
    train::{OwnNetwork, Parameters, burn, layers},
};

/// What a program brings itself, by name.
#[derive(Default)]
pub struct Extensions {
    networks: BTreeMap<&'static str, Box<dyn train::AnyNetwork>>,
    data_sets: BTreeMap<&'static str, Box<dyn data::AnyData>>,
}

/// A program that says twice what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the program's own networks and data sets are settled already; say them once, before anything else")]
pub struct Installed;

static INSTALLED: OnceLock<Extensions> = OnceLock::new();

/// Settles what this process has beyond the project's own networks and data sets.
///
/// # Errors
/// When it is settled already, by an earlier call or because somebody looked.
pub fn install(extensions: Extensions) -> Result<(), Installed> {
    INSTALLED.set(extensions).map_err(|_| Installed)
}

/// What this process has.
pub fn installed() -> &'static Extensions {
    INSTALLED.get_or_init(Extensions::default)
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

    pub(crate) fn network_named(&self, name: &str) -> Option<&dyn train::AnyNetwork> {
        let built_in = || (name == train::synthetic::NAME).then_some(train::synthetic::NETWORK);
        self.networks.get(name).map(Box::as_ref).or_else(built_in)
    }

    pub(crate) fn network_names(&self) -> Vec<&str> {
        self.networks.keys().copied().collect()
    }

    pub(crate) fn data_named(&self, name: &str) -> Option<&dyn data::AnyData> {
        self.data_sets.get(name).map(Box::as_ref)
    }

    pub(crate) fn data_names(&self) -> Vec<&str> {
        self.data_sets.keys().copied().collect()
    }
}

impl Catalogue for Extensions {
    fn networks(&self) -> Vec<&str> {
        self.network_names()
    }

    fn tensors(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        task: &Task,
    ) -> Option<Result<Vec<TensorPlan>, FieldError>> {
        let network = self.network_named(name)?;
        Some(guarded(|| network.tensors(settings, task)))
    }

    fn data_sets(&self) -> Vec<&str> {
        self.data_names()
    }

    fn data_set(&self, name: &str, settings: &Map<String, Value>) -> Option<Result<Form, FieldError>> {
        let data_set = self.data_named(name)?;
        Some(guarded(|| data_set.form(settings)))
    }
}

fn guarded<T>(ask: impl FnOnce() -> Result<T, FieldError>) -> Result<T, FieldError> {
    guard(ask).unwrap_or_else(|panic| Err(FieldError::new("", panic.to_string(), "correct the program's own code")))
}

/// Reads settings, with the path of what is wrong in them.
pub(crate) fn settings<T: DeserializeOwned>(settings: &Map<String, Value>) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(Value::Object(settings.clone())).map_err(|error| {
        let path = match error.path().to_string() {
            whole if whole == "." => String::new(),
            path => path,
        };
        let found = error.into_inner().to_string();
        FieldError::new(path, found, "write what the program's own code wants there")
    })
}

/// Whose fault a panic is.
pub(crate) fn blame() -> &'static str {
    let own = installed();
    if own.networks.is_empty() && own.data_sets.is_empty() {
        "fltorrent"
    } else {
        "fltorrent or in the program's own networks and data sets"
    }
}

/// Names for an error.
pub(crate) fn list(names: Vec<&str>) -> String {
    if names.is_empty() {
        "none of its own".to_owned()
    } else {
        names.join(", ")
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
