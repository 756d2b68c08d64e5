//! Changes of an experiment that exists: which are taken, and which are refused by the name of what may not change.
#![allow(unreachable_pub, reason = "tests of two crates take it")]

use serde_json::{Value, json};

/// Where a value goes in the manifest of `document.rs` (under `spec`), the value, and what the refusal names; none where the
/// change is taken.
pub fn changes() -> Vec<(&'static str, Value, Option<&'static str>)> {
    let group = |name: &str, count: u32| json!({"name": name, "count": count});
    let link = json!({"up": "10Mbit", "down": "10Mbit", "delay": "10ms"});
    let claim = json!({"type": "claim", "claim": {"claimName": "sets"}});
    let new_claim = json!({"type": "newClaim", "newClaim": {"size": "1Gi"}});
    let fedprox = json!({"type": "fedprox", "fedprox": {"mu": 0.1}});
    let dirichlet = json!({"type": "dirichlet", "dirichlet": {"alpha": 1}});
    vec![
        ("seed", json!(8), Some("seed")),
        ("groups/0/name", json!("c"), Some("groups[].name")),
        ("groups/0/count", json!(6), Some("groups[].count")),
        ("groups/1/network", link, Some("groups[].network")),
        ("groups/1/computeSlowdown", json!(2), Some("groups[].computeSlowdown")),
        (
            "groups",
            json!([group("a", 5), group("b", 3), group("c", 1)]),
            Some("groups[].name"),
        ),
        ("groups", json!([group("b", 3), group("a", 5)]), Some("groups[].name")),
        ("topology", json!({"type": "mesh"}), Some("topology")),
        ("model/mlp/hidden", json!([16, 16]), Some("model")),
        ("data/partition", dirichlet, Some("data")),
        ("training/learningRate", json!(0.5), Some("training")),
        ("exchange/numChunks", json!(12), Some("exchange")),
        ("aggregation", fedprox, Some("aggregation")),
        ("transport/mtu", json!(1400), Some("transport")),
        ("liveness/minPeers", json!(3), Some("liveness")),
        ("failurePolicy/onPeerLoss", json!("fail"), Some("failurePolicy")),
        (
            "churn",
            json!([{"event": "wedge", "peers": [1], "round": 2}]),
            Some("churn"),
        ),
        ("network/default/delay", json!("1ms"), Some("network")),
        ("checkpoint/type", json!("periodic"), Some("checkpoint")),
        ("output/peerModels", json!(true), Some("output")),
        ("kubernetes/data", claim, Some("kubernetes.data")),
        ("kubernetes/storage/checkpoints", new_claim, Some("kubernetes.storage")),
        ("suspend", json!(true), None),
        ("restarts", json!(0), None),
        // A default that is written out is no change.
        ("training", json!({"rounds": 50}), None),
        ("churn", json!([]), None),
        ("groups/1/role", json!("honest"), None),
        ("groups/1/network", json!({}), None),
        ("groups/1/computeSlowdown", json!(1), None),
        ("kubernetes/storage", json!({"scratch": {"type": "emptyDir"}}), None),
        (
            "kubernetes",
            json!({"image": "example.com/peer:v4", "env": [{"name": "A", "value": "b"}]}),
            None,
        ),
        ("kubernetes/resources", json!({"requests": {"cpu": "50m"}}), None),
        (
            "kubernetes",
            json!({"labels": {"team": "lab"}, "annotations": {"a": "b"}, "securityContext": {}, "egressPorts": [3128]}),
            None,
        ),
        ("groups/1/kubernetes", json!({"nodeSelector": {"disk": "ssd"}}), None),
    ]
}
