//! The two forms as they are written, and the schemas that they are checked against.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Errors, FieldError, definition, manifest};

/// Our form.
#[derive(Deserialize, JsonSchema)]
pub(super) struct PeersForm {
    /// Where the peers are.
    #[schemars(length(min = 1, max = 10_000))]
    pub(super) peers: Vec<PeerEntry>,
    #[serde(default)]
    #[schemars(range(max = 999))]
    pub(super) attempt: Option<u32>,
    #[serde(default)]
    #[schemars(length(min = 1, max = 8192))]
    pub(super) authority: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct PeerEntry {
    #[schemars(range(max = 9_999))]
    pub(super) index: u32,
    #[schemars(length(min = 1, max = 300))]
    pub(super) address: String,
    #[serde(default)]
    #[schemars(length(min = 1, max = 300))]
    pub(super) bind: Option<String>,
}

/// The form of mesh clients.
#[derive(Deserialize, JsonSchema)]
pub(super) struct NodesForm {
    #[schemars(length(min = 1, max = 10_000))]
    pub(super) nodes: Vec<NodeEntry>,
    #[serde(default)]
    pub(super) training: Option<TrainingForm>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct NodeEntry {
    #[schemars(range(max = 9_999))]
    pub(super) id: u32,
    #[schemars(length(min = 1, max = 300))]
    pub(super) host: String,
    #[schemars(range(min = 1, max = 65_535))]
    pub(super) port: u16,
    #[serde(default, rename = "type")]
    pub(super) kind: NodeType,
    #[serde(default)]
    #[schemars(length(min = 1, max = 300))]
    pub(super) bind_host: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) enum NodeType {
    #[default]
    Honest,
    Byzantine,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct TrainingForm {
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) rounds: Option<u32>,
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(super) batch_size: Option<u32>,
    #[serde(default)]
    #[schemars(range(min = 0.000_000_001, max = 1000.0))]
    pub(super) learning_rate: Option<f64>,
}

pub(super) static PEERS: LazyLock<JSONSchemaProps> = LazyLock::new(schema::<PeersForm>);
pub(super) static NODES: LazyLock<JSONSchemaProps> = LazyLock::new(schema::<NodesForm>);

fn schema<T: JsonSchema>() -> JSONSchemaProps {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = serde_json::from_value(schema.to_value()).unwrap_or_default();
    definition::tidy(&mut schema);
    schema
}

/// Reads a document as one of the forms.
pub(super) fn checked<T: DeserializeOwned>(schema: &JSONSchemaProps, document: Value) -> Result<T, Errors> {
    let mut errors = Vec::new();
    manifest::check_value(schema, &document, &mut errors);
    if !errors.is_empty() {
        return Err(Errors::all(errors));
    }
    serde_json::from_value(document).map_err(|error| {
        Errors::one(FieldError::new(
            "",
            format!("the file cannot be read: {error}"),
            "see the fields of its entries",
        ))
    })
}
