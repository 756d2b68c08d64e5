//! The schema of a choice: `type` with its values, a member for the settings of each variant that has some, and the rules that the
//! member fits the type.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Family, Variant, form::TYPE};

pub(crate) fn schema<F: Family>(generator: &mut SchemaGenerator) -> Schema {
    let mut members = Map::new();
    let mut rules = Vec::new();
    for variant in F::VARIANTS.iter().filter(|variant| variant.has_settings) {
        let member = (variant.schema)(generator);
        rules.push(rule(variant.name, &member));
        members.insert(variant.name.to_owned(), member.into());
    }
    members.insert(TYPE.to_owned(), kind::<F>(generator));
    let mut schema = Map::from_iter([
        ("type".to_owned(), json!("object")),
        ("description".to_owned(), paragraph(F::ABOUT).into()),
        ("properties".to_owned(), Value::Object(members)),
    ]);
    if F::DEFAULT.is_none() {
        schema.insert("required".to_owned(), json!([TYPE]));
    }
    if !rules.is_empty() {
        schema.insert("x-kubernetes-validations".to_owned(), rules.into());
    }
    Schema::from(schema)
}

/// The text that a schema describes itself with.
pub(super) fn description(schema: &Schema) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    paragraph(text.unwrap_or_default())
}

/// Says that settings are there exactly when the type names them, or, where all of them have defaults, only then.
fn rule(name: &str, member: &Schema) -> Value {
    let required = member.get("required").and_then(Value::as_array);
    let (rule, message) = match required.is_some_and(|names| !names.is_empty()) {
        true => (
            format!("(self.type == '{name}') == has(self.{name})"),
            format!("{name} must be there exactly when type is {name}"),
        ),
        false => (
            format!("self.type == '{name}' || !has(self.{name})"),
            format!("{name} may be there only when type is {name}"),
        ),
    };
    json!({"rule": rule, "message": message})
}

/// `type`: the names, with the sentences of those that have no member to be described at.
fn kind<F: Family>(generator: &mut SchemaGenerator) -> Value {
    let names: Vec<&str> = F::VARIANTS.iter().map(|variant| variant.name).collect();
    let mut aside = |variant: &Variant<F>| {
        let text = description(&(variant.schema)(generator));
        format!("{} ({})", variant.name, clause(&text))
    };
    let bare = F::VARIANTS.iter().filter(|variant| !variant.has_settings);
    let bare: Vec<String> = bare.map(&mut aside).collect();
    let mut about = "Which member holds the settings.".to_owned();
    if !bare.is_empty() {
        about.push_str(&format!(" There are none for {}.", listed(&bare)));
    }
    let mut kind = json!({"type": "string", "description": about, "enum": names});
    if let Some(default) = F::DEFAULT {
        kind["default"] = default.into();
    }
    kind
}

/// `a`, `a and b`, `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// A sentence as part of another one.
fn clause(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// A doc comment as one paragraph.
fn paragraph(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Turns the schema of an enum without settings, whose values have descriptions, into that of a text with its values: the API server
/// allows no `oneOf` there. For `#[schemars(transform = …)]`.
pub(crate) fn plain(schema: &mut Schema) {
    let Some(Value::Array(values)) = schema.remove("oneOf") else {
        return;
    };
    let names = values.iter().flat_map(|value| {
        let one = value.get("const").into_iter();
        one.chain(value.get("enum").and_then(Value::as_array).into_iter().flatten())
    });
    let names: Vec<Value> = names.cloned().collect();
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), names.into());
}
