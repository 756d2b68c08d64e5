//! The YAML document: bounded reading, and what stands around `spec`.

use serde_json::{Map, Value};
use serde_saphyr::{Error, UserMessageFormatter, budget::BudgetBreach};

use super::{check, reserved};
use crate::{
    FieldError,
    errors::{TEXT, quote},
    forms::is_name,
    limits::MAX_NAME,
};

/// Longest manifest in bytes: 1 MiB, about what a cluster can store as one object.
pub const MAX_BYTES: usize = 1 << 20;

const API_VERSION: &str = "fltorrent.io/v1alpha1";
const KIND: &str = "FLTorrentExperiment";
const FIELDS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// What `metadata` may hold in a file: the common fields, and what a cluster adds to an object that is printed.
const METADATA: [&str; 13] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "uid",
];

/// Documents of a text, most of them empty.
const MAX_DOCUMENTS: usize = 64;
/// Maps and lists within each other.
const MAX_DEPTH: usize = 64;
/// Values of a text, with those that its aliases repeat.
const MAX_NODES: usize = 500_000;
/// Aliases of a text, and values that are named for them.
const MAX_ALIASES: usize = 1_000;

/// Reads the one document of a YAML text into a value, with bounds on its size, depth, nodes and aliases. Empty documents
/// beside it, as a `---` in the last line makes one, are none, as for kubectl.
pub(crate) fn yaml(text: &str) -> Result<Value, FieldError> {
    if text.len() > MAX_BYTES {
        return Err(FieldError::new(
            "",
            format!("the text has {} bytes", text.len()),
            format!("a manifest has at most {MAX_BYTES}"),
        ));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_documents: MAX_DOCUMENTS,
            max_nodes: MAX_NODES,
            max_events: 1_000_000,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: true,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        FieldError::new(
            "",
            "the text cannot be read as one YAML document",
            too_much(&error).unwrap_or_else(|| rendered(&error)),
        )
    })?;
    match documents.len() {
        0 | 1 => Ok(documents.into_iter().next().unwrap_or_default()),
        count => Err(FieldError::new(
            "",
            format!("the text has {count} YAML documents"),
            "write each into a file of its own",
        )),
    }
}

/// What the reader says, with the place in the text.
fn rendered(error: &Error) -> String {
    let text = error.render_with_formatter(&UserMessageFormatter);
    text.strip_prefix("error: ").map(str::to_owned).unwrap_or(text)
}

/// What is over its bound, which the reader's own words do not tell.
fn too_much(error: &Error) -> Option<String> {
    let mut cause = error;
    while let Error::AliasError { error, .. } | Error::WithSnippet { error, .. } = cause {
        cause = error;
    }
    let what = match cause {
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => {
                format!("its maps and lists are more than {MAX_DEPTH} deep")
            }
            BudgetBreach::Documents { .. } => format!("it has more than {MAX_DOCUMENTS} documents"),
            BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
                format!("it has more than {MAX_ALIASES} anchors (`&name`) or aliases (`*name`)")
            }
            BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
                format!("it has more than {MAX_NODES} values, with those that aliases (`*name`) repeat")
            }
            _ => "it is more than any manifest needs".to_owned(),
        },
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "its aliases (`*name`) repeat more than any manifest needs".to_owned()
        }
        _ => return None,
    };
    let place = error
        .location()
        .map(|place| format!(" at {TEXT}:{}:{}", place.line(), place.column()));
    Some(format!("{what}{}", place.unwrap_or_default()))
}

/// Reads the one document of a manifest, which must be a map.
pub(super) fn read(text: &str) -> Result<Value, FieldError> {
    let value = yaml(text)?;
    if value.is_object() {
        return Ok(value);
    }
    let found = if value.is_null() {
        "the manifest is empty".to_owned()
    } else {
        format!("the manifest is {}", check::describe(&value))
    };
    Err(FieldError::new(
        "",
        found,
        format!("it starts with `apiVersion: {API_VERSION}` and `kind: {KIND}`"),
    ))
}

/// Checks all but `spec`.
pub(super) fn check_envelope(document: &Value, errors: &mut Vec<FieldError>) {
    let empty = Map::new();
    let fields = document.as_object().unwrap_or(&empty);
    check_constant(fields.get("apiVersion"), "apiVersion", API_VERSION, errors);
    check_constant(fields.get("kind"), "kind", KIND, errors);
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        errors.push(reserved::unknown_top(name, &FIELDS));
    }
    match fields.get("metadata") {
        Some(Value::Object(metadata)) => {
            for name in metadata.keys().filter(|name| !METADATA.contains(&name.as_str())) {
                errors.push(reserved::unknown("metadata", name, METADATA.iter().copied()));
            }
            for name in ["labels", "annotations"] {
                check_texts(metadata.get(name), name, errors);
            }
            check_name(metadata.get("name").unwrap_or(&Value::Null), errors);
        }
        None | Some(Value::Null) => check_name(&Value::Null, errors),
        Some(other) => errors.push(FieldError::new(
            "metadata",
            format!("{} is not a map", check::describe(other)),
            "write `metadata: {name: my-experiment}`",
        )),
    }
}

fn check_constant(value: Option<&Value>, path: &str, expected: &str, errors: &mut Vec<FieldError>) {
    match value {
        Some(Value::String(text)) if text == expected => {}
        Some(value) if !value.is_null() => errors.push(FieldError::new(
            path,
            format!("{} is not known", check::describe(value)),
            format!("write {expected}"),
        )),
        _ => errors.push(FieldError::new(path, "is missing", format!("write {expected}"))),
    }
}

/// Labels and annotations: maps of texts.
fn check_texts(value: Option<&Value>, name: &str, errors: &mut Vec<FieldError>) {
    let Some(value) = value else { return };
    let texts = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
    if !texts {
        errors.push(FieldError::new(
            format!("metadata.{name}"),
            format!("{} is not a map of texts", check::describe(value)),
            "put quotes around every value",
        ));
    }
}

/// Checks `metadata.name`.
pub(super) fn check_name(value: &Value, errors: &mut Vec<FieldError>) {
    const PATH: &str = "metadata.name";
    let rule = format!("a name has a–z, 0–9 and `-`, a letter first, no `-` at the end, at most {MAX_NAME} characters");
    match value {
        Value::String(name) if name.len() > MAX_NAME => errors.push(FieldError::new(
            PATH,
            format!("{} has {} characters", quote(name), name.chars().count()),
            rule,
        )),
        Value::String(name) if !is_name(name) => {
            errors.push(FieldError::new(PATH, format!("{} is not a name", quote(name)), rule));
        }
        Value::String(_) => {}
        Value::Null => errors.push(FieldError::new(PATH, "is missing", rule)),
        other => errors.push(FieldError::new(
            PATH,
            format!("{} is not a text", check::describe(other)),
            rule,
        )),
    }
}
