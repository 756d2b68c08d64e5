//! What a network and a data set of the program's own have in common in the manifest.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{FieldError, errors::quote, family::Settings, findings::Findings, forms::NAME_PATTERN};

/// A network or a data set that the program brings itself; the operator knows none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Custom {
    /// The name under which the program registered it.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// Settings passed to it: at most 65,536 bytes of JSON, nested at most 16 deep.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "free")]
    pub settings: Map<String, Value>,
}

/// A map whose fields are left to who reads it.
fn free(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

impl Settings for Custom {}

impl Custom {
    /// What the catalogue says of what is named at `path`, its errors under the path of the settings; `known` are the names that it has.
    pub(crate) fn answer<T>(
        &self,
        answer: Option<Result<T, FieldError>>,
        (path, kind): (&str, &str),
        known: &[&str],
        findings: &mut Findings,
    ) -> Option<T> {
        match answer {
            Some(Ok(answer)) => Some(answer),
            Some(Err(error)) => {
                let below = match error.path.as_str() {
                    "" => format!("{path}.settings"),
                    below => format!("{path}.settings.{below}"),
                };
                findings.error(&below, error.found, error.expected);
                None
            }
            None => {
                let expected = if known.is_empty() {
                    "it has none of its own; docs/own-model.md says how to make a program that has".to_owned()
                } else {
                    format!("it has {}; see docs/own-model.md", known.join(", "))
                };
                findings.error(
                    &format!("{path}.name"),
                    format!("this program has no {kind} {}", quote(&self.name)),
                    expected,
                );
                None
            }
        }
    }
}
