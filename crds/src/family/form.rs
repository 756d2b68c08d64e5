//! A choice as the manifest has it: `{type: tree, tree: {arity: 2}}`.

use serde::{
    Deserialize, Deserializer, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value};

use super::{Family, Variant};

/// The member that names the variant.
pub(super) const TYPE: &str = "type";

pub(crate) fn write<F: Family, S: Serializer>(choice: &F, serializer: S) -> Result<S::Ok, S::Error> {
    let settings = choice.settings().map_err(S::Error::custom)?;
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry(TYPE, choice.name())?;
    // What is left out has its default, so that two ways to say the same are written alike.
    if choice.variant().has_settings && defaults(choice.variant()).as_ref() != Some(&settings) {
        map.serialize_entry(choice.name(), &settings)?;
    }
    map.end()
}

/// The settings where none are written; none where some have to be.
fn defaults<F: Family>(variant: &Variant<F>) -> Option<Value> {
    let choice = (variant.read)(Value::Object(Map::new())).ok()?;
    choice.settings().ok()
}

pub(crate) fn read<'de, F: Family, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    let mut fields = Map::deserialize(deserializer)?;
    let variant = chosen::<F>(&fields).map_err(D::Error::custom)?;
    let settings = match variant.has_settings {
        // What is left out has its default, and the settings say what has none.
        true => fields.remove(variant.name).unwrap_or_else(|| Value::Object(Map::new())),
        false => Value::Null,
    };
    (variant.read)(settings).map_err(|error| D::Error::custom(format!("{}: {error}", variant.name)))
}

/// The variant that `type` names.
pub(super) fn chosen<F: Family>(fields: &Map<String, Value>) -> Result<&'static Variant<F>, String> {
    let name = match fields.get(TYPE) {
        Some(Value::String(name)) => name,
        Some(_) => return Err("type is no text".to_owned()),
        None => F::DEFAULT.ok_or("type is missing")?,
    };
    F::named(name).ok_or_else(|| {
        let known: Vec<&str> = F::VARIANTS.iter().map(|variant| variant.name).collect();
        format!("type {name} is not known; expected {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use crate::topology::Topology;

    #[test]
    fn settings_are_written_where_they_say_something() {
        for (text, written) in [
            (r#"{"type":"ring"}"#, r#"{"type":"ring"}"#),
            (r#"{"type":"star"}"#, r#"{"type":"star"}"#),
            (r#"{"type":"star","star":{"hub":0}}"#, r#"{"type":"star"}"#),
            (
                r#"{"star":{"hub":2},"type":"star"}"#,
                r#"{"type":"star","star":{"hub":2}}"#,
            ),
            (
                r#"{"type":"randomRegular","randomRegular":{"degree":4}}"#,
                r#"{"type":"randomRegular","randomRegular":{"degree":4}}"#,
            ),
        ] {
            let topology: Topology = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&topology).unwrap(), written);
            assert_eq!(serde_json::from_str::<Topology>(written).unwrap(), topology);
        }
        let refused = |text| serde_json::from_str::<Topology>(text).unwrap_err().to_string();
        assert!(refused("{}").contains("type is missing"));
        assert!(refused(r#"{"type":"randomRegular"}"#).contains("randomRegular: missing field `degree`"));
    }
}
