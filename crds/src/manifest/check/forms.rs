//! Texts and numbers of one form: the schema's patterns, as the parsers of our own types read them.

use serde_json::Value;

use super::{super::document, describe};
use crate::{
    BitRate, ByteSize, FieldError, Interval, Percentage, Quantity, QueueLength, bit_rate, byte_size,
    errors::quote,
    experiment::{self, kubernetes},
    interval, percentage, quantity, queue_length,
};

/// What a user can write for a column.
pub(super) const COLUMN_SAMPLE: &str = "the column's name, or its number counted from 0";

/// What is wrong with a text under one of the schema's patterns. The patterns are those of our own types, whose parsers
/// are exact where a regular expression is not; an unknown pattern is a fault of the schema and fits nothing.
pub(super) fn form(pattern: &str, text: &str) -> Option<String> {
    match pattern {
        interval::PATTERN => text
            .parse::<Interval>()
            .err()
            .map(|error| format!("{} is {error}", quote(text))),
        byte_size::PATTERN => text
            .parse::<ByteSize>()
            .err()
            .map(|error| format!("{} is {error}", quote(text))),
        bit_rate::PATTERN => text
            .parse::<BitRate>()
            .err()
            .map(|error| format!("{} is {error}", quote(text))),
        percentage::PATTERN => text
            .parse::<Percentage>()
            .err()
            .map(|error| format!("{} is {error}", quote(text))),
        queue_length::PATTERN => text
            .parse::<QueueLength>()
            .err()
            .map(|error| format!("{} is {error}", quote(text))),
        experiment::SHA256_PATTERN => {
            let fits = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (!fits).then(|| format!("{} is not a SHA-256", quote(text)))
        }
        experiment::NAME_PATTERN => (!document::is_label(text)).then(|| format!("{} is not a name", quote(text))),
        quantity::PATTERN => text
            .parse::<Quantity>()
            .err()
            .map(|error| format!("{} is {error}", quote(text))),
        _ => match kubernetes::form(pattern) {
            Some(form) => (!(form.fits)(text)).then(|| format!("{} is not {}", quote(text), form.noun)),
            None => Some(format!("{} cannot be checked", quote(text))),
        },
    }
}

pub(super) fn amount(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let fault = match value {
        Value::String(text) => form(quantity::PATTERN, text),
        Value::Number(number) => match number.as_u64().map(Quantity::try_from) {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(format!("{number} is {error}")),
            None => Some(format!("{number} is not a whole number")),
        },
        other => Some(format!("{} is not a quantity", describe(other))),
    };
    if let Some(fault) = fault {
        errors.push(FieldError::new(path, fault, format!("write {}", quantity::SAMPLE)));
    }
}

pub(super) fn bytes(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let fault = match value {
        Value::String(text) => form(byte_size::PATTERN, text),
        Value::Number(number) => match number.as_u64().map(ByteSize::try_from) {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(format!("{number} is {error}")),
            None => Some(format!("{number} is not a whole number of bytes")),
        },
        other => Some(format!("{} is not a quantity of bytes", describe(other))),
    };
    if let Some(fault) = fault {
        errors.push(FieldError::new(path, fault, "write a quantity of bytes such as 256Mi"));
    }
}

pub(super) fn column(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let fault = match value {
        Value::String(name) => experiment::name_fault(name).map(|fault| format!("{} is {fault}", quote(name))),
        Value::Number(number) => {
            let fits = number
                .as_u64()
                .is_some_and(|number| number <= experiment::MAX_COLUMN.into());
            (!fits).then(|| format!("{number} is out of range"))
        }
        other => Some(format!("{} is not a column", describe(other))),
    };
    if let Some(fault) = fault {
        errors.push(FieldError::new(path, fault, format!("write {COLUMN_SAMPLE}")));
    }
}
