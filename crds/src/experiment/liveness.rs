//! How peers notice that others are gone, and what becomes of the run then.

use fltorrent_swarm::OnPeerLoss;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AutoInterval, Interval, TimeLimit};

/// How peers notice that others are gone, and how many have to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Liveness {
    /// Time between two heartbeats on a silent connection, 100ms to 1h; auto is 5s.
    pub heartbeat_interval: AutoInterval,
    /// Silence after which a neighbour counts as absent, longer than heartbeatInterval, at most 24h; auto is 20s. As long a peer
    /// waits for a neighbour at the start, and with onPeerLoss fail for one whose connection broke.
    pub heartbeat_timeout: AutoInterval,
    /// Peers that have to be connected for the run to go on. Without it: more than half of all peers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub min_peers: Option<u32>,
    /// How long a run with fewer peers than minPeers waits for others before it fails, 100ms to 168h. Without a
    /// deadline a vote is waited for as long.
    pub pause_limit: Interval,
    /// How long the training of a peer may make no progress, while updates of others are there, before the peer says that nobody shall
    /// wait for its own; 100ms to 168h, or none. Each batch is progress. auto is the median of the longest times without any in
    /// the last rounds and 8 median absolute deviations, at least 3 medians and 30s, and none before three rounds.
    pub progress_lease: TimeLimit,
    /// Failures in a row after which a neighbour or the coordinator is tried every sendRetryMaxDelay; nothing is ever given up for them. Without
    /// it: the waits double until they are as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1000))]
    pub send_max_retries: Option<u32>,
    /// Wait after the first failure, twice as long after each further one, 1ms to 1h; auto is 50ms for a neighbour and 200ms for the
    /// coordinator.
    pub send_retry_base_delay: AutoInterval,
    /// Longest wait, at least sendRetryBaseDelay and at most 24h; auto is 2s for a neighbour and 10s for the coordinator, or the base delay
    /// where that is longer.
    pub send_retry_max_delay: AutoInterval,
    /// Longest time that is added to a wait, drawn for each, so that peers which failed together do not come back together; 1ms to 1h. With
    /// auto each wait is shortened to between half and all of it instead.
    pub send_retry_jitter: AutoInterval,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            heartbeat_interval: AutoInterval::Given(Interval::from_secs(30)),
            heartbeat_timeout: AutoInterval::Given(Interval::from_secs(90)),
            min_peers: None,
            pause_limit: Interval::from_secs(600),
            progress_lease: TimeLimit::Auto,
            send_max_retries: None,
            send_retry_base_delay: AutoInterval::Auto,
            send_retry_max_delay: AutoInterval::Auto,
            send_retry_jitter: AutoInterval::Auto,
        }
    }
}

impl Liveness {
    /// How many of so many peers have to be connected.
    pub fn needed(&self, peers: u32) -> u32 {
        self.min_peers.unwrap_or(peers / 2 + 1)
    }
}

/// What becomes of the run when something fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FailurePolicy {
    /// When a peer is lost: continue goes on without it, while there are minPeers; fail ends the run.
    pub on_peer_loss: OnPeerLoss,
}
