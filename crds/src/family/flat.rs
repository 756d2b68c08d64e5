//! A choice as the plan has it: `{"type": "step", "rounds": 10, "factor": 0.1}`. For `#[serde(with = "…")]`.
//!
//! # Errors
//! When a setting is nothing that JSON has, or the text is no variant with its settings.

use serde::{
    Deserialize, Deserializer, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value};

use super::{Family, form};

#[allow(missing_docs, reason = "the module says it")]
pub fn serialize<F: Family, S: Serializer>(choice: &F, serializer: S) -> Result<S::Ok, S::Error> {
    write(choice, str::to_owned, serializer)
}

#[allow(missing_docs, reason = "the module says it")]
pub fn deserialize<'de, F: Family, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    choice(Map::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn write<F: Family, S: Serializer>(
    choice: &F,
    name: impl Fn(&str) -> String,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry(form::TYPE, choice.name())?;
    if let Value::Object(settings) = choice.settings().map_err(S::Error::custom)? {
        for (setting, value) in settings {
            map.serialize_entry(&name(&setting), &value)?;
        }
    }
    map.end()
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
    use serde::de::Error as _;

    use super::{Deserialize, Deserializer, Family, Map, Serializer};

    #[allow(missing_docs, reason = "the module says it")]
    pub fn serialize<F: Family, S: Serializer>(choice: &F, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(choice, snake, serializer)
    }

    #[allow(missing_docs, reason = "the module says it")]
    pub fn deserialize<'de, F: Family, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        let renamed = fields.into_iter().map(|(name, value)| (camel(&name), value));
        super::choice(renamed.collect()).map_err(D::Error::custom)
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

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::{partition::Partition, schedule::Schedule};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super")]
        schedule: Schedule,
        #[serde(with = "super::snake_case")]
        partition: Partition,
    }

    /// Every hash is made of these texts, and older results folders have them.
    #[test]
    fn the_form_is_pinned() {
        let schedules = [
            r#"{"type":"constant"}"#,
            r#"{"type":"step","factor":0.5,"rounds":10}"#,
            r#"{"type":"cosine","floor":0.1}"#,
        ];
        let partitions = [
            r#"{"type":"iid"}"#,
            r#"{"type":"dirichlet","alpha":0.5,"min_samples":2}"#,
            r#"{"type":"explicit","shards":[[[0,3]],[[3,4],[5,9]]]}"#,
            r#"{"type":"classes","per_peer":2}"#,
            r#"{"type":"shards","per_peer":3}"#,
            r#"{"type":"quantity","alpha":1.5,"min_samples":1}"#,
            r#"{"type":"contiguous"}"#,
        ];
        for schedule in schedules {
            for partition in partitions {
                let text = format!(r#"{{"schedule":{schedule},"partition":{partition}}}"#);
                let read: Both = serde_json::from_str(&text).unwrap();
                assert_eq!(serde_json::to_string(&read).unwrap(), text);
            }
        }
    }

    #[test]
    fn what_is_no_variant_is_refused() {
        let refused = |schedule: &str| {
            let text = format!(r#"{{"schedule":{schedule},"partition":{{"type":"iid"}}}}"#);
            serde_json::from_str::<Both>(&text).unwrap_err().to_string()
        };
        assert!(refused(r#"{"type":"stairs"}"#).contains("type stairs is not known; expected constant"));
        assert!(refused(r#"{"type":7}"#).contains("type is no text"));
        assert!(refused(r#"{"type":"step"}"#).contains("missing field `rounds`"));
    }
}
