//! How a program's own code is called: its settings, and its panics, which take nothing along.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use fltorrent_crds::FieldError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

/// The message of a panic.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("its code panicked: {0}")]
pub struct Panicked(String);

/// Runs code that may panic. What it changes may be half done after that, and must not be used.
pub(crate) fn guard<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| Panicked(text(panic.as_ref())))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("with something that is no text").to_owned()
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

/// The names of a program's own things, for an error.
pub(crate) fn names<T>(own: &BTreeMap<&str, T>) -> String {
    if own.is_empty() {
        return "none of its own".to_owned();
    }
    own.keys().copied().collect::<Vec<_>>().join(", ")
}
