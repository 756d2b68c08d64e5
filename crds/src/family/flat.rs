//! A choice as the plan has it: `{"type": "step", "rounds": 10, "factor": 0.1}`. For `#[serde(with = "…")]`.
//!
//! # Errors
//! When a setting is nothing that JSON has, or the text is no variant with its settings.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::{Map, Value};

use super::{Family, form};

#[allow(missing_docs, reason = "the module says it")]
pub fn serialize<F: Family, S: Serializer>(choice: &F, serializer: S) -> Result<S::Ok, S::Error> {
    fields(choice)
        .map_err(S::Error::custom)?
        .serialize(serializer)
}

#[allow(missing_docs, reason = "the module says it")]
pub fn deserialize<'de, F: Family, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    choice(Map::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn fields<F: Family>(choice: &F) -> Result<Map<String, Value>, serde_json::Error> {
    let mut fields = Map::from_iter([(form::TYPE.to_owned(), choice.name().into())]);
    if let Value::Object(settings) = choice.settings()? {
        fields.extend(settings);
    }
    Ok(fields)
}

fn choice<F: Family>(mut fields: Map<String, Value>) -> Result<F, String> {
    let variant = form::chosen::<F>(&fields)?;
    fields.remove(form::TYPE);
    let settings = match variant.has_settings {
        true => Value::Object(fields),
        false => Value::Null,
    };
    (variant.read)(settings).map_err(|error| error.to_string())
}

/// The same with names in snake_case: so the plan has the settings of [`crate::partition::Partition`], and with it every hash.
pub mod snake_case {
    use super::{Deserialize, Deserializer, Family, Map, Serialize, Serializer, Value};
    use serde::{de::Error as _, ser::Error as _};

    #[allow(missing_docs, reason = "the module says it")]
    pub fn serialize<F: Family, S: Serializer>(
        choice: &F,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let fields = super::fields(choice).map_err(S::Error::custom)?;
        renamed(fields, snake).serialize(serializer)
    }

    #[allow(missing_docs, reason = "the module says it")]
    pub fn deserialize<'de, F: Family, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<F, D::Error> {
        super::choice(renamed(Map::deserialize(deserializer)?, camel)).map_err(D::Error::custom)
    }

    fn renamed(fields: Map<String, Value>, name: impl Fn(&str) -> String) -> Map<String, Value> {
        let entry = |(key, value): (String, Value)| (name(&key), value);
        fields.into_iter().map(entry).collect()
    }

    fn snake(name: &str) -> String {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() {
                text.push('_');
            }
            text.push(letter.to_ascii_lowercase());
        }
        text
    }

    fn camel(name: &str) -> String {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |mut text, word| {
            let mut letters = word.chars();
            text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
            text.push_str(letters.as_str());
            text
        })
    }
}
