//! Maps whose fields the schema leaves open: bounded, and otherwise left to who reads them.

use serde_json::{Map, Value};

use crate::FieldError;

/// Most bytes of such a map as compact JSON.
const MAX_BYTES: usize = 1 << 16;
/// Most maps and lists in each other, the map itself included.
const MAX_DEPTH: usize = 16;

pub(super) fn check(fields: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    if fields.values().any(|value| !fits(value, MAX_DEPTH - 1)) {
        errors.push(FieldError::new(
            path,
            format!("maps and lists are nested more than {MAX_DEPTH} deep"),
            "write it flatter",
        ));
        return;
    }
    let bytes = serde_json::to_vec(fields).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_BYTES {
        errors.push(FieldError::new(
            path,
            format!("has {bytes} bytes as JSON"),
            format!("at most {MAX_BYTES} will do; keep large values in a file"),
        ));
    }
}

/// Whether at most `depth` maps and lists are in each other.
fn fits(value: &Value, depth: usize) -> bool {
    match value {
        Value::Object(fields) => depth > 0 && fields.values().all(|value| fits(value, depth - 1)),
        Value::Array(items) => depth > 0 && items.iter().all(|value| fits(value, depth - 1)),
        _ => true,
    }
}
