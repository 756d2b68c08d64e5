//! A choice as lines of YAML, each setting with what it is: what `fltorrent init` writes.

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::Family;

/// The lines `type: …` and the settings below it, each behind `indent` spaces and with its description as a comment.
///
/// # Errors
/// When a setting is nothing that JSON has.
pub fn yaml<F: Family>(choice: &F, indent: usize) -> Result<String, serde_json::Error> {
    let (name, margin) = (choice.name(), " ".repeat(indent));
    let mut text = format!("{margin}type: {name}\n");
    let Value::Object(settings) = choice.settings()? else {
        return Ok(text);
    };
    let schema = (choice.variant().schema)(&mut SchemaGenerator::default());
    if settings.is_empty() {
        return Ok(text);
    }
    text.push_str(&format!("{margin}{name}:\n"));
    for (setting, value) in settings {
        if let Some(about) = about(&schema, &setting) {
            text.push_str(&format!("{margin}  # {about}\n"));
        }
        // JSON is YAML.
        text.push_str(&format!("{margin}  {setting}: {value}\n"));
    }
    Ok(text)
}

/// What the schema says of a setting, in one line.
fn about(schema: &Schema, setting: &str) -> Option<String> {
    let setting = schema.get("properties")?.get(setting)?;
    let words = setting.get("description")?.as_str()?.split_whitespace();
    Some(words.collect::<Vec<_>>().join(" "))
}
