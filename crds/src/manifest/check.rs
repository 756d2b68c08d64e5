//! Walks a value along the schema and collects everything that does not fit.

mod forms;

use std::collections::HashMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value};

use self::forms::{number_or_text, text_fault};
use super::{free, reserved};
use crate::{
    FieldError,
    errors::{MAX_ERRORS, entry, quote},
};

/// Adds everything in `value` that does not fit `schema`.
pub(crate) fn check(schema: &JSONSchemaProps, value: &Value, errors: &mut Vec<FieldError>) {
    walk(schema, value, "", errors);
}

/// Removes the fields that do not fit, so that their defaults stand in for them.
pub(super) fn strip(schema: &JSONSchemaProps, value: &mut Value) {
    let Value::Object(fields) = value else { return };
    if schema.x_kubernetes_preserve_unknown_fields == Some(true) || schema.additional_properties.is_some() {
        return;
    }
    fields.retain(|name, value| {
        let Some(field) = property(schema, name) else {
            return false;
        };
        strip(field, value);
        let mut errors = Vec::new();
        walk(field, value, "", &mut errors);
        errors.is_empty()
    });
}

fn walk(schema: &JSONSchemaProps, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if errors.len() >= MAX_ERRORS {
        return;
    }
    if value.is_null() {
        errors.push(FieldError::new(path, "has no value", no_value(schema)));
        return;
    }
    if schema.x_kubernetes_int_or_string == Some(true) {
        return number_or_text(schema, value, path, errors);
    }
    match (schema.type_.as_deref(), value) {
        (Some("object"), Value::Object(fields)) => object(schema, fields, path, errors),
        (Some("array"), Value::Array(items)) => array(schema, items, path, errors),
        (Some("string"), Value::String(text)) => string(schema, text, path, errors),
        (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => {
            range(schema, value, path, errors);
        }
        (Some("number"), Value::Number(_)) => range(schema, value, path, errors),
        (Some("boolean"), Value::Bool(_)) => {}
        _ => errors.push(FieldError::new(
            path,
            format!("{} is not {}", describe(value), kind(schema)),
            format!("write {}", sample(schema)),
        )),
    }
}

/// What to do about a field without a value.
fn no_value(schema: &JSONSchemaProps) -> String {
    let write = format!("write {}", sample(schema));
    match &schema.default {
        Some(_) => format!("{write}, or remove the field for its default"),
        None => write,
    }
}

fn object(schema: &JSONSchemaProps, fields: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
        return free::check(fields, path, errors);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(item)) = &schema.additional_properties {
        return map(schema, item, fields, path, errors);
    }
    let known = schema.properties.iter().flatten();
    for (name, value) in fields {
        match property(schema, name) {
            Some(field) => walk(field, value, &reserved::join(path, name), errors),
            None => errors.push(reserved::unknown(
                path,
                name,
                known.clone().map(|(name, _)| name.as_str()),
            )),
        }
        if errors.len() >= MAX_ERRORS {
            return;
        }
    }
    for name in schema.required.iter().flatten() {
        if !fields.contains_key(name) {
            let help = property(schema, name).map_or_else(String::new, |field| format!("write {}", sample(field)));
            errors.push(FieldError::new(reserved::join(path, name), "is missing", help));
        }
    }
    union(schema, fields, path, errors);
}

/// A map with keys of the user's: labels or resources.
fn map(
    schema: &JSONSchemaProps,
    item: &JSONSchemaProps,
    fields: &Map<String, Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let most = schema.max_properties.unwrap_or(i64::MAX);
    if i64::try_from(fields.len()).unwrap_or(i64::MAX) > most {
        errors.push(FieldError::new(
            path,
            format!("has {} entries", fields.len()),
            format!("at most {most} will do"),
        ));
        return;
    }
    for (key, value) in fields {
        walk(item, value, &entry(path, key), errors);
    }
}

/// `type` names the member that holds the settings: that one is there if it has settings without a default, and no other.
fn union(schema: &JSONSchemaProps, fields: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(kind) = property(schema, "type") else {
        return;
    };
    let types = texts(kind);
    let default = kind.default.as_ref().map(|default| &default.0);
    let Some(Value::String(chosen)) = fields.get("type").or(default) else {
        return;
    };
    if !types.contains(&chosen.as_str()) {
        return;
    }
    for other in types.iter().filter(|name| *name != chosen) {
        if fields.contains_key(*other) {
            errors.push(FieldError::new(
                reserved::join(path, other),
                format!("is there, but {} is {chosen}", reserved::join(path, "type")),
                format!("remove it, or write `type: {other}`"),
            ));
        }
    }
    let needed = property(schema, chosen).filter(|member| member.required.iter().flatten().next().is_some());
    if let Some(member) = needed.filter(|_| !fields.contains_key(chosen)) {
        errors.push(FieldError::new(
            reserved::join(path, chosen),
            "is missing",
            format!(
                "type {chosen} wants `{chosen}:` with {}",
                member.required.iter().flatten().cloned().collect::<Vec<_>>().join(", ")
            ),
        ));
    }
}

