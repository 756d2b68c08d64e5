//! Values of `kubernetes`, `suspend` and `restarts` that are wrong each by itself, as in `wrong_values.rs`.
#![allow(unreachable_pub, reason = "tests of two crates take it")]
#![allow(clippy::too_many_lines, reason = "a table")]

use serde_json::{Value, json};

/// As `wrong_values`.
pub fn wrong_pods() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "kubernetes",
            json!([]),
            "kubernetes: a list is not a map; write a map of affinity, annotations, data, egressPorts, env, image,",
        ),
        (
            "kubernetes/imag",
            json!("x"),
            "kubernetes.imag: unknown field; did you mean `image`?",
        ),
        (
            "kubernetes/image",
            json!(""),
            "kubernetes.image: `` is not an image; write an image such as example.com/fltorrent/peer:0.1.0",
        ),
        (
            "kubernetes/image",
            json!("a b"),
            "kubernetes.image: `a b` is not an image",
        ),
        (
            "kubernetes/image",
            json!(1),
            "kubernetes.image: 1 is not a text; write an image such as",
        ),
        (
            "kubernetes/imagePullPolicy",
            json!("Sometimes"),
            "kubernetes.imagePullPolicy: `Sometimes` is not known; allowed: Always, IfNotPresent, Never",
        ),
        (
            "kubernetes/imagePullSecrets",
            json!(["a"]),
            "kubernetes.imagePullSecrets[0]: `a` is not a map; write a map of name",
        ),
        (
            "kubernetes/imagePullSecrets",
            json!([{"name": "a"}, {"name": "a"}]),
            "kubernetes.imagePullSecrets[1].name: `a` is in kubernetes.imagePullSecrets[0] already; name every entry once",
        ),
        (
            "kubernetes/imagePullSecrets",
            json!([{"name": "A_b"}]),
            "kubernetes.imagePullSecrets[0].name: `A_b` is not the name of an object; write a name of a–z, 0–9, `-` and `.`",
        ),
        (
            "kubernetes/resources",
            json!({"cpu": 1}),
            "kubernetes.resources.cpu: unknown field; the fields here are limits, requests",
        ),
        (
            "kubernetes/resources/requests",
            json!({"cpu": 0.5}),
            "kubernetes.resources.requests[cpu]: 0.5 is not a whole number; write a quantity such as 100m, 2 or 256Mi; one with a point in quotes",
        ),
        (
            "kubernetes/resources/requests",
            json!({"cpu": -1}),
            "kubernetes.resources.requests[cpu]: -1 is not a whole number",
        ),
        (
            "kubernetes/resources/requests",
            json!({"memory": "1GB"}),
            "kubernetes.resources.requests[memory]: `1GB` is not a quantity",
        ),
        (
            "kubernetes/resources/requests",
            json!({"memory": 2_251_799_813_685_248_u64}),
            "kubernetes.resources.requests[memory]: 2251799813685248 is more than 1Pi",
        ),
        (
            "kubernetes/resources/requests",
            json!({"memory": "256m"}),
            "kubernetes.resources.requests[memory]: 256m is a part of a byte; write a whole number of bytes",
        ),
        (
            "kubernetes/resources/requests",
            json!({"cpus": 1}),
            "kubernetes.resources.requests[cpus]: `cpus` is not the name of a resource; write cpu, memory, ephemeral-storage, or the name of a device",
        ),
        (
            "kubernetes/resources/requests",
            json!({"nvidia.com/gpu": 1}),
            "kubernetes.resources.requests[nvidia.com/gpu]: 1 is not the limit of a device; write it under limits only, or the same under both",
        ),
        (
            "kubernetes/resources/requests",
            json!({"memory": [1]}),
            "kubernetes.resources.requests[memory]: a list is not a quantity",
        ),
        (
            "kubernetes/resources/limits",
            json!({"nvidia.com/gpu": "500m"}),
            "kubernetes.resources.limits[nvidia.com/gpu]: 500m is a part of a device; write a whole number of devices",
        ),
        (
            "kubernetes/resources/limits",
            json!(5),
            "kubernetes.resources.limits: 5 is not a map; write a map such as `key: value`",
        ),
        (
            "kubernetes/resources",
            json!({"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}),
            "kubernetes.resources.requests[cpu]: 2 is more than the limit, 1500m; ask for the limit at most",
        ),
        (
            "kubernetes/resources/requests",
            many(),
            "kubernetes.resources.requests: has 17 entries; at most 16 will do",
        ),
        (
            "kubernetes/nodeSelector",
            json!({"disk": "a b"}),
            "kubernetes.nodeSelector[disk]: `a b` is not the value of a label; write at most 63 letters",
        ),
        (
            "kubernetes/nodeSelector",
            json!({"disk": true}),
            "kubernetes.nodeSelector[disk]: true is not a text",
        ),
        (
            "kubernetes/nodeSelector",
            json!({"a/b/c": "x"}),
            "kubernetes.nodeSelector[a/b/c]: `a/b/c` is not the key of a label; write a key such as zone",
        ),
        (
            "kubernetes/nodeSelector",
            json!({"disk": "a".repeat(64)}),
            "has 64 characters; at most 63 will do",
        ),
        (
            "kubernetes/labels",
            json!({"app.kubernetes.io/component": "operator"}),
            "kubernetes.labels[app.kubernetes.io/component]: `app.kubernetes.io/component` is the operator's; remove it",
        ),
        (
            "kubernetes/labels",
            json!({"fltorrent.io/index": "0"}),
            "kubernetes.labels[fltorrent.io/index]: `fltorrent.io/index` is the operator's",
        ),
        (
            "kubernetes/labels",
            json!({"a b": "0"}),
            "kubernetes.labels[a b]: `a b` is not the key of a label; write a key such as team",
        ),
        (
            "kubernetes/labels",
            json!({"team": "a b"}),
            "kubernetes.labels[team]: `a b` is not the value of a label",
        ),
        (
            "kubernetes/labels",
            json!({"sidecar.istio.io/inject": false}),
            "kubernetes.labels[sidecar.istio.io/inject]: false is not a text",
        ),
        (
            "kubernetes/annotations",
            json!({"fltorrent.io/seal": "x"}),
            "kubernetes.annotations[fltorrent.io/seal]: `fltorrent.io/seal` is the operator's; remove it",
        ),
        (
            "kubernetes/annotations",
            json!({"x.fltorrent.io/a": "x"}),
            "kubernetes.annotations[x.fltorrent.io/a]: `x.fltorrent.io/a` is the operator's",
        ),
        (
            "kubernetes/annotations",
            json!({"/a": "x"}),
            "kubernetes.annotations[/a]: `/a` is not the key of an annotation",
        ),
        (
            "kubernetes/annotations",
            json!({"a": "x".repeat(4097)}),
            "has 4097 characters; at most 4096 will do",
        ),
        (
            "kubernetes/securityContext",
            json!({"runAsUser": 0}),
            "kubernetes.securityContext.runAsUser: 0 is out of range; 1 to 2147483647 will do",
        ),
        (
            "kubernetes/securityContext",
            json!({"privileged": true}),
            "kubernetes.securityContext.privileged: unknown field; the fields here are fsGroup,",
        ),
        (
            "kubernetes/securityContext",
            json!({"fsGroupChangePolicy": "Never"}),
            "kubernetes.securityContext.fsGroupChangePolicy: `Never` is not known; allowed: Always, OnRootMismatch",
        ),
        (
            "kubernetes/securityContext",
            json!({"supplementalGroups": [0]}),
            "kubernetes.securityContext.supplementalGroups[0]: 0 is out of range",
        ),
        (
            "kubernetes/egressPorts",
            json!([0]),
            "kubernetes.egressPorts[0]: 0 is out of range; 1 to 65535 will do",
        ),
        (
            "kubernetes/egressPorts",
            json!(["3128"]),
            "kubernetes.egressPorts[0]: `3128` is not a whole number",
        ),
        (
            "kubernetes/egressPorts",
            json!((1..=17).collect::<Vec<_>>()),
            "kubernetes.egressPorts: the list has 17 entries; at most 16 will do",
        ),
        (
            "kubernetes/tolerations",
            json!([{}]),
            "kubernetes.tolerations[0]: has no key; write one, or `operator: Exists` for every taint",
        ),
        (
            "kubernetes/tolerations",
            json!([{"key": "-"}]),
            "kubernetes.tolerations[0].key: `-` is not the key of a label",
        ),
        (
            "kubernetes/tolerations",
            json!([{"key": "a", "operator": "In"}]),
            "kubernetes.tolerations[0].operator: `In` is not known; allowed: Equal, Exists",
        ),
        (
            "kubernetes/tolerations",
            json!([{"key": "a", "operator": "Exists", "value": "b"}]),
            "kubernetes.tolerations[0].value: is there, but operator is Exists; remove it, or write `operator: Equal`",
        ),
        (
            "kubernetes/tolerations",
            json!([{"key": "a", "effect": "Evict"}]),
            "kubernetes.tolerations[0].effect: `Evict` is not known; allowed: NoSchedule, PreferNoSchedule, NoExecute",
        ),
        (
            "kubernetes/tolerations",
            json!([{"key": "a", "tolerationSeconds": 5}]),
            "kubernetes.tolerations[0].tolerationSeconds: belongs to the effect NoExecute; remove it, or write `effect: NoExecute`",
        ),
        (
            "kubernetes/tolerations",
            json!([{"key": "a", "effect": "NoExecute", "tolerationSeconds": -1}]),
            "kubernetes.tolerations[0].tolerationSeconds: -1 is out of range; 0 to 31536000 will do",
        ),
        (
            "kubernetes/affinity",
            json!({"nodeAffinity": {"required": {}}}),
            "kubernetes.affinity.nodeAffinity.required: unknown field; the fields here are preferredDuringSchedulingIgnoredDuringExecution, requiredDuringSchedulingIgnoredDuringExecution",
        ),
        (
            "kubernetes/affinity/nodeAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}),
            "kubernetes.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: the list is empty; at least 1 will do",
        ),
        (
            "kubernetes/affinity/nodeAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}}),
            "nodeSelectorTerms[0].matchExpressions[0].values: there is no value; the operator compares with one at least",
        ),
        (
            "kubernetes/affinity/nodeAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["x"]}]}]}}),
            "nodeSelectorTerms[0].matchExpressions[0].values: there is a value, `x`; the operator compares with one whole number",
        ),
        (
            "kubernetes/affinity/nodeAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Has"}]}]}}),
            "matchExpressions[0].operator: `Has` is not known",
        ),
        (
            "kubernetes/affinity/nodeAffinity",
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}),
            "preferredDuringSchedulingIgnoredDuringExecution[0].weight: 0 is out of range; 1 to 100 will do",
        ),
        (
            "kubernetes/affinity/nodeAffinity",
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b", "c"]}]}}]}),
            "preference.matchExpressions[0].values: there are 2 values; the operator compares with none; remove them",
        ),
        (
            "kubernetes/affinity/podAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}),
            "kubernetes.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: is missing; write a key such as zone",
        ),
        (
            "kubernetes/affinity/podAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {"matchLabels": {"a b": "c"}}, "topologyKey": "zone"}]}),
            "labelSelector.matchLabels[a b]: `a b` is not the key of a label",
        ),
        (
            "kubernetes/affinity/podAffinity",
            json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}, "topologyKey": "zone", "namespaces": ["a"]}]}),
            "[0].namespaces: unknown field; the fields here are labelSelector, topologyKey",
        ),
        (
            "kubernetes/affinity/podAntiAffinity",
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 101, "podAffinityTerm": {"labelSelector": {}, "topologyKey": "zone"}}]}),
            "[0].weight: 101 is out of range",
        ),
        (
            "kubernetes/affinity/podAntiAffinity",
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}, "topologyKey": "zone"}}]}),
            "matchExpressions[0].operator: `Gt` is not known; allowed: In, NotIn, Exists, DoesNotExist",
        ),
        (
            "kubernetes/affinity/podAntiAffinity",
            json!({"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "NotIn"}]}, "topologyKey": "zone"}}]}),
            "podAffinityTerm.labelSelector.matchExpressions[0].values: there is no value",
        ),
        (
            "kubernetes/priorityClassName",
            json!("High"),
            "kubernetes.priorityClassName: `High` is not the name of an object",
        ),
        (
            "kubernetes/runtimeClassName",
            json!("a_b"),
            "kubernetes.runtimeClassName: `a_b` is not the name of an object",
        ),
        (
            "kubernetes/schedulerName",
            json!("a."),
            "kubernetes.schedulerName: `a.` is not the name of an object",
        ),
        (
            "kubernetes/serviceAccountName",
            json!("-a"),
            "kubernetes.serviceAccountName: `-a` is not the name of an object",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a"}]),
            "kubernetes.volumes[0]: has 0 kinds; write one of emptyDir, configMap, secret and persistentVolumeClaim",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "emptyDir": {}, "secret": {"secretName": "b"}}]),
            "kubernetes.volumes[0]: has 2 kinds; write one of",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]),
            "kubernetes.volumes[1].name: `a` is in kubernetes.volumes[0] already",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "fltorrent-data", "emptyDir": {}}]),
            "kubernetes.volumes[0].name: `fltorrent-data` is the operator's; take a name that does not begin with fltorrent",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "A", "emptyDir": {}}]),
            "kubernetes.volumes[0].name: `A` is not a name",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "hostPath": {"path": "/"}}]),
            "kubernetes.volumes[0].hostPath: a path of the node; refused, for pods keep to Pod Security's `restricted`; take a persistentVolumeClaim",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "nfs": {}}]),
            "kubernetes.volumes[0].nfs: unknown field; the fields here are configMap, emptyDir, name, persistentVolumeClaim, secret",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "emptyDir": {"medium": "HugePages"}}]),
            "kubernetes.volumes[0].emptyDir.medium: `HugePages` is not known; allowed: Memory",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "emptyDir": {"sizeLimit": "1GB"}}]),
            "kubernetes.volumes[0].emptyDir.sizeLimit: `1GB` is not a quantity of bytes",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "configMap": {}}]),
            "kubernetes.volumes[0].configMap.name: is missing",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "configMap": {"name": "b", "items": [{"key": "k/k", "path": "p"}]}}]),
            "kubernetes.volumes[0].configMap.items[0].key: `k/k` is not the key of a ConfigMap or Secret; write a key of letters",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "configMap": {"name": "b", "items": [{"key": "k", "path": "/p"}]}}]),
            "kubernetes.volumes[0].configMap.items[0].path: `/p` is not a relative path; write a path such as sets/mnist",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "configMap": {"name": "b", "optional": "no"}}]),
            "kubernetes.volumes[0].configMap.optional: `no` is not true or false",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "secret": {"secretName": "b", "items": [{"key": "k", "path": "../p"}]}}]),
            "kubernetes.volumes[0].secret.items[0].path: `../p` goes up or nowhere; write it without `.` and `..`",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "secret": {"name": "b", "secretName": "b"}}]),
            "kubernetes.volumes[0].secret.name: unknown field",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "persistentVolumeClaim": {"claimName": "B"}}]),
            "kubernetes.volumes[0].persistentVolumeClaim.claimName: `B` is not the name of an object",
        ),
        (
            "kubernetes/volumes",
            json!([{"name": "a", "persistentVolumeClaim": {"claimName": "b", "readOnly": 1}}]),
            "kubernetes.volumes[0].persistentVolumeClaim.readOnly: 1 is not true or false",
        ),
        (
            "kubernetes/volumeMounts",
            json!([{"name": "a", "mountPath": "/a"}]),
            "kubernetes.volumeMounts[0].name: `a` is none of volumes; write the name of an entry of kubernetes.volumes",
        ),
        (
            "kubernetes/volumeMounts",
            json!([{"name": "a", "mountPath": "a"}]),
            "kubernetes.volumeMounts[0].mountPath: `a` is not an absolute path; write a path such as /data",
        ),
        (
            "kubernetes",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/var/lib"}]}),
            "kubernetes.volumeMounts[0].mountPath: `/var/lib` is in the way of /var/lib/fltorrent; take a folder of your own",
        ),
        (
            "kubernetes",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/etc/fltorrent/x"}]}),
            "kubernetes.volumeMounts[0].mountPath: `/etc/fltorrent/x` is in the way of /etc/fltorrent",
        ),
        (
            "kubernetes",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/a/../proc"}]}),
            "kubernetes.volumeMounts[0].mountPath: `/a/../proc` goes up or nowhere",
        ),
        (
            "kubernetes",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/a", "subPath": "b/.."}]}),
            "kubernetes.volumeMounts[0].subPath: `b/..` goes up or nowhere",
        ),
        (
            "kubernetes",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/a"}]}),
            "kubernetes.volumeMounts[1].mountPath: `/a` is in kubernetes.volumeMounts[0] already",
        ),
        (
            "kubernetes",
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/data"}], "data": {"type": "claim", "claim": {"claimName": "b"}}}),
            "kubernetes.data.claim.mountPath: `/data` is the folder of kubernetes.volumeMounts[0] already; take another folder",
        ),
        (
            "kubernetes/env",
            json!([{"name": "1A"}]),
            "kubernetes.env[0].name: `1A` is not the name of a variable",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "value": 1}]),
            "kubernetes.env[0].value: 1 is not a text",
        ),
        (
            "kubernetes/env",
            json!([{"name": "FLTORRENT_INDEX", "value": "1"}]),
            "kubernetes.env[0].name: `FLTORRENT_INDEX` is the operator's; take a name that does not begin with FLTORRENT_",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A"}, {"name": "A"}]),
            "kubernetes.env[1].name: `A` is in kubernetes.env[0] already",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "valueFrom": {}}]),
            "kubernetes.env[0].valueFrom: names 0 sources; write one of configMapKeyRef, secretKeyRef and fieldRef",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            "kubernetes.env[0]: value and valueFrom are both there; remove one of them",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec"}}}]),
            "kubernetes.env[0].valueFrom.fieldRef.fieldPath: `spec` is not known; allowed: metadata.name, metadata.namespace",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "b"}}}]),
            "kubernetes.env[0].valueFrom.secretKeyRef.key: is missing; write a key",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "b", "key": ""}}}]),
            "kubernetes.env[0].valueFrom.configMapKeyRef.key: `` is not the key of a ConfigMap or Secret",
        ),
        (
            "kubernetes/env",
            json!([{"name": "A", "valueFrom": {"resourceFieldRef": {}}}]),
            "kubernetes.env[0].valueFrom.resourceFieldRef: unknown field",
        ),
        (
            "kubernetes/data",
            json!({"type": "volume"}),
            "kubernetes.data.type: `volume` is not known; allowed: image, claim, claimByIndex",
        ),
        (
            "kubernetes/data",
            json!({"type": "claim"}),
            "kubernetes.data.claim: is missing; type claim wants `claim:` with claimName",
        ),
        (
            "kubernetes/data",
            json!({"claim": {"claimName": "a"}}),
            "kubernetes.data.claim: is there, but kubernetes.data.type is image; remove it, or write `type: claim`",
        ),
        (
            "kubernetes/data",
            json!({"type": "claim", "claim": {"claimName": "a", "mountPath": "/"}}),
            "kubernetes.data.claim.mountPath: `/` is not an absolute path",
        ),
        (
            "kubernetes/data",
            json!({"type": "claim", "claim": {"claimName": "a", "mountPath": "/dev"}}),
            "kubernetes.data.claim.mountPath: `/dev` is in the way of /dev",
        ),
        (
            "kubernetes/data",
            json!({"type": "claim", "claim": {"claimName": "a", "subPath": "a//b"}}),
            "kubernetes.data.claim.subPath: `a//b` is not a relative path",
        ),
        (
            "kubernetes/data",
            json!({"type": "claimByIndex", "claimByIndex": {"prefix": "-a"}}),
            "kubernetes.data.claimByIndex.prefix: `-a` is not the beginning of a claim's name; write a name of a–z, 0–9 and `-` such as `data-`",
        ),
        (
            "kubernetes/data",
            json!({"type": "claimByIndex", "claimByIndex": {"prefix": "a-", "subPath": ".."}}),
            "kubernetes.data.claimByIndex.subPath: `..` goes up or nowhere",
        ),
        (
            "kubernetes/data",
            json!({"type": "claimByIndex", "claimByIndex": {"prefix": "a-", "mountPath": "/var/lib/fltorrent"}}),
            "kubernetes.data.claimByIndex.mountPath: `/var/lib/fltorrent` is in the way of /var/lib/fltorrent",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"type": "newClaim"}}),
            "kubernetes.storage.scratch.newClaim: is missing; type newClaim wants `newClaim:` with size",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"type": "claim"}}),
            "kubernetes.storage.scratch.type: `claim` is not known; did you mean `newClaim`? Allowed: emptyDir, newClaim",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"newClaim": {"size": "1Gi"}}}),
            "kubernetes.storage.scratch.newClaim: is there, but kubernetes.storage.scratch.type is emptyDir",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"type": "newClaim", "newClaim": {"size": "1Gi"}, "emptyDir": {}}}),
            "kubernetes.storage.scratch.emptyDir: is there, but kubernetes.storage.scratch.type is newClaim",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"type": "newClaim", "newClaim": {"size": "1k"}}}),
            "kubernetes.storage.scratch.newClaim.size: 1000 bytes are too few for a volume; 1Mi or more will do",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"emptyDir": {"sizeLimit": -1}}}),
            "kubernetes.storage.scratch.emptyDir.sizeLimit: -1 is not a whole number of bytes",
        ),
        (
            "kubernetes/storage",
            json!({"scratch": {"emptyDir": {"medium": "Disk"}}}),
            "kubernetes.storage.scratch.emptyDir.medium: `Disk` is not known; allowed: Memory",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "storageClassName": "A"}}}),
            "kubernetes.storage.checkpoints.newClaim.storageClassName: `A` is not the name of an object",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "accessModes": []}}}),
            "kubernetes.storage.checkpoints.newClaim.accessModes: the list is empty; at least 1 will do",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "accessModes": ["ReadOnlyMany"]}}}),
            "kubernetes.storage.checkpoints.newClaim.accessModes[0]: `ReadOnlyMany` is not known",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "accessModes": ["ReadWriteMany", "ReadWriteMany"]}}}),
            "kubernetes.storage.checkpoints.newClaim.accessModes[1]: `ReadWriteMany` is in kubernetes.storage.checkpoints.newClaim.accessModes[0] already",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}}}),
            "kubernetes.storage.checkpoints.newClaim.accessModes: ReadWriteOncePod stands beside another mode; write it alone, or remove it",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "accessModes": ["ReadWriteOncePod"], "shared": true}}}),
            "kubernetes.storage.checkpoints.newClaim.accessModes: ReadWriteOncePod is for one pod, and shared is true; write [ReadWriteMany], or shared: false",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Gi", "shared": "yes"}}}),
            "kubernetes.storage.checkpoints.newClaim.shared: `yes` is not true or false",
        ),
        (
            "kubernetes/storage",
            json!({"checkpoints": {"type": "claim", "claim": {"claimName": ""}}}),
            "kubernetes.storage.checkpoints.claim.claimName: `` is not the name of an object",
        ),
        (
            "kubernetes/storage",
            json!({"output": {"type": "claimByIndex"}}),
            "kubernetes.storage.output.claimByIndex: is missing; type claimByIndex wants `claimByIndex:` with prefix",
        ),
        (
            "kubernetes/storage",
            json!({"output": {"type": "claimByIndex", "claimByIndex": {"prefix": "a."}}}),
            "kubernetes.storage.output.claimByIndex.prefix: `a.` is not the beginning of a claim's name",
        ),
        (
            "kubernetes/storage",
            json!({"output": {"type": "newClaim", "newClaim": {}}}),
            "kubernetes.storage.output.newClaim.size: is missing; write a quantity of bytes such as 256Mi",
        ),
        (
            "kubernetes/storage",
            json!({"output": {"type": "hostPath"}}),
            "kubernetes.storage.output.type: `hostPath` is not known",
        ),
        (
            "groups/0/kubernetes",
            json!({"image": "x"}),
            "groups[0].kubernetes.image: unknown field; the fields here are affinity, nodeSelector, priorityClassName, resources, runtimeClassName, tolerations",
        ),
        (
            "groups/0/kubernetes",
            json!({"resources": {"limits": {"gpu": 1}}}),
            "groups[0].kubernetes.resources.limits[gpu]: `gpu` is not the name of a resource",
        ),
        (
            "groups/0/kubernetes",
            json!({"nodeSelector": {"": "x"}}),
            "groups[0].kubernetes.nodeSelector[]: `` is not the key of a label",
        ),
        (
            "groups/0/kubernetes",
            json!({"tolerations": [{"operator": "Equal"}]}),
            "groups[0].kubernetes.tolerations[0]: has no key",
        ),
        (
            "groups/0/kubernetes",
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": []}]}}}}),
            "groups[0].kubernetes.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions: the list is empty",
        ),
        (
            "groups/0/kubernetes",
            json!({"priorityClassName": ""}),
            "groups[0].kubernetes.priorityClassName: `` is not the name of an object",
        ),
        (
            "groups/0/kubernetes",
            json!({"runtimeClassName": 3}),
            "groups[0].kubernetes.runtimeClassName: 3 is not a text",
        ),
        (
            "suspend",
            json!("yes"),
            "suspend: `yes` is not true or false; write true or false",
        ),
        (
            "suspend",
            Value::Null,
            "suspend: has no value; write true or false, or remove the field for its default",
        ),
        ("restarts", json!(-1), "restarts: -1 is out of range; 0 to 100 will do"),
        (
            "restarts",
            json!(101),
            "restarts: 101 is out of range; 0 to 100 will do",
        ),
        ("restarts", json!(1.5), "restarts: 1.5 is not a whole number"),
        (
            "restarts",
            json!("3"),
            "restarts: `3` is not a whole number; write a whole number, 0 to 100",
        ),
    ]
}

/// One resource more than a map may have.
fn many() -> Value {
    let entries = (0..17).map(|i| (format!("example.com/device-{i}"), json!(1)));
    Value::Object(entries.collect())
}
