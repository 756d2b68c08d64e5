//! What a manifest may say about pods, each field of it at least once.
#![allow(unreachable_pub, reason = "a test crate takes it")]
#![allow(clippy::too_many_lines, reason = "a table")]

use serde_json::{Value, json};

/// A name, where a value goes in the manifest of `document.rs` (under `spec`), and the value.
pub fn pods() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "image",
            "kubernetes",
            json!({
                "image": "example.com/lab/peer:v3",
                "imagePullPolicy": "Always",
                "imagePullSecrets": [{"name": "registry"}, {"name": "mirror"}],
            }),
        ),
        (
            "names",
            "kubernetes",
            json!({
                "priorityClassName": "low",
                "runtimeClassName": "gvisor",
                "schedulerName": "bin-packing",
                "serviceAccountName": "trainer",
            }),
        ),
        (
            "metadata",
            "kubernetes",
            json!({
                "labels": {"sidecar.istio.io/inject": "false", "example.com/team": "lab"},
                "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "note": "a: b, {c}"},
            }),
        ),
        (
            "security",
            "kubernetes",
            json!({"securityContext": {
                "runAsUser": 1_000_650_000, "runAsGroup": 7, "fsGroup": 8,
                "fsGroupChangePolicy": "Always", "supplementalGroups": [9, 10],
            }}),
        ),
        ("egress", "kubernetes", json!({"egressPorts": [3128, 8443]})),
        (
            "resources",
            "kubernetes",
            json!({"resources": {
                "requests": {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi"},
                "limits": {"cpu": 2, "memory": "1Gi", "nvidia.com/gpu": 1},
            }}),
        ),
        (
            "resources-by-group",
            "groups/1/kubernetes",
            json!({"resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}}}),
        ),
        ("placement", "kubernetes", placement("zone-a")),
        ("placement-by-group", "groups/1/kubernetes", {
            let mut group = placement("zone-b");
            group["priorityClassName"] = json!("high");
            group["runtimeClassName"] = json!("kata");
            group
        }),
        (
            "volumes",
            "kubernetes",
            json!({
                "volumes": [
                    {"name": "shared", "emptyDir": {"sizeLimit": "64Mi", "medium": "Memory"}},
                    {"name": "settings", "configMap": {"name": "lab.settings", "optional": true,
                        "items": [{"key": "train.yaml", "path": "conf/train.yaml"}]}},
                    {"name": "keys", "secret": {"secretName": "keys", "optional": true,
                        "items": [{"key": "token", "path": "token"}]}},
                    {"name": "corpus", "persistentVolumeClaim": {"claimName": "corpus", "readOnly": true}},
                ],
                "volumeMounts": [
                    {"name": "shared", "mountPath": "/dev-shm"},
                    {"name": "settings", "mountPath": "/etc/lab"},
                    {"name": "keys", "mountPath": "/keys", "readOnly": true},
                    {"name": "corpus", "mountPath": "/corpus", "subPath": "english/news"},
                ],
            }),
        ),
        (
            "env",
            "kubernetes",
            json!({"env": [
                {"name": "FLTORRENT_LOG", "value": "debug"},
                {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "lab", "key": "mode", "optional": true}}},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token", "optional": true}}},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            ]}),
        ),
        (
            "data-claim",
            "kubernetes",
            json!({"data": {"type": "claim",
                "claim": {"claimName": "sets", "subPath": "mnist/v1", "mountPath": "/sets"}}}),
        ),
        (
            "data-claim-by-index",
            "kubernetes",
            json!({"data": {"type": "claimByIndex",
                "claimByIndex": {"prefix": "shard-", "subPath": "mnist", "mountPath": "/shard"}}}),
        ),
        (
            "storage-limited",
            "kubernetes",
            json!({"storage": {
                "scratch": {"type": "emptyDir", "emptyDir": {"sizeLimit": "2Gi", "medium": "Memory"}},
                "checkpoints": {"type": "emptyDir"},
                "output": {"type": "emptyDir"},
            }}),
        ),
        (
            "storage-new",
            "kubernetes",
            json!({"storage": {
                "scratch": {"type": "newClaim", "newClaim": new_claim("fast")},
                "checkpoints": {"type": "newClaim", "newClaim": new_claim("safe")},
                "output": {"type": "newClaim", "newClaim": {
                    "storageClassName": "shared", "size": "10Gi", "accessModes": ["ReadWriteMany"], "shared": true,
                }},
            }}),
        ),
        (
            "storage-new-shared-checkpoints",
            "kubernetes",
            json!({"storage": {
                "checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "shared": true}},
            }}),
        ),
        (
            "storage-existing",
            "kubernetes",
            json!({"storage": {
                "checkpoints": {"type": "claimByIndex", "claimByIndex": {"prefix": "state-"}},
                "output": {"type": "claim", "claim": {"claimName": "results"}},
            }}),
        ),
        (
            "storage-existing-swapped",
            "kubernetes",
            json!({"storage": {
                "checkpoints": {"type": "claim", "claim": {"claimName": "state"}},
                "output": {"type": "claimByIndex", "claimByIndex": {"prefix": "results-"}},
            }}),
        ),
    ]
}

fn new_claim(class: &str) -> Value {
    json!({"storageClassName": class, "size": "1Gi", "accessModes": ["ReadWriteOnce"]})
}

/// Where pods may run.
fn placement(zone: &str) -> Value {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let selector = json!({
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db", "cache"]}],
    });
    let term = json!({"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"});
    let pods = json!({REQUIRED: [term], PREFERRED: [{"weight": 5, "podAffinityTerm": term}]});
    json!({
        "nodeSelector": {"topology.kubernetes.io/zone": zone, "disk": ""},
        "tolerations": [
            {"key": "example.com/dedicated", "operator": "Equal", "value": "lab", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
        ],
        "affinity": {
            "nodeAffinity": {
                REQUIRED: {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["15"]}]},
                ]},
                PREFERRED: [{"weight": 100, "preference": {
                    "matchExpressions": [{"key": "spot", "operator": "DoesNotExist", "values": []}],
                }}],
            },
            "podAffinity": pods,
            "podAntiAffinity": pods,
        },
    })
}
