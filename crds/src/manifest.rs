//! Reads a manifest: YAML text → value → checked against the schema → [`Experiment`].
//!
//! All faults are found at once, each with the path of its field. What a field may hold is said in one place, the
//! schema of [`crate::definition`], which the API server uses as well.

mod check;
mod document;
mod free;
mod kubectl;
mod reserved;
mod sets;

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use crate::{Errors, Experiment, ExperimentSpec, FieldError, definition};
pub(crate) use check::{check as check_value, sample, texts};
pub use document::MAX_BYTES;
pub(crate) use document::yaml;

static SPEC_SCHEMA: LazyLock<JSONSchemaProps> = LazyLock::new(definition::written_schema);

/// Reads a manifest of at most [`MAX_BYTES`] bytes.
///
/// # Errors
/// Everything that is wrong with the text's form, each with the path of its field. What the fields mean together is
/// checked by [`crate::Plan::from_experiment`].
pub fn parse(text: &str) -> Result<Experiment, Errors> {
    parse_with(text, &[])
}

/// Reads a manifest with `path=value` settings over it, such as `("groups[0].count", "4")`. The `spec.` in front of a
/// path may be left out; a value is read as YAML.
///
/// # Errors
/// As [`parse`]; a setting that cannot be applied is reported under its path.
pub fn parse_with(text: &str, sets: &[(String, String)]) -> Result<Experiment, Errors> {
    let draft = Draft::read(text, sets)?;
    match draft.experiment {
        Some(experiment) => Errors::or(draft.errors, experiment),
        None => Err(Errors::all(draft.errors)),
    }
}

/// A manifest as far as it could be read.
pub(crate) struct Draft {
    /// What was wrong with its form.
    pub(crate) errors: Vec<FieldError>,
    /// The manifest, with the faulty fields at their defaults; none when one of them has no default.
    pub(crate) experiment: Option<Experiment>,
}

impl Draft {
    /// Reads as much as there is; an error when there is nothing to go on with.
    pub(crate) fn read(text: &str, sets: &[(String, String)]) -> Result<Self, Errors> {
        let mut document = document::read(text).map_err(Errors::one)?;
        let mut errors = kubectl::read_otherwise(text);
        errors.extend(sets::apply(&mut document, sets));
        document::check_envelope(&document, &mut errors);
        let Some(spec) = document.get_mut("spec").filter(|spec| !spec.is_null()) else {
            errors.push(FieldError::new(
                "spec",
                "is missing",
                "groups, topology, model and data belong under it",
            ));
            return Err(Errors::all(errors));
        };
        let mut misfits = Vec::new();
        check::check(&SPEC_SCHEMA, spec, &mut misfits);
        // Where kubectl reads another value, that this one does not fit is no second fault.
        misfits.retain(|misfit| errors.iter().all(|error| error.path != misfit.path));
        errors.extend(misfits);
        if !errors.is_empty() {
            check::strip(&SPEC_SCHEMA, spec);
        }
        match serde_json::from_value(document) {
            Ok(experiment) => Ok(Self {
                errors,
                experiment: Some(experiment),
            }),
            Err(error) => {
                if errors.is_empty() {
                    errors.push(FieldError::new(
                        "",
                        format!("the manifest cannot be read: {error}"),
                        "see the fields of metadata and spec",
                    ));
                }
                Ok(Self {
                    errors,
                    experiment: None,
                })
            }
        }
    }
}

/// Checks a spec that did not come from a text: from the API server or made by a program.
pub(crate) fn check_spec(spec: &ExperimentSpec) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match serde_json::to_value(spec) {
        Ok(value) => check::check(&SPEC_SCHEMA, &value, &mut errors),
        Err(error) => errors.push(FieldError::new("", error.to_string(), "a value that JSON can hold")),
    }
    errors
}

/// What is wrong with an experiment's name.
pub(crate) fn check_name(name: Option<&str>, errors: &mut Vec<FieldError>) {
    let value = name.map_or(Value::Null, Value::from);
    document::check_name(&value, errors);
}
