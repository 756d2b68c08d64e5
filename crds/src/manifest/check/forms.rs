//! Texts and numbers of one form: the schema's patterns, as our own parsers read them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::describe;
use crate::{
    FieldError,
    column::{self, COLUMN_PATTERN},
    errors::quote,
    forms, text,
};

/// What a user can write under one of the schema's patterns.
pub(super) fn sample(pattern: &str) -> Option<&'static str> {
    if pattern == COLUMN_PATTERN {
        return Some("the column's name, or its number counted from 0");
    }
    let name = || forms::form(pattern).map(|form| form.sample);
    text::form(pattern).map(|form| form.sample).or_else(name)
}

/// What is wrong with a text under one of the schema's patterns. Our parsers are exact where a regular expression is not;
/// an unknown pattern is a fault of the schema and fits nothing.
pub(super) fn text_fault(pattern: &str, text: &str) -> Option<String> {
    if let Some(form) = text::form(pattern) {
        return (form.fault)(text).map(|error| format!("{} is {error}", quote(text)));
    }
    match forms::form(pattern) {
        Some(form) => (!(form.fits)(text)).then(|| format!("{} is not {}", quote(text), form.noun)),
        None => Some(format!("{} cannot be checked", quote(text))),
    }
}

/// Checks what the schema has as a number or a text.
pub(super) fn number_or_text(schema: &JSONSchemaProps, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let pattern = schema.pattern.as_deref().unwrap_or_default();
    let form = text::form(pattern).and_then(|form| Some((form, form.whole.as_ref()?)));
    let fault = match (form, value) {
        (Some((form, whole)), Value::Number(number)) => match number.as_u64() {
            Some(number) => (form.fault)(&number.to_string()).map(|error| format!("{number} is {error}")),
            None => Some(format!("{number} is {}", whole.misfit)),
        },
        (Some(_), Value::String(text)) => text_fault(pattern, text),
        (Some((form, _)), other) => Some(format!("{} is {}", describe(other), form.misfit)),
        (None, value) => column_fault(value),
    };
    if let Some(fault) = fault {
        let sample = sample(pattern).unwrap_or_default();
        errors.push(FieldError::new(path, fault, format!("write {sample}")));
    }
}

fn column_fault(value: &Value) -> Option<String> {
    match value {
        Value::String(name) => column::name_fault(name).map(|fault| format!("{} is {fault}", quote(name))),
        Value::Number(number) => {
            let fits = number
                .as_u64()
                .is_some_and(|number| number <= column::MAX_COLUMN.into());
            (!fits).then(|| format!("{number} is out of range"))
        }
        other => Some(format!("{} is not a column", describe(other))),
    }
}