fn array(schema: &JSONSchemaProps, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let least = schema.min_items.unwrap_or(0);
    let most = schema.max_items.unwrap_or(i64::MAX);
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if count < least || count > most {
        let wanted = if least == most {
            format!("exactly {least}")
        } else if count < least {
            format!("at least {least}")
        } else {
            format!("at most {most}")
        };
        errors.push(FieldError::new(path, entries(items.len()), format!("{wanted} will do")));
        // A list that is too long is not looked through: the bound is there to save the work.
        if count > most {
            return;
        }
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        for (i, value) in items.iter().enumerate() {
            walk(item, value, &format!("{path}[{i}]"), errors);
        }
    }
    let keys = schema.x_kubernetes_list_map_keys.iter().flatten();
    for key in keys {
        repeated(items, Some(key), path, errors);
    }
    if schema.x_kubernetes_list_type.as_deref() == Some("set") {
        repeated(items, None, path, errors);
    }
}

/// Entries that have the same text, or the same text in a field, as one before them.
fn repeated(items: &[Value], field: Option<&String>, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        let value = match field {
            Some(field) => item.get(field),
            None => Some(item),
        };
        let Some(text) = value.and_then(Value::as_str) else {
            continue;
        };
        let entry = format!("{path}[{i}]");
        if let Some(first) = seen.get(text) {
            errors.push(FieldError::new(
                field.map_or_else(|| entry.clone(), |field| reserved::join(&entry, field)),
                format!("{} is in {path}[{first}] already", quote(text)),
                "name every entry once",
            ));
        } else {
            seen.insert(text, i);
        }
    }
}

fn entries(count: usize) -> String {
    match count {
        0 => "the list is empty".to_owned(),
        1 => "the list has 1 entry".to_owned(),
        n => format!("the list has {n} entries"),
    }
}

fn string(schema: &JSONSchemaProps, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let allowed = texts(schema);
    if !allowed.is_empty() {
        if !allowed.contains(&text) {
            errors.push(reserved::not_allowed(path, text, &allowed));
        }
        return;
    }
    if let Some(fault) = schema.pattern.as_deref().and_then(|pattern| text_fault(pattern, text)) {
        errors.push(FieldError::new(path, fault, format!("write {}", sample(schema))));
        return;
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if length < schema.min_length.unwrap_or(0) {
        errors.push(FieldError::new(
            path,
            "the text is empty",
            format!("write {}", sample(schema)),
        ));
    }
    if let Some(most) = schema.max_length.filter(|most| length > *most) {
        errors.push(FieldError::new(
            path,
            format!("{} has {length} characters", quote(text)),
            format!("at most {most} will do"),
        ));
    }
}

fn range(schema: &JSONSchemaProps, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let least = schema.minimum.unwrap_or(f64::NEG_INFINITY);
    let most = schema.maximum.unwrap_or(f64::INFINITY);
    if !(least..=most).contains(&number) {
        errors.push(FieldError::new(
            path,
            format!("{value} is out of range"),
            format!("{} will do", bounds(schema)),
        ));
    }
}

fn bounds(schema: &JSONSchemaProps) -> String {
    match (schema.minimum, schema.maximum) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("{least} or more"),
        (None, Some(most)) => format!("{most} or less"),
        (None, None) => "any number".to_owned(),
    }
}

fn property<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    schema.properties.as_ref()?.get(name)
}

/// The texts that the schema allows; none when it allows any.
pub(crate) fn texts(schema: &JSONSchemaProps) -> Vec<&str> {
    schema
        .enum_
        .iter()
        .flatten()
        .filter_map(|value| value.0.as_str())
        .collect()
}

/// What the schema wants, as a noun.
fn kind(schema: &JSONSchemaProps) -> &'static str {
    match schema.type_.as_deref() {
        Some("object") => "a map",
        Some("array") => "a list",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        Some("string") => "a text",
        _ => "anything that fits",
    }
}

/// What a user can write, as a noun.
pub(crate) fn sample(schema: &JSONSchemaProps) -> String {
    if let Some(sample) = schema.pattern.as_deref().and_then(forms::sample) {
        return sample.to_owned();
    }
    if schema.additional_properties.is_some() {
        return "a map such as `key: value`".to_owned();
    }
    match schema.type_.as_deref() {
        Some("object") => {
            let fields: Vec<&str> = schema
                .properties
                .iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            format!("a map of {}", fields.join(", "))
        }
        Some("array") => "a list in square brackets or one entry a line with `- `".to_owned(),
        Some("integer") => format!("a whole number, {}", bounds(schema)),
        Some("number") => format!("a number, {}", bounds(schema)),
        Some("string") if texts(schema).is_empty() => "a text".to_owned(),
        Some("string") => format!("one of {}", texts(schema).join(", ")),
        _ => kind(schema).to_owned(),
    }
}

/// A value in an error: what it is, and itself where that is short.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quote(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}
