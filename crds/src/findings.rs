//! What is found on the way from the manifest to the plan.

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// Something that is allowed but probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The field that it is about, for example `exchange.uploadSlots`.
    pub path: String,
    /// What it means and what would do.
    pub message: String,
}

/// What is found on the way from the manifest to the plan.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<FieldError>,
    pub(crate) warnings: Vec<Warning>,
}

impl Findings {
    pub(crate) fn error(&mut self, path: &str, found: impl Into<String>, expected: impl Into<String>) {
        self.errors.push(FieldError::new(path, found, expected));
    }

    pub(crate) fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(Warning {
            path: path.to_owned(),
            message: message.into(),
        });
    }
}
