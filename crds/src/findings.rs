//! What is found on the way from the manifest to the plan.

use crate::{FieldError, plan::Warning};

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
