//! Whether the values and their schema know each other.

use serde_json::{Value, json};

/// The value that helm itself passes to a subchart.
const HELMS_OWN: &str = "global";

/// The schema, and what is found to be wrong.
pub struct Comparison<'a> {
    schema: &'a Value,
    /// Values that are documented, and described, as a whole.
    whole: Vec<String>,
    pub wrong: Vec<String>,
}

impl<'a> Comparison<'a> {
    pub fn new(schema: &'a Value, whole: Vec<String>) -> Self {
        Self {
            schema,
            whole,
            wrong: Vec::new(),
        }
    }

    /// Compares a value and all below it with a part of the schema.
    pub fn compare(&mut self, value: &Value, part: &'a Value, path: &str) {
        let part = self.resolved(part);
        if !fits(value, part) {
            self.wrong.push(format!("{path}: {value} is not of its schema's kind"));
        }
        let Some(properties) = part["properties"].as_object() else {
            return;
        };
        if part["additionalProperties"] != json!(false) {
            self.wrong.push(format!("{path}: anything may be in there"));
        }
        if self.whole.iter().any(|whole| whole == path) {
            return;
        }
        for (key, below) in properties {
            let path = join(path, key);
            let required = part["required"]
                .as_array()
                .is_some_and(|keys| keys.contains(&json!(key)));
            // Whoever takes a value away by `null` is told its name, and not the line of a template.
            let optional = key == HELMS_OWN || fits(&Value::Null, self.resolved(below));
            if required == optional {
                self.wrong.push(format!("{path}: required is {required}"));
            }
            match value.get(key) {
                Some(value) => self.compare(value, below, &path),
                None if key == HELMS_OWN => {}
                None => self.wrong.push(format!("{path} is not in values.yaml")),
            }
        }
        for key in value.as_object().into_iter().flat_map(|value| value.keys()) {
            if !properties.contains_key(key) {
                self.wrong.push(format!("{} is not in the schema", join(path, key)));
            }
        }
    }

    fn resolved(&self, part: &'a Value) -> &'a Value {
        match part["$ref"].as_str() {
            Some(place) => self
                .schema
                .pointer(place.trim_start_matches('#'))
                .unwrap_or(&Value::Null),
            None => part,
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn fits(value: &Value, part: &Value) -> bool {
    if let Some(words) = part["enum"].as_array() {
        return words.contains(value);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &part["type"] {
        Value::Array(kinds) => kinds.contains(&json!(kind)),
        one => *one == json!(kind),
    }
}
