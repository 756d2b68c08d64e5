//! What a schema says of a field, in words.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use super::Field;
use crate::{forms, manifest};

/// A row of a table.
pub(super) fn row(field: &Field<'_>) -> String {
    let what = field.schema.description.as_deref().unwrap_or_default();
    let what: Vec<&str> = what.split_whitespace().collect();
    let kind = match field.variant {
        Some(variant) => format!("{}, with `type: {variant}`", kind(field.schema)),
        None => kind(field.schema),
    };
    let cells = [format!("`{}`", field.path), what.join(" "), kind, default(field)];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', r"\|")).join(" | "))
}

/// What a field may be.
fn kind(schema: &JSONSchemaProps) -> String {
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        return list(schema, item);
    }
    if schema.x_kubernetes_preserve_unknown_fields == Some(true) {
        return "a map of any fields".to_owned();
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &schema.additional_properties {
        let count = count(None, schema.max_properties);
        return format!("a map{count}, each value {}", kind(value));
    }
    if schema.type_.as_deref() == Some("object") {
        return "a map".to_owned();
    }
    let allowed = manifest::texts(schema);
    match allowed.as_slice() {
        [] => {}
        [only] => return format!("`{only}`"),
        some => {
            let quoted: Vec<String> = some.iter().map(|text| format!("`{text}`")).collect();
            return quoted.join(", ");
        }
    }
    let sample = manifest::sample(schema);
    format!("{sample}{}", length(schema, &sample))
}

fn list(schema: &JSONSchemaProps, item: &JSONSchemaProps) -> String {
    let count = count(schema.min_items, schema.max_items);
    let mut text = match manifest::texts(item).as_slice() {
        [] => format!("a list{count}, each {}", kind(item)),
        _ => format!("a list{count}, each one of {}", kind(item)),
    };
    for key in schema.x_kubernetes_list_map_keys.iter().flatten() {
        text.push_str(&format!(", no two with the same `{key}`"));
    }
    if schema.x_kubernetes_list_type.as_deref() == Some("set") {
        text.push_str(", none twice");
    }
    text
}

/// How many entries there may be.
fn count(least: Option<i64>, most: Option<i64>) -> String {
    match (least.filter(|least| *least > 0), most) {
        (Some(least), Some(most)) if least == most => format!(" of {most}"),
        (Some(least), Some(most)) => format!(" of {least} to {most}"),
        (Some(least), None) => format!(" of {least} or more"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    }
}

/// How long a text may be, where its form does not say it.
fn length(schema: &JSONSchemaProps, sample: &str) -> String {
    let is_free = match schema.pattern.as_deref() {
        None => schema.type_.as_deref() == Some("string"),
        Some(pattern) => forms::form(pattern).is_some() && schema.min_length != schema.max_length,
    };
    match schema.max_length.filter(|_| is_free && !sample.contains("at most")) {
        Some(most) => format!(", at most {most} characters"),
        None => String::new(),
    }
}

/// What it is when it is left out.
fn default(field: &Field<'_>) -> String {
    if field.required {
        return "required".to_owned();
    }
    match field.schema.default.as_ref().map(|default| &default.0) {
        None => "–".to_owned(),
        Some(Value::Object(fields)) => match (fields.len(), fields.get("type")) {
            (1, Some(kind)) => format!("`type: {}`", value(kind)),
            _ => "those of its fields".to_owned(),
        },
        Some(other) => format!("`{}`", value(other)),
    }
}

/// A value as YAML.
fn value(json: &Value) -> String {
    match json {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(value).collect();
            format!("[{}]", items.join(", "))
        }
        // 1.0 is written 1.
        Value::Number(number) => number
            .as_f64()
            .filter(|_| number.is_f64())
            .map_or_else(|| number.to_string(), |number| number.to_string()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(schema: Value) -> String {
        row(&Field {
            path: "a.b".to_owned(),
            schema: &serde_json::from_value(schema).unwrap(),
            required: false,
            variant: None,
        })
    }

    #[test]
    fn a_row_says_what_a_field_may_be() {
        for (schema, row) in [
            (
                json!({"type": "integer", "minimum": 1, "maximum": 9, "default": 2, "description": "How\nmany."}),
                "| `a.b` | How many. | a whole number, 1 to 9 | `2` |\n",
            ),
            (
                json!({"type": "number", "minimum": 0, "maximum": 1, "default": 1.0}),
                "| `a.b` |  | a number, 0 to 1 | `1` |\n",
            ),
            (
                json!({"type": "string", "enum": ["x", "y"], "description": "x | y"}),
                "| `a.b` | x \\| y | `x`, `y` | – |\n",
            ),
            (
                json!({"type": "string", "maxLength": 9}),
                "| `a.b` |  | a text, at most 9 characters | – |\n",
            ),
            (
                json!({"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "enum": ["x", "y"]}, "default": ["x"],
                    "x-kubernetes-list-type": "set"}),
                "| `a.b` |  | a list of 1 to 3, each one of `x`, `y`, none twice | `[x]` |\n",
            ),
            (
                json!({"type": "array", "maxItems": 8, "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object"}}),
                "| `a.b` |  | a list of at most 8, each a map, no two with the same `name` | – |\n",
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 4}),
                "| `a.b` |  | a map of at most 4, each value true or false | – |\n",
            ),
            (
                json!({"type": "object", "default": {"type": "ring"}}),
                "| `a.b` |  | a map | `type: ring` |\n",
            ),
        ] {
            assert_eq!(said(schema), row);
        }
    }
}
