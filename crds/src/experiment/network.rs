//! The links that peers are given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BitRate, Interval, Percentage, QueueLength};

/// The links that peers are given; without it they have what the machines have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// The link of every peer, as far as its group says nothing else.
    pub default: AccessLink,
}

/// A peer's access link, which all its connections share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLink {
    /// Rate of what the peer sends, in bits a second such as 10Mbit, counting whole IP packets; without it there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<BitRate>,
    /// Rate of what the peer receives, as up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<BitRate>,
    /// Time that everything the peer sends is on its way, beside what it waits at a rate; at most 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Interval>,
    /// How far the delay wanders up and down, at most the delay; packets keep their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Interval>,
    /// Share of the packets that the peer sends which are lost, such as 1%; at most 50%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Percentage>,
    /// How much waits at each rate before more is dropped, as a time such as 50ms or as bytes such as 64Ki. Without it 50ms, but at
    /// least twenty of the largest datagrams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueLength>,
}
