//! The leaves of a schema, and those that a value has.
#![allow(unreachable_pub, reason = "tests of this crate take it")]

use std::collections::BTreeSet;

use serde_json::Value;

/// The leaves of a schema: fields that are no maps with fields of their own. Entries of lists are `[]`.
pub fn leaves(schema: &Value, path: &str, fields: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            leaves(property, &join(path, name), fields);
        }
    } else if schema["items"]["properties"].is_object() {
        leaves(&schema["items"], &format!("{path}[]"), fields);
    } else {
        fields.insert(path.to_owned());
    }
}

/// The leaves of the schema that a value has.
pub fn written(schema: &Value, value: &Value, path: &str, fields: &mut BTreeSet<String>) {
    visit(schema, value, path, &mut |path, _, _| {
        fields.insert(path.to_owned());
    });
}

/// Calls `found` with the path, the schema and the value of each leaf that a value has.
pub fn visit(schema: &Value, value: &Value, path: &str, found: &mut impl FnMut(&str, &Value, &Value)) {
    match value {
        Value::Object(members) if schema["properties"].is_object() => {
            for (name, member) in members {
                let schema = &schema["properties"][name];
                visit(schema, member, &join(path, name), found);
            }
        }
        Value::Array(items) if schema["items"]["properties"].is_object() => {
            for item in items {
                visit(&schema["items"], item, &format!("{path}[]"), found);
            }
        }
        _ => found(path, schema, value),
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}
