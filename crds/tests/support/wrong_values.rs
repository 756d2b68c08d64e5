//! Values that are wrong each by itself, for whatever reads a manifest: the plan, and a real API server.
#![allow(unreachable_pub, reason = "tests of two crates take it")]
#![allow(clippy::too_many_lines, reason = "a table")]

use serde_json::{Value, json};

/// Where a value goes in the manifest of `document.rs`, the value, and how the plan's only error begins.
pub fn wrong_values() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        // What stands around spec.
        (
            "^apiVersion",
            json!("v1"),
            "apiVersion: `v1` is not known; write fltorrent.io/v1alpha1",
        ),
        (
            "^apiVersion",
            Value::Null,
            "apiVersion: is missing; write fltorrent.io/v1alpha1",
        ),
        (
            "^kind",
            json!("Pod"),
            "kind: `Pod` is not known; write FLTorrentExperiment",
        ),
        ("^kind", json!(3), "kind: 3 is not known; write FLTorrentExperiment"),
        (
            "^metadata",
            json!([]),
            "metadata: a list is not a map; write `metadata: {name: my-experiment}`",
        ),
        (
            "^metadata/name",
            json!(5),
            "metadata.name: 5 is not a text; a name has a–z",
        ),
        (
            "^metadata/name",
            json!("Upper"),
            "metadata.name: `Upper` is not a name; a name has a–z",
        ),
        ("^metadata/name", json!("1a"), "metadata.name: `1a` is not a name"),
        ("^metadata/name", json!("a-"), "metadata.name: `a-` is not a name"),
        ("^metadata/name", json!(""), "metadata.name: `` is not a name"),
        (
            "^metadata/name",
            json!("a".repeat(46)),
            "has 46 characters; a name has a–z, 0–9 and `-`, a letter first, no `-` at the end, at most 45 characters",
        ),
        (
            "^metadata/nmae",
            json!("x"),
            "metadata.nmae: unknown field; did you mean `name`?",
        ),
        (
            "^metadata/labels",
            json!({"a": 1}),
            "metadata.labels: a map is not a map of texts; put quotes around every value",
        ),
        (
            "^spec",
            Value::Null,
            "spec: is missing; groups, topology, model and data belong under it",
        ),
        ("^spec", json!([1]), "a list is not a map; write a map of aggregation,"),
        (
            "^status",
            json!({}),
            "status: is what the operator says about an experiment, and no part of a manifest; remove it",
        ),
        (
            "^training",
            json!({}),
            "training: unknown field; it belongs under `spec`",
        ),
        // Names that are kept for later, and names that are wrong.
        ("managedBy", json!("x"), "managedBy: not supported yet; remove it"),
        (
            "groups/0/deviceProfile",
            json!("pi4"),
            "groups[0].deviceProfile: not supported yet; remove it",
        ),
        ("groups/0/gpu", json!({}), "groups[0].gpu: not supported yet; remove it"),
        (
            "training/optimizer",
            json!("momentum"),
            "training.optimizer: not supported yet; remove it",
        ),
        (
            "topologyy",
            json!({}),
            "topologyy: unknown field; did you mean `topology`?",
        ),
        (
            "training/batchsize",
            json!(3),
            "training.batchsize: unknown field; did you mean `batchSize`?",
        ),
        (
            "training/zzzzzz",
            json!(3),
            "training.zzzzzz: unknown field; the fields here are backend, batchSize",
        ),
        // Seed.
        (
            "seed",
            json!(-1),
            "seed: -1 is out of range; 0 to 9007199254740991 will do",
        ),
        (
            "seed",
            json!(9_007_199_254_740_992_u64),
            "seed: 9007199254740992 is out of range; 0 to 9007199254740991 will do",
        ),
        (
            "seed",
            json!(1.5),
            "seed: 1.5 is not a whole number; write a whole number, 0 to 9007199254740991",
        ),
        (
            "seed",
            json!("7"),
            "seed: `7` is not a whole number; write a whole number",
        ),
        (
            "seed",
            Value::Null,
            "seed: has no value; write a whole number, 0 to 9007199254740991, or remove the field for its default",
        ),
        // Groups.
        ("groups", json!([]), "groups: the list is empty; at least 1 will do"),
        (
            "groups",
            json!({"name": "a"}),
            "groups: a map is not a list; write a list",
        ),
        ("groups", Value::Null, "groups: has no value; write a list"),
        (
            "groups/0",
            json!("a"),
            "groups[0]: `a` is not a map; write a map of computeSlowdown, count, kubernetes, name, network, role",
        ),
        (
            "groups/0/name",
            json!("A"),
            "groups[0].name: `A` is not a name; write a name of a–z",
        ),
        (
            "groups/0/name",
            json!("b"),
            "groups[1].name: `b` is the name of groups[0] already; give every group a name of its own",
        ),
        (
            "groups/0/name",
            json!(1),
            "groups[0].name: 1 is not a text; write a name",
        ),
        (
            "groups/0/count",
            json!(0),
            "groups[0].count: 0 is out of range; 1 to 10000 will do",
        ),
        (
            "groups/0/count",
            json!(-5),
            "groups[0].count: -5 is out of range; 1 to 10000 will do",
        ),
        (
            "groups/0/count",
            json!(10_001),
            "groups[0].count: 10001 is out of range; 1 to 10000 will do",
        ),
        (
            "groups/0/count",
            json!(1e30),
            "groups[0].count: 1e+30 is not a whole number; write a whole number, 1 to 10000",
        ),
        (
            "groups/0/count",
            json!(10_000),
            "groups: 10003 peers in all; at most 10000 will do",
        ),
        (
            "groups/0/role",
            json!("byzantine"),
            "groups[0].role: `byzantine` is not supported yet; now there is honest",
        ),
        (
            "groups/0/role",
            json!("honset"),
            "groups[0].role: `honset` is not known; did you mean `honest`?",
        ),
        (
            "groups/0/role",
            json!(1),
            "groups[0].role: 1 is not a text; write one of honest",
        ),
        // Topology.
        ("topology", Value::Null, "topology: has no value; write a map of "),
        (
            "topology",
            json!("ring"),
            "topology: `ring` is not a map; write a map of ",
        ),
        (
            "topology",
            json!({}),
            "topology.type: is missing; write one of star, ring, mesh, tree",
        ),
        (
            "topology/type",
            json!("rign"),
            "topology.type: `rign` is not known; did you mean `ring`? Allowed: star, ring, mesh, tree",
        ),
        (
            "topology/repair",
            json!("rings"),
            "topology.repair: `rings` is not known; did you mean `ring`? Allowed: none, ring, reconnect",
        ),
        (
            "topology/repair",
            json!(true),
            "topology.repair: true is not a text; write one of none, ring, reconnect",
        ),
        (
            "topology",
            json!({"type": "hypercube", "torus": {}}),
            "topology.torus: is there, but topology.type is hypercube; remove it, or write `type: torus`",
        ),
        (
            "topology",
            json!({"type": "hypercube", "hypercube": {}}),
            "topology.hypercube: unknown field; the fields here are",
        ),
        (
            "topology",
            json!({"type": "randomRegular"}),
            "topology.randomRegular: is missing; type randomRegular wants `randomRegular:` with degree",
        ),
        (
            "topology",
            json!({"type": "randomRegular", "randomRegular": {"degree": 0}}),
            "topology.randomRegular.degree: 0 is out of range; 1 to 9999 will do",
        ),
        (
            "topology",
            json!({"type": "randomRegular", "randomRegular": {"degree": 2.5}}),
            "topology.randomRegular.degree: 2.5 is not a whole number",
        ),
        (
            "topology",
            json!({"type": "randomRegular", "randomRegular": {"degree": 8}}),
            "topology.randomRegular.degree: 8 neighbours for each of 8 peers; at most 7 will do",
        ),
        (
            "topology",
            json!({"type": "randomRegular", "randomRegular": {"degree": 1}}),
            "topology.randomRegular.degree: with 1 neighbour each, 8 peers are not connected; take 2 or more",
        ),
        (
            "topology",
            json!({"type": "smallWorld"}),
            "topology.smallWorld: is missing; type smallWorld wants `smallWorld:` with degree, rewire",
        ),
        (
            "topology",
            json!({"type": "smallWorld", "smallWorld": {"degree": 4}}),
            "topology.smallWorld.rewire: is missing",
        ),
        (
            "topology",
            json!({"type": "smallWorld", "smallWorld": {"degree": 1, "rewire": 0.1}}),
            "topology.smallWorld.degree: 1 is out of range; 2 to 9998 will do",
        ),
        (
            "topology",
            json!({"type": "smallWorld", "smallWorld": {"degree": 3, "rewire": 0.1}}),
            "topology.smallWorld.degree: 3 neighbours cannot be half on each side; take 2 or 4",
        ),
        (
            "topology",
            json!({"type": "smallWorld", "smallWorld": {"degree": 7, "rewire": 0.1}}),
            "topology.smallWorld.degree: 7 neighbours cannot be half on each side; take 6",
        ),
        (
            "topology",
            json!({"type": "smallWorld", "smallWorld": {"degree": 8, "rewire": 0.1}}),
            "topology.smallWorld.degree: 8 neighbours for each of 8 peers; at most 7 will do",
        ),
        (
            "topology",
            json!({"type": "smallWorld", "smallWorld": {"degree": 4, "rewire": 1.5}}),
            "topology.smallWorld.rewire: 1.5 is out of range; 0 to 1 will do",
        ),
        (
            "topology",
            json!({"type": "torus", "torus": {"rows": 3}}),
            "topology.torus.rows: 3 does not divide the number of peers, 8; 2 does, or take another number of peers",
        ),
        (
            "topology",
            json!({"type": "torus", "torus": {"cols": 7}}),
            "topology.torus.cols: 7 does not divide the number of peers, 8; 8 does, or take another number of peers",
        ),
        (
            "topology",
            json!({"type": "torus", "torus": {"rows": 2, "cols": 3}}),
            "topology.torus: 2 rows of 3 are 6, but there are 8 peers; rows times cols is the number of peers",
        ),
        (
            "topology",
            json!({"type": "torus", "torus": {"rows": 0}}),
            "topology.torus.rows: 0 is out of range; 1 to 10000 will do",
        ),
        (
            "topology",
            json!({"type": "erdosRenyi"}),
            "topology.erdosRenyi: is missing; type erdosRenyi wants `erdosRenyi:` with probability",
        ),
        (
            "topology",
            json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0}}),
            "topology.erdosRenyi.probability: 0 is out of range; 0.000001 to 1 will do",
        ),
        (
            "topology",
            json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 1.1}}),
            "topology.erdosRenyi.probability: 1.1 is out of range",
        ),
        (
            "topology",
            json!({"type": "erdosRenyi", "erdosRenyi": {"probability": 0.01}}),
            "topology.erdosRenyi.probability: 0.01 is too low: none of 100 graphs of 8 peers was connected; graphs are seldom connected below ln n ÷ n, here 0.2599; take more",
        ),
        (
            "topology/tree",
            json!({"arity": 2}),
            "topology.tree: is there, but topology.type is ring; remove it, or write `type: tree`",
        ),
        (
            "topology",
            json!({"type": "custom"}),
            "topology.custom: is missing; type custom wants `custom:` with edges",
        ),
        (
            "topology",
            json!({"type": "custom", "custom": {}}),
            "topology.custom.edges: is missing; write a list",
        ),
        (
            "topology",
            json!({"type": "star", "star": {"hub": 8}}),
            "topology.star.hub: peer 8 does not exist; peers are 0–7",
        ),
        (
            "topology",
            json!({"type": "star", "star": {"hub": 10_000}}),
            "topology.star.hub: 10000 is out of range; 0 to 9999 will do",
        ),
        (
            "topology",
            json!({"type": "tree", "tree": {"arity": 0}}),
            "topology.tree.arity: 0 is out of range; 1 to 9999 will do",
        ),
        (
            "topology",
            json!({"type": "custom", "custom": {"edges": [[0, 1, 2]]}}),
            "topology.custom.edges[0]: the list has 3 entries; exactly 2 will do",
        ),
        (
            "topology",
            json!({"type": "custom", "custom": {"edges": [[0, -1]]}}),
            "topology.custom.edges[0][1]: -1 is out of range; 0 to 9999 will do",
        ),
        (
            "topology",
            json!({"type": "custom", "custom": {"edges": vec![[0, 1]; 50_001]}}),
            "topology.custom.edges: the list has 50001 entries; at most 50000 will do",
        ),
        (
            "topology",
            json!({"type": "custom", "custom": {"edges": [[0, 1], [1, 2], [4, 5], [6, 7]]}}),
            "topology.custom.edges: the graph is not connected, it has 4 parts: {0–2}, {3}, {4–5}, {6–7}; add connections between them",
        ),
        // Model.
        (
            "model",
            json!({"type": "mlp"}),
            "model.mlp: is missing; type mlp wants `mlp:` with hidden",
        ),
        (
            "model",
            json!({"type": "lenet"}),
            "model.type: lenet wants images of at least 12×12 pixels, and the data's have 8×8; write `type: mlp`, or take larger images",
        ),
        (
            "model",
            json!({"type": "transformer"}),
            "model.type: transformer does not fit the data, which is inputs with one label each; a transformer wants `data.type: text`",
        ),
        (
            "model",
            json!({"type": "resnet18", "resnet18": {"groups": 3}}),
            "model.resnet18.groups: 3 groups do not divide 64 channels; 1, 2, 4, 8, 16, 32 or 64 will do",
        ),
        (
            "model",
            json!({"type": "resnet18", "resnet18": {"groups": 0}}),
            "model.resnet18.groups: 0 is out of range; 1 to 64 will do",
        ),
        (
            "model",
            json!({"type": "resnet18", "resnet18": {"layers": 18}}),
            "model.resnet18.layers: unknown field; the fields here are groups",
        ),
        (
            "model",
            json!({"type": "lenet", "mlp": {"hidden": [8]}}),
            "model.mlp: is there, but model.type is lenet; remove it, or write `type: mlp`",
        ),
        (
            "model",
            json!({"type": "transformer", "transformer": {"layers": 49}}),
            "model.transformer.layers: 49 is out of range; 1 to 48 will do",
        ),
        (
            "model",
            json!({"type": "transformer", "transformer": {"heads": 0}}),
            "model.transformer.heads: 0 is out of range; 1 to 64 will do",
        ),
        (
            "model",
            json!({"type": "transformer", "transformer": {"width": 5000}}),
            "model.transformer.width: 5000 is out of range; 1 to 4096 will do",
        ),
        (
            "model/type",
            json!("svm"),
            "model.type: `svm` is not known; allowed: mlp, lenet, cnn, resnet18, transformer, custom",
        ),
        (
            "model/mlp/hidden",
            json!(64),
            "model.mlp.hidden: 64 is not a list; write a list",
        ),
        (
            "model/mlp/hidden",
            json!([0]),
            "model.mlp.hidden[0]: 0 is out of range; 1 to 65536 will do",
        ),
        (
            "model/mlp/hidden",
            json!([65_537]),
            "model.mlp.hidden[0]: 65537 is out of range; 1 to 65536 will do",
        ),
        (
            "model/mlp/hidden",
            json!(vec![8; 17]),
            "model.mlp.hidden: the list has 17 entries; at most 16 will do",
        ),
        (
            "model/mlp/hidden",
            json!([65_536, 65_536]),
            "model.mlp.hidden: the model has 4299948042 parameters; at most 1073741824 will do; take narrower layers or smaller inputs",
        ),
        // Data.
        (
            "data/type",
            json!("digit"),
            "data.type: `digit` is not known; did you mean `digits`? Allowed: digits, idx, csv, safetensors, text",
        ),
        (
            "data/type",
            json!("idx"),
            "data.idx: is missing; type idx wants `idx:` with path",
        ),
        (
            "data/idx",
            json!({"path": "x"}),
            "data.idx: is there, but data.type is digits; remove it, or write `type: idx`",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": ""}}),
            "data.idx.path: the text is empty; write a text",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {}}),
            "data.idx.path: is missing; write a text",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": "p".repeat(4097)}}),
            "has 4097 characters; at most 4096 will do",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": "x", "inputShape": [28]}}),
            "data.idx.inputShape: the list has 1 entry; exactly 2 will do",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": "x", "inputShape": [28, 5000]}}),
            "data.idx.inputShape[1]: 5000 is out of range; 1 to 4096 will do",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": "x", "classes": 1}}),
            "data.idx.classes: 1 is out of range; 2 to 256 will do",
        ),
        (
            "data",
            json!({"type": "csv"}),
            "data.csv: is missing; type csv wants `csv:` with",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4]}}),
            "data.csv.train: the text is empty",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "labelColumn": "y", "classes": 3, "inputShape": [4]}}),
            "data.csv.test: is missing; write a text",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": true, "classes": 3, "inputShape": [4]}}),
            "data.csv.labelColumn: true is not a column; write the column's name, or its number counted from 0",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": -1, "classes": 3, "inputShape": [4]}}),
            "data.csv.labelColumn: -1 is out of range; write the column's name, or its number counted from 0",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "", "classes": 3, "inputShape": [4]}}),
            "data.csv.labelColumn: `` is not the name of a column",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "classes": 3, "inputShape": [4]}}),
            "data.csv.labelColumn: is missing; write the column's name, or its number counted from 0",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4], "header": false}}),
            "data.csv.labelColumn: `y` is a name, but header is false; write the column's number counted from 0, or `header: true`",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4], "header": "maybe"}}),
            "data.csv.header: `maybe` is not true or false",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 257, "inputShape": [4]}}),
            "data.csv.classes: 257 is out of range; 2 to 256 will do",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": []}}),
            "data.csv.inputShape: the list is empty; at least 1 will do",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [1, 2, 3, 4]}}),
            "data.csv.inputShape: the list has 4 entries; at most 3 will do",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [0]}}),
            "data.csv.inputShape[0]: 0 is out of range; 1 to 65536 will do",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [65536, 257]}}),
            "data.csv.inputShape: an input has 16842752 values; at most 16777216 will do",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4], "divisor": 0}}),
            "data.csv.divisor: 0 is out of range",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4], "divisor": 2, "normalise": true}}),
            "data.csv.divisor: 2 is there beside normalise; remove one of the two",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4], "normalise": 1}}),
            "data.csv.normalise: 1 is not true or false",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4], "sha256": {"train": "0F"}}}),
            "data.csv.sha256.train: `0F` is not a SHA-256; write the 64 digits (0–9, a–f) that sha256sum prints",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "https://example.org/a.csv", "test": "b.csv", "labelColumn": "y", "classes": 3, "inputShape": [4]}}),
            "data.csv.train: `https://example.org/a.csv` comes without its SHA-256; write data.csv.sha256.train, so that every peer has the same data",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "s3://bucket/a.csv", "labelColumn": "y", "classes": 3, "inputShape": [4]}}),
            "data.csv.test: `s3://bucket/a.csv` is no URL that can be fetched; write a path, or a URL that begins with https:// or http://",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "https:///a.csv", "labelColumn": "y", "classes": 3, "inputShape": [4]}}),
            "data.csv.test: `https:///a.csv` is not a URL",
        ),
        (
            "data",
            json!({"type": "csv", "csv": {"train": "a.csv", "test": "https://me:secret@example.org/a.csv", "labelColumn": "y", "classes": 3, "inputShape": [4]}}),
            "data.csv.test: the URL holds a user name or a password; the manifest is kept with the results",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": "https://example.org/mnist"}}),
            "data.idx.path: `https://example.org/mnist` comes without its SHA-256; write data.idx.sha256",
        ),
        (
            "data",
            json!({"type": "idx", "idx": {"path": "x", "sha256": {"trainImages": "0".repeat(64), "trainLabels": "1".repeat(64), "testImages": "a".repeat(64)}}}),
            "data.idx.sha256.testLabels: is missing; write the 64 digits",
        ),
        (
            "data",
            json!({"type": "safetensors", "safetensors": {"path": "x", "classes": 1, "inputShape": [4]}}),
            "data.safetensors.classes: 1 is out of range; 2 to 256 will do",
        ),
        (
            "data",
            json!({"type": "safetensors", "safetensors": {"path": "x", "classes": 2}}),
            "data.safetensors.inputShape: is missing",
        ),
        (
            "data",
            json!({"type": "safetensors", "safetensors": {"path": "x", "classes": 2, "inputShape": [65536, 65536, 2]}}),
            "data.safetensors.inputShape: an input has 8589934592 values; at most 16777216 will do",
        ),
        (
            "data",
            json!({"type": "safetensors", "safetensors": {"path": "http://example.org", "classes": 2, "inputShape": [4], "sha256": {}}}),
            "data.safetensors.path: `http://example.org` comes without its SHA-256; write data.safetensors.sha256 with train and test",
        ),
        (
            "data",
            json!({"type": "text", "text": {}}),
            "data.text.path: is missing; write a text",
        ),
        (
            "data",
            json!({"type": "text", "text": {"path": "https://example.org/x"}}),
            "data.text.path: `https://example.org/x` comes without its SHA-256; write data.text.sha256",
        ),
        (
            "data",
            json!({"type": "text", "text": {"path": "x"}, "partition": {"type": "classes", "classes": {"perPeer": 3}}}),
            "data.partition.type: classes divides by class, and the windows of a text have none; for a text there is iid, explicit, quantity, contiguous",
        ),
        (
            "data",
            json!({"type": "text", "text": {"path": "x"}, "partition": {"type": "dirichlet", "dirichlet": {"alpha": 3}}}),
            "data.partition.type: dirichlet divides by class",
        ),
        (
            "data",
            json!({"type": "text", "text": {"path": "x"}, "partition": {"type": "shards", "shards": {"perPeer": 3}}}),
            "data.partition.type: shards divides by class",
        ),
        (
            "data/partition/type",
            json!("shard"),
            "data.partition.type: `shard` is not known; did you mean `shards`? Allowed: iid, dirichlet, explicit, classes, shards, quantity, contiguous",
        ),
        (
            "data/partition/type",
            json!("classes"),
            "data.partition.classes: is missing; type classes wants `classes:` with perPeer",
        ),
        (
            "data/partition",
            json!({"type": "iid", "quantity": {"alpha": 1}}),
            "data.partition.quantity: is there, but data.partition.type is iid; remove it, or write `type: quantity`",
        ),
        (
            "data/partition",
            json!({"type": "classes", "classes": {"perPeer": 0}}),
            "data.partition.classes.perPeer: 0 is out of range; 1 to 256 will do",
        ),
        (
            "data/partition",
            json!({"type": "classes", "classes": {"perPeer": 11}}),
            "data.partition.classes.perPeer: 11 classes of 10; the data has 10 classes; at most so many will do",
        ),
        (
            "data/partition",
            json!({"type": "classes", "classes": {"perPeer": 1}}),
            "data.partition.classes.perPeer: 8 peers with 1 classes each leave classes without a holder; the data has 10 classes; at least 2 will do",
        ),
        (
            "data/partition",
            json!({"type": "shards", "shards": {"perPeer": 0}}),
            "data.partition.shards.perPeer: 0 is out of range; 1 to 1000 will do",
        ),
        (
            "data/partition",
            json!({"type": "shards", "shards": {"perPeer": 180}}),
            "data.partition.shards.perPeer: 180 samples for each of 8 peers are 1440; the data has 1438 training samples; at most 179 will do",
        ),
        (
            "data/partition",
            json!({"type": "quantity", "quantity": {"alpha": 0}}),
            "data.partition.quantity.alpha: 0 is out of range; 0.001 to 1000000 will do",
        ),
        (
            "data/partition",
            json!({"type": "quantity", "quantity": {"alpha": 1, "minSamples": 180}}),
            "data.partition.quantity.minSamples: 180 samples for each of 8 peers are 1440; the data has 1438 training samples; at most 179 will do",
        ),
        (
            "data/partition",
            json!({"type": "dirichlet"}),
            "data.partition.dirichlet: is missing; type dirichlet wants `dirichlet:` with alpha",
        ),
        (
            "data/partition",
            json!({"type": "dirichlet", "dirichlet": {"alpha": 0}}),
            "data.partition.dirichlet.alpha: 0 is out of range; 0.001 to 1000000 will do",
        ),
        (
            "data/partition",
            json!({"type": "dirichlet", "dirichlet": {"alpha": "x"}}),
            "data.partition.dirichlet.alpha: `x` is not a number; write a number, 0.001 to 1000000",
        ),
        (
            "data/partition",
            json!({"type": "dirichlet", "dirichlet": {"alpha": 1, "minSamples": 0}}),
            "data.partition.dirichlet.minSamples: 0 is out of range; 1 to 1000000 will do",
        ),
        (
            "data/partition",
            json!({"type": "dirichlet", "dirichlet": {"alpha": 1, "minSamples": 180}}),
            "data.partition.dirichlet.minSamples: 180 samples for each of 8 peers are 1440; the data has 1438 training samples; at most 179 will do",
        ),
        (
            "data/partition",
            json!({"type": "explicit", "explicit": {"shards": [[[0, 100]]]}}),
            "data.partition.explicit.shards: 1 shards for 8 peers; give every peer one, in the order of the peers",
        ),
        (
            "data/partition",
            json!({"type": "explicit", "explicit": {"shards": [[[0, 70]], [[5, 5]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]]]}}),
            "data.partition.explicit.shards[1][0]: [5, 5) is empty; the end comes after the last sample",
        ),
        (
            "data/partition",
            json!({"type": "explicit", "explicit": {"shards": [[[0, 70]], [[5, 1439]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]]]}}),
            "data.partition.explicit.shards[1][0]: [5, 1439) goes past the data; training samples are 0–1437",
        ),
        (
            "data/partition",
            json!({"type": "explicit", "explicit": {"shards": [[[0, 70], [69, 80]], [[5, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]], [[0, 9]]]}}),
            "data.partition.explicit.shards[0]: sample 69 is there twice; name every sample of a peer once",
        ),
        (
            "data/partition",
            json!({"type": "explicit", "explicit": {"shards": [[[0, 4_294_967_296_u64]]]}}),
            "data.partition.explicit.shards[0][0][1]: 4294967296 is out of range; 0 to 4294967295 will do",
        ),
        // Training.
        (
            "training/rounds",
            json!(0),
            "training.rounds: 0 is out of range; 1 to 1000000 will do",
        ),
        (
            "training/rounds",
            json!(10.0),
            "training.rounds: 10.0 is not a whole number; write a whole number, 1 to 1000000",
        ),
        (
            "training/epochs",
            json!(0),
            "training.epochs: 0 is out of range; 1 to 10000 will do",
        ),
        (
            "training/batchSize",
            json!(0),
            "training.batchSize: 0 is out of range; 1 to 1048576 will do",
        ),
        (
            "training/batchSize",
            json!(181),
            "training.batchSize: 181 is more than the 180 training samples of a peer; at most 180 will do",
        ),
        (
            "training/learningRate",
            json!(0),
            "training.learningRate: 0 is out of range; 0.000000001 to 1000 will do",
        ),
        (
            "training/learningRate",
            json!(-0.1),
            "training.learningRate: -0.1 is out of range",
        ),
        (
            "training/learningRate",
            json!("fast"),
            "training.learningRate: `fast` is not a number; write a number",
        ),
        (
            "training/momentum",
            json!(1),
            "training.momentum: 1 is out of range; 0 to 0.9999 will do",
        ),
        (
            "training/momentum",
            json!(-0.5),
            "training.momentum: -0.5 is out of range",
        ),
        (
            "training/weightDecay",
            json!(-1e-4),
            "training.weightDecay: -0.0001 is out of range; 0 to 1 will do",
        ),
        (
            "training/clipNorm",
            json!(0),
            "training.clipNorm: 0 is out of range; 0.000001 to 1000000 will do",
        ),
        (
            "training/clipNorm",
            Value::Null,
            "training.clipNorm: has no value; write a number",
        ),
        (
            "training/schedule",
            json!("cosine"),
            "training.schedule: `cosine` is not a map; write a map of ",
        ),
        (
            "training/schedule/type",
            json!("cosin"),
            "training.schedule.type: `cosin` is not known; did you mean `cosine`? Allowed: constant, step, cosine",
        ),
        (
            "training/schedule/type",
            json!("step"),
            "training.schedule.step: is missing; type step wants `step:` with rounds",
        ),
        (
            "training/schedule",
            json!({"type": "step", "step": {"rounds": 0}}),
            "training.schedule.step.rounds: 0 is out of range; 1 to 1000000 will do",
        ),
        (
            "training/schedule",
            json!({"type": "step", "step": {"rounds": 1, "factor": 1.5}}),
            "training.schedule.step.factor: 1.5 is out of range; 0.000001 to 1 will do",
        ),
        (
            "training/schedule",
            json!({"cosine": {}}),
            "training.schedule.cosine: is there, but training.schedule.type is constant; remove it, or write `type: cosine`",
        ),
        (
            "training/schedule",
            json!({"type": "cosine", "cosine": {"floor": 2}}),
            "training.schedule.cosine.floor: 2 is out of range; 0 to 1 will do",
        ),
        (
            "training/schedule/warmupRounds",
            json!(50),
            "training.schedule.warmupRounds: 50 leaves nothing of 50 rounds; at most 49 will do",
        ),
        (
            "training/backend",
            json!("tch"),
            "training.backend: `tch` is not supported yet; now there is flex, cuda",
        ),
        (
            "training/backend",
            json!("Flex"),
            "training.backend: `Flex` is not known; did you mean `flex`? Allowed: flex, cuda",
        ),
        (
            "training/threads",
            json!(0),
            "training.threads: 0 is out of range; 1 to 1024 will do",
        ),
        (
            "training",
            Value::Null,
            "training: has no value; write a map of backend, batchSize, clipNorm, earlyStop, epochs, learningRate, momentum, rounds, schedule, threads, weightDecay, or remove the field for its default",
        ),
        // Exchange.
        (
            "exchange/uploadSlots",
            json!(0),
            "exchange.uploadSlots: 0 is out of range; 1 to 10000 will do",
        ),
        (
            "exchange/unchokeInterval",
            json!(10),
            "exchange.unchokeInterval: 10 is not a text; write a duration such as 10s, 1m30s or 500ms, at most a year",
        ),
        (
            "exchange/unchokeInterval",
            json!("10"),
            "exchange.unchokeInterval: `10` is not a duration; write a duration such as 10s",
        ),
        (
            "exchange/unchokeInterval",
            json!("0s"),
            "exchange.unchokeInterval: 0s is out of range; 1ms to 1h will do",
        ),
        (
            "exchange/unchokeInterval",
            json!("31s"),
            "exchange.optimisticUnchokeInterval: 30s is shorter than unchokeInterval, 31s; take the same or more",
        ),
        (
            "exchange/optimisticUnchokeInterval",
            json!("25h"),
            "exchange.optimisticUnchokeInterval: 25h is out of range; 1ms to 24h will do",
        ),
        (
            "exchange/chokePolicy",
            json!("tit"),
            "exchange.chokePolicy: `tit` is not known; allowed: titForTat",
        ),
        (
            "exchange/chunkSelection",
            json!("rarest"),
            "exchange.chunkSelection: `rarest` is not known; allowed: supplier, rarestFirst, random, sequential",
        ),
        (
            "exchange/numChunks",
            json!(0),
            "exchange.numChunks: 0 is out of range; 1 to 65536 will do",
        ),
        (
            "exchange/numChunks",
            json!(1211),
            "exchange.numChunks: 1211 is more than the model's 1210 parameters; at most 1210 will do",
        ),
        (
            "exchange/numChunks",
            Value::Null,
            "exchange.numChunks: has no value; write a whole number, 1 to 65536",
        ),
        (
            "exchange/memoryBudget",
            json!("1KB"),
            "exchange.memoryBudget: `1KB` is not a quantity of bytes; write a quantity of bytes such as 256Mi",
        ),
        (
            "exchange/memoryBudget",
            json!(-1),
            "exchange.memoryBudget: -1 is not a whole number of bytes; write a quantity of bytes such as 256Mi",
        ),
        (
            "exchange/memoryBudget",
            json!(1_u64 << 51),
            "exchange.memoryBudget: 2251799813685248 is more than 1024Ti; write a quantity",
        ),
        (
            "exchange/memoryBudget",
            json!([]),
            "exchange.memoryBudget: a list is not a quantity of bytes",
        ),
        (
            "exchange/quorum",
            json!(0.8),
            "exchange.quorum: unknown field; write `exchange.round.quorum` instead",
        ),
        (
            "aggregation/quorum",
            json!(5),
            "aggregation.quorum: unknown field; write `exchange.round.quorum` instead",
        ),
        (
            "exchange/round",
            json!(1),
            "exchange.round: 1 is not a map; write a map of deadline, patience, quorum",
        ),
        (
            "exchange/round/quorum",
            json!(0),
            "exchange.round.quorum: 0 is out of range; 0.0001 to 1 will do",
        ),
        (
            "exchange/round/quorum",
            json!(5),
            "exchange.round.quorum: 5 is out of range; 0.0001 to 1 will do",
        ),
        (
            "exchange/round/quorum",
            json!("80%"),
            "exchange.round.quorum: `80%` is not a number; write a number, 0.0001 to 1",
        ),
        (
            "exchange/round/patience",
            json!("auto"),
            "exchange.round.patience: `auto` is not a duration; write a duration",
        ),
        (
            "exchange/round/patience",
            json!("0s"),
            "exchange.round.patience: 0s is out of range; 1ms to 1h will do",
        ),
        (
            "exchange/round/deadline",
            json!(60),
            "exchange.round.deadline: 60 is not a text; write auto, none, or a duration such as 10s",
        ),
        (
            "exchange/round/deadline",
            json!("never"),
            "exchange.round.deadline: `never` is not a duration; write auto, none, or a duration such as 10s",
        ),
        (
            "exchange/round/deadline",
            json!("10ms"),
            "exchange.round.deadline: 10ms is out of range; 100ms to 168h will do",
        ),
        (
            "exchange/round/deadline",
            json!("169h"),
            "exchange.round.deadline: 169h is out of range; 100ms to 168h will do",
        ),
        // Links.
        (
            "network",
            json!([]),
            "network: a list is not a map; write a map of default",
        ),
        (
            "network/up",
            json!("10Mbit"),
            "network.up: unknown field; the fields here are default",
        ),
        (
            "network/default",
            json!("10Mbit"),
            "network.default: `10Mbit` is not a map; write a map of delay, down, jitter, loss, queue, up",
        ),
        (
            "network/default/bandwidth",
            json!("10Mbit"),
            "network.default.bandwidth: unknown field; the fields here are delay, down, jitter, loss, queue, up",
        ),
        (
            "network/default/up",
            json!(10),
            "network.default.up: 10 is not a text; write a rate in bits a second such as 10Mbit",
        ),
        (
            "network/default/up",
            json!("10mbps"),
            "network.default.up: `10mbps` is bytes for some and bits for others; a rate is in bits a second, such as 100Mbit; write",
        ),
        (
            "network/default/down",
            json!("10"),
            "network.default.down: `10` is not a rate of bits; a rate is a number and bit, kbit, Mbit or Gbit",
        ),
        (
            "network/default/down",
            json!("0Mbit"),
            "network.default.down: `0Mbit` is out of range; a rate is from 1kbit to 10Tbit",
        ),
        (
            "network/default/up",
            json!("2kbit"),
            "network.default.up: a QUIC handshake takes 24s at 2kbit, and peers wait 5s for it; 10kbit or more will do",
        ),
        (
            "network/default/delay",
            json!(5),
            "network.default.delay: 5 is not a text; write a duration such as 10s",
        ),
        (
            "network/default/delay",
            json!("-5ms"),
            "network.default.delay: `-5ms` is not a duration; write a duration",
        ),
        (
            "network/default/delay",
            json!("11s"),
            "network.default.delay: 11s is out of range; at most 1s will do",
        ),
        (
            "network/default",
            json!({"delay": "5ms", "jitter": "6ms"}),
            "network.default.jitter: 6ms is more than the delay, 5ms; at most the delay will do",
        ),
        (
            "groups/0/network/jitter",
            json!("1ms"),
            "groups[0].network.jitter: 1ms is more than the delay, 0ns; at most the delay will do",
        ),
        (
            "network/default/loss",
            json!(0.01),
            "network.default.loss: 0.01 is not a text; write a percentage such as 1% or 0.05%",
        ),
        (
            "network/default/loss",
            json!("0.01"),
            "network.default.loss: `0.01` is not a percentage; write a percentage such as 1%",
        ),
        (
            "network/default/loss",
            json!("51%"),
            "network.default.loss: 51% is out of range; at most 50% will do: no connection holds on a link that loses more",
        ),
        (
            "network/default/loss",
            json!("101%"),
            "network.default.loss: `101%` is more than 100%; write a percentage",
        ),
        (
            "network/default/queue",
            json!("50ms"),
            "network.default.queue: nothing waits at a link without a rate; write up or down too, or remove it",
        ),
        (
            "groups/1/network/queue",
            json!("50ms"),
            "groups[1].network.queue: nothing waits at a link without a rate; write up or down too, or remove it",
        ),
        (
            "network/default",
            json!({"up": "10Mbit", "queue": "1ms"}),
            "network.default.queue: 1ms at 10Mbit is 1250 bytes, less than one packet of transport.mtu, 1500; take 2ms or more",
        ),
        (
            "groups/0/network",
            json!({"down": "1Mbit", "queue": "1k"}),
            "groups[0].network.queue: 1k at 1Mbit is 1000 bytes, less than one packet of transport.mtu, 1500; take 12ms or more",
        ),
        (
            "network/default",
            json!({"up": "10Gbit", "queue": "1s"}),
            "network.default.queue: 1s at 10Gbit is 1250000000 bytes; at most 64Mi will do",
        ),
        (
            "network/default",
            json!({"up": "10Mbit", "queue": 65536}),
            "network.default.queue: 65536 is not a text; write a time such as 50ms",
        ),
        (
            "network/default",
            json!({"up": "10Mbit", "queue": "many"}),
            "network.default.queue: `many` is neither a time nor a quantity of bytes; write a time such as 50ms",
        ),
        (
            "groups/0/computeSlowdown",
            json!(0.5),
            "groups[0].computeSlowdown: 0.5 is out of range; 1 to 1000 will do",
        ),
        (
            "groups/0/computeSlowdown",
            json!("2x"),
            "groups[0].computeSlowdown: `2x` is not a number; write a number, 1 to 1000",
        ),
        (
            "transport/congestionControl",
            json!("bbr"),
            "transport.congestionControl: `bbr` is not known; allowed: auto, cubic, newReno, rateAware",
        ),
        (
            "transport/congestionControl",
            json!("rateAware"),
            "transport.congestionControl: rateAware goes by the rate up, and groups[0] has none; give every group a network with up, or write auto",
        ),
        // The rest.
        (
            "aggregation/type",
            json!("krum"),
            "aggregation.type: `krum` is not supported yet; now there is fedavg, fedprox",
        ),
        (
            "aggregation",
            json!({"fedprox": {"mu": 0.1}}),
            "aggregation.fedprox: is there, but aggregation.type is fedavg; remove it, or write `type: fedprox`",
        ),
        (
            "aggregation/type",
            json!("fedprox"),
            "aggregation.fedprox: is missing; type fedprox wants `fedprox:` with mu",
        ),
        (
            "aggregation",
            json!({"type": "fedprox", "fedprox": {"mu": -1}}),
            "aggregation.fedprox.mu: -1 is out of range; 0 to 1000 will do",
        ),
        (
            "aggregation/type",
            json!("fedagv"),
            "aggregation.type: `fedagv` is not known; did you mean `fedavg`?",
        ),
        (
            "transport/type",
            json!("udp"),
            "transport.type: `udp` is not known; allowed: quic",
        ),
        (
            "transport/keepAlive",
            json!("20s"),
            "transport.keepAlive: unknown field; write `liveness.heartbeatInterval` instead",
        ),
        (
            "transport/idleTimeout",
            json!("20s"),
            "transport.idleTimeout: unknown field; write `liveness.heartbeatTimeout` instead",
        ),
        (
            "transport/lostAfter",
            json!("20s"),
            "transport.lostAfter: unknown field; write `liveness.heartbeatTimeout` instead",
        ),
        (
            "transport/mtu",
            json!(1199),
            "transport.mtu: 1199 is out of range; 1200 to 65527 will do",
        ),
        (
            "transport/mtu",
            json!(65_528),
            "transport.mtu: 65528 is out of range; 1200 to 65527 will do",
        ),
        (
            "liveness",
            json!("auto"),
            "liveness: `auto` is not a map; write a map of heartbeatInterval, heartbeatTimeout, minPeers, pauseLimit, progressLease, sendMaxRetries, sendRetryBaseDelay, sendRetryJitter, sendRetryMaxDelay",
        ),
        (
            "liveness/heartbeat",
            json!("5s"),
            "liveness.heartbeat: unknown field; the fields here are heartbeatInterval, heartbeatTimeout, minPeers, pauseLimit, progressLease, sendMaxRetries, sendRetryBaseDelay, sendRetryJitter, sendRetryMaxDelay",
        ),
        (
            "liveness/heartbeatInterval",
            json!(30),
            "liveness.heartbeatInterval: 30 is not a text; write auto, or a duration such as 10s, 1m30s or 500ms",
        ),
        (
            "liveness/heartbeatInterval",
            json!("often"),
            "liveness.heartbeatInterval: `often` is not a duration; write auto, or a duration such as 10s, 1m30s or 500ms",
        ),
        (
            "liveness/heartbeatInterval",
            json!("1ms"),
            "liveness.heartbeatInterval: 1ms is out of range; 100ms to 1h will do",
        ),
        (
            "liveness/heartbeatInterval",
            json!("90s"),
            "liveness.heartbeatTimeout: 1m30s is not longer than heartbeatInterval, 1m30s; three or four times heartbeatInterval is usual",
        ),
        (
            "liveness/heartbeatTimeout",
            json!("none"),
            "liveness.heartbeatTimeout: `none` is not a duration; write auto, or a duration",
        ),
        (
            "liveness/heartbeatTimeout",
            json!("auto"),
            "liveness.heartbeatTimeout: 20s is not longer than heartbeatInterval, 30s; three or four times heartbeatInterval is usual; auto for both",
        ),
        (
            "liveness/heartbeatTimeout",
            json!("25h"),
            "liveness.heartbeatTimeout: 25h is out of range; 100ms to 24h will do",
        ),
        (
            "liveness/sendMaxRetries",
            json!(1001),
            "liveness.sendMaxRetries: 1001 is out of range; 0 to 1000 will do",
        ),
        (
            "liveness/sendMaxRetries",
            json!("auto"),
            "liveness.sendMaxRetries: `auto` is not a whole number; write a whole number, 0 to 1000",
        ),
        (
            "liveness/sendRetryBaseDelay",
            json!("0s"),
            "liveness.sendRetryBaseDelay: 0s is out of range; 1ms to 1h will do",
        ),
        (
            "liveness/sendRetryBaseDelay",
            json!(1),
            "liveness.sendRetryBaseDelay: 1 is not a text; write auto, or a duration",
        ),
        (
            "liveness/sendRetryMaxDelay",
            json!("25h"),
            "liveness.sendRetryMaxDelay: 25h is out of range; 1ms to 24h will do",
        ),
        (
            "liveness/sendRetryJitter",
            json!("2h"),
            "liveness.sendRetryJitter: 2h is out of range; 1ms to 1h will do",
        ),
        (
            "liveness/minPeers",
            json!(0),
            "liveness.minPeers: 0 is out of range; 1 to 10000 will do",
        ),
        (
            "liveness/minPeers",
            json!(9),
            "liveness.minPeers: 9 is more than the 8 peers; at most 8 will do",
        ),
        (
            "liveness/minPeers",
            json!(4.5),
            "liveness.minPeers: 4.5 is not a whole number; write a whole number, 1 to 10000",
        ),
        (
            "liveness/minPeers",
            json!("half"),
            "liveness.minPeers: `half` is not a whole number; write a whole number, 1 to 10000",
        ),
        (
            "liveness/pauseLimit",
            json!("-1s"),
            "liveness.pauseLimit: `-1s` is not a duration; write a duration",
        ),
        (
            "liveness/pauseLimit",
            json!("0s"),
            "liveness.pauseLimit: 0s is out of range; 100ms to 168h will do",
        ),
        (
            "liveness/progressLease",
            json!(30),
            "liveness.progressLease: 30 is not a text; write auto, none, or a duration such as 10s",
        ),
        (
            "liveness/progressLease",
            json!("long"),
            "liveness.progressLease: `long` is not a duration; write auto, none, or a duration such as 10s",
        ),
        (
            "liveness/progressLease",
            json!("200h"),
            "liveness.progressLease: 200h is out of range; 100ms to 168h will do",
        ),
        (
            "failurePolicy",
            json!("continue"),
            "failurePolicy: `continue` is not a map; write a map of onPeerLoss",
        ),
        (
            "failurePolicy/onPeerLoss",
            json!("stop"),
            "failurePolicy.onPeerLoss: `stop` is not known; allowed: continue, fail",
        ),
        ("churn", json!({}), "churn: a map is not a list; write a list"),
        (
            "churn",
            json!(vec![json!({"event": "pause", "rate": 0.1}); 257]),
            "churn: the list has 257 entries; at most 256 will do",
        ),
        (
            "churn",
            json!([{"peers": [1], "round": 2}]),
            "churn[0].event: is missing; write one of join, leave, crash, pause, restart, wedge",
        ),
        (
            "churn",
            json!([{"event": "die", "peers": [1], "round": 2}]),
            "churn[0].event: `die` is not known; allowed: join, leave, crash, pause, restart, wedge",
        ),
        (
            "churn",
            json!([{"event": "crash", "peer": [1], "round": 2}]),
            "churn[0].peer: unknown field; did you mean `peers`?",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [], "round": 2}]),
            "churn[0].peers: the list is empty; at least 1 will do",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": 1, "round": 2}]),
            "churn[0].peers: 1 is not a list",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [10_000], "round": 2}]),
            "churn[0].peers[0]: 10000 is out of range; 0 to 9999 will do",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1, 8], "round": 2}]),
            "churn[0].peers[1]: peer 8 does not exist; peers are 0–7",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1, 2, 1], "round": 2}]),
            "churn[0].peers[2]: peer 1 is there twice; name every peer once",
        ),
        (
            "churn",
            json!([{"event": "crash", "round": 2}]),
            "churn[0]: happens to nobody; write peers with their indices, or a rate",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "rate": 0.1}]),
            "churn[0]: has both peers and a rate; write one of the two",
        ),
        (
            "churn",
            json!([{"event": "crash", "rate": 0.1, "round": 2}]),
            "churn[0]: has a rate, which is of every round, and a time; remove round and after, or write peers instead of rate",
        ),
        (
            "churn",
            json!([{"event": "crash", "rate": 0.1, "after": "2s"}]),
            "churn[0]: has a rate, which is of every round, and a time",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1]}]),
            "churn[0]: has no time; write a round, or after with a time such as 90s",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "round": 2, "after": "2s"}]),
            "churn[0]: has both round and after; write one of the two",
        ),
        (
            "churn",
            json!([{"event": "join", "rate": 0.1}]),
            "churn[0].rate: a peer that is drawn to join would have to be drawn to be away; write peers with their indices",
        ),
        (
            "churn",
            json!([{"event": "join", "peers": [1], "round": 1}]),
            "churn[0].round: whoever takes part from round 1 on does not join; take 2 or more, or remove the entry",
        ),
        (
            "churn",
            json!([{"event": "crash", "rate": 0}]),
            "churn[0].rate: 0 is out of range; 0.000001 to 1 will do",
        ),
        (
            "churn",
            json!([{"event": "crash", "rate": 1.5}]),
            "churn[0].rate: 1.5 is out of range; 0.000001 to 1 will do",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "round": 0}]),
            "churn[0].round: 0 is out of range; 1 to 1000000 will do",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "round": 51}]),
            "churn[0].round: 51 is after the last of 50 rounds; at most 50 will do",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "after": "soon"}]),
            "churn[0].after: `soon` is not a duration; write a duration",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "after": "169h"}]),
            "churn[0].after: 169h is out of range; 1ms to 168h will do",
        ),
        (
            "churn",
            json!([{"event": "pause", "peers": [1], "round": 2, "for": "0s"}]),
            "churn[0].for: 0s is out of range; 1ms to 168h will do",
        ),
        (
            "churn",
            json!([{"event": "pause", "peers": [1], "round": 2, "for": 3}]),
            "churn[0].for: 3 is not a text; write a duration",
        ),
        (
            "churn",
            json!([{"event": "leave", "peers": [1], "round": 2, "for": "3s"}]),
            "churn[0].for: 3s, but a leave has no length; remove it; pause, restart and wedge have one",
        ),
        (
            "churn",
            json!([{"event": "pause", "peers": [1], "round": 2}, {"event": "crash", "peers": [1], "after": "2s"}]),
            "churn[1].after: peer 1 has events in rounds, too (churn[0]); give all events of a peer a round, or all a time",
        ),
        (
            "churn",
            json!([{"event": "crash", "peers": [1], "after": "2s"}, {"event": "pause", "rate": 0.1, "for": "1s"}]),
            "churn[0].after: peer 1 has events in rounds, too (churn[1])",
        ),
        (
            "churn",
            json!([{"event": "join", "peers": [1], "round": 2}, {"event": "join", "peers": [1, 2], "round": 3}]),
            "churn[1]: peer 1 joins in churn[0] already; a peer joins once, before anything else happens to it",
        ),
        (
            "churn",
            json!([{"event": "join", "peers": [1], "round": 3}, {"event": "pause", "peers": [1], "round": 2}]),
            "churn[0]: peer 1 joins after its pause (churn[1])",
        ),
        (
            "churn",
            json!([{"event": "pause", "peers": [1], "round": 3}, {"event": "crash", "peers": [1], "round": 2}]),
            "churn[0]: peer 1 has gone by then (churn[1]); remove it, or let it happen earlier",
        ),
        (
            "churn",
            json!([{"event": "restart", "peers": [1], "round": 3}, {"event": "join", "peers": [1], "round": 4}]),
            "churn[1]: peer 1 joins after its restart (churn[0]); a peer joins once, before anything else happens to it",
        ),
        (
            "churn",
            json!([{"event": "join", "peers": [1], "round": 3, "for": "2s"}]),
            "churn[0].for: 2s, but a join has no length; remove it; pause, restart and wedge have one",
        ),
        (
            "churn",
            json!([{"event": "join", "peers": [0, 1, 2, 3, 4, 5, 6], "round": 2}, {"event": "join", "peers": [7], "after": "2s"}]),
            "churn: all 8 peers join later, so that nobody begins; let at least one peer be there from the beginning",
        ),
        (
            "failurePolicy/onPeerlos",
            json!("fail"),
            "failurePolicy.onPeerlos: unknown field; did you mean `onPeerLoss`?",
        ),
        (
            "checkpoint/type",
            json!("sometimes"),
            "checkpoint.type: `sometimes` is not known; allowed: none, periodic",
        ),
        (
            "checkpoint",
            json!({"type": "none", "periodic": {}}),
            "checkpoint.periodic: is there, but checkpoint.type is none",
        ),
        (
            "checkpoint",
            json!({"type": "periodic", "periodic": {"everyRounds": 0}}),
            "checkpoint.periodic.everyRounds: 0 is out of range; 1 to 1000000 will do",
        ),
        (
            "checkpoint",
            json!({"type": "periodic", "periodic": {"every": 2}}),
            "checkpoint.periodic.every: unknown field",
        ),
        (
            "training/earlyStop",
            json!({}),
            "training.earlyStop: has no rule; write targetAccuracy, patience or both, or remove it",
        ),
        (
            "training/earlyStop",
            json!({"targetAccuracy": 0.9, "minDelta": 0.1}),
            "training.earlyStop.minDelta: is there without patience; write patience, or remove it",
        ),
        (
            "training/earlyStop",
            json!({"targetAccuracy": 91}),
            "training.earlyStop.targetAccuracy: 91 is out of range; 0 to 1 will do",
        ),
        (
            "training/earlyStop",
            json!({"patience": 0}),
            "training.earlyStop.patience: 0 is out of range; 1 to 1000000 will do",
        ),
        (
            "training/earlyStop",
            json!({"patience": 1, "minDelta": -0.5}),
            "training.earlyStop.minDelta: -0.5 is out of range; 0 to 1 will do",
        ),
        (
            "model/initFrom",
            json!({}),
            "model.initFrom.path: is missing; write a text",
        ),
        (
            "model/initFrom",
            json!({"path": ""}),
            "model.initFrom.path: the text is empty; write a text",
        ),
        (
            "model/initFrom",
            json!({"path": "x", "sha256": "ABC"}),
            "model.initFrom.sha256: `ABC` is not a SHA-256; write the 64 digits (0–9, a–f) that sha256sum prints",
        ),
        (
            "output/directory",
            json!(""),
            "output.directory: the text is empty; write a text",
        ),
        (
            "output/peerModels",
            json!("yes"),
            "output.peerModels: `yes` is not true or false; write true or false",
        ),
    ]
}
