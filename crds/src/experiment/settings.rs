//! Transport and output.
#![allow(
    missing_docs,
    reason = "a described value would turn the schema of an enum into a oneOf"
)]

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::family;

/// Connections between peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Transport {
    /// Transport protocol; only quic, over UDP.
    #[serde(rename = "type")]
    pub kind: TransportType,
    /// Largest UDP payload that path discovery may use, in bytes.
    #[schemars(range(min = 1200, max = 65_527))]
    pub mtu: u16,
    /// What decides how much is in flight: auto takes rateAware for a peer whose network has a rate up, and cubic for others.
    pub congestion_control: CongestionControl,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            kind: TransportType::Quic,
            mtu: 1452,
            congestion_control: CongestionControl::Auto,
        }
    }
}

/// Protocols: `quic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum TransportType {
    Quic,
}

/// What decides how much is in flight on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, transform = family::plain)]
pub enum CongestionControl {
    /// [`Self::RateAware`] for a peer with a rate up, [`Self::Cubic`] for others.
    #[default]
    Auto,
    /// RFC 9438.
    Cubic,
    /// RFC 9002's.
    NewReno,
    /// The rate that the manifest gives the link.
    RateAware,
}

impl fmt::Display for CongestionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cubic => "cubic",
            Self::NewReno => "newReno",
            Self::RateAware => "rateAware",
        })
    }
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Output {
    /// Parent folder of the results folders of runs; pods write to `kubernetes.storage.output`.
    #[schemars(length(min = 1, max = 4096))]
    pub directory: String,
    /// True if each peer also writes its final model.
    pub peer_models: bool,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            directory: "runs".to_owned(),
            peer_models: false,
        }
    }
}
