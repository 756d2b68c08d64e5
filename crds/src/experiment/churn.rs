//! Events of peers that are known beforehand.

use fltorrent_swarm::churn::ChurnKind;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::Interval;

/// An event of some peers at one time, or of all peers at a rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.peers) != has(self.rate)")
        .message(Message::Message("exactly one of peers and rate must be there".into())),
    validation = Rule::new("has(self.rate) ? !has(self.round) && !has(self.after) : has(self.round) != has(self.after)")
        .message(Message::Message("peers want exactly one of round and after, and rate neither".into())),
    validation = Rule::new("self.event != 'join' || !has(self.rate)")
        .message(Message::Message("join wants peers".into())),
    validation = Rule::new("self.event in ['pause', 'restart', 'wedge'] || !has(self.__for__)")
        .message(Message::Message("only pause, restart and wedge have a length".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct Churn {
    /// What happens. With join the peer is not there before. With leave it says goodbye and ends; with crash its process dies without a
    /// word, and with restart another one takes its place after that. With pause its process stands still, and with wedge its training alone.
    pub event: ChurnKind,
    /// Indices of the peers that it happens to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 10_000), inner(range(max = 9_999)))]
    pub peers: Vec<u32>,
    /// Probability with which it happens to each peer in each round, drawn from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.000_001, max = 1.0))]
    pub rate: Option<f64>,
    /// The round with whose beginning it happens, from 1. Whoever joins is started when others begin that round, and takes part in it or in
    /// the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub round: Option<u32>,
    /// The time from the beginning of the peer's first training, or where it joins from the beginning of the run; 1ms to 168h. All events of
    /// a peer have rounds, or all have times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Interval>,
    /// How long a pause or a wedge lasts, and how long a restarted peer is away before its next process begins; 1ms to 168h. Without it
    /// a pause or a wedge lasts to the end of the run, and the next process begins at once.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Interval>,
}
