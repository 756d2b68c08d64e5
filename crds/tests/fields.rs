//! No field is ignored: when it changes, the plan changes.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(clippy::too_many_lines, reason = "tables of cases")]

#[path = "support/catalogue.rs"]
mod catalogue;
#[path = "support/leaves.rs"]
mod leaves;
#[path = "support/pods.rs"]
mod pods;
#[path = "support/document.rs"]
mod support;

use std::collections::BTreeSet;

use fltorrent_crds::{
    Plan,
    aggregation::Aggregation,
    data::DIGITS_TRAIN,
    definition,
    experiment::GroupKubernetes,
    family::{Family, Sketch},
    manifest::parse as read,
    partition::Partition,
    schedule::Schedule,
    topology::Topology,
};
use serde_json::{Value, json};

use catalogue::Own;
use leaves::{leaves, written};
use support::{manifest, put};

fn plan(document: &Value) -> Plan {
    let loaded = Plan::load_with(&document.to_string(), &[], &Own::default());
    loaded.unwrap_or_else(|errors| panic!("{errors}\n{document}")).1
}

/// Whether a field's change shows in what peers compare, or only in what a machine does with the results.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    Changes,
    Stays,
}

/// Field, where to put a value, the section that it needs, the value before, and the value after.
type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    Value,
    Value,
    Hash,
);

const CSV: &[(&str, &str)] = &[(
    "data",
    r#"{"type": "csv", "csv": {"train": "a", "test": "b", "labelColumn": 0, "classes": 3, "inputShape": [16]}}"#,
)];

fn cases() -> Vec<Case> {
    use Hash::{Changes, Stays};
    const CUSTOM: &[(&str, &str)] = &[("topology", r#"{"type": "custom", "custom": {"edges": []}}"#)];
    const TORUS: &[(&str, &str)] = &[("topology", r#"{"type": "torus"}"#)];
    const IDX: &[(&str, &str)] = &[("data", r#"{"type": "idx", "idx": {"path": "x"}}"#)];
    const SAFETENSORS: &[(&str, &str)] = &[(
        "data",
        r#"{"type": "safetensors", "safetensors": {"path": "x", "classes": 3, "inputShape": [16]}}"#,
    )];
    const TEXT: &[(&str, &str)] = &[
        ("data", r#"{"type": "text", "text": {"path": "x"}}"#),
        ("model", r#"{"type": "transformer"}"#),
    ];
    const NETWORK: &[(&str, &str)] = &[("model", r#"{"type": "custom", "custom": {"name": "wide"}}"#)];
    const DATA_SET: &[(&str, &str)] = &[("data", r#"{"type": "custom", "custom": {"name": "grid"}}"#)];
    const HASHES: [&str; 2] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000001",
    ];
    let idx_hashes = |name: &str| {
        let mut hashes = json!({"path": "x", "sha256": {"trainImages": HASHES[0], "trainLabels": HASHES[0],
            "testImages": HASHES[0], "testLabels": HASHES[0]}});
        hashes["sha256"][name] = json!(HASHES[1]);
        hashes
    };
    const LINK: &[(&str, &str)] = &[(
        "network/default",
        r#"{"up": "10Mbit", "down": "10Mbit", "delay": "10ms"}"#,
    )];
    const EVENT: &[(&str, &str)] = &[("churn", r#"[{"event": "crash", "peers": [1], "round": 2}]"#)];
    const PAUSE: &[(&str, &str)] = &[("churn", r#"[{"event": "pause", "peers": [1], "round": 2}]"#)];
    const TIMED: &[(&str, &str)] = &[("churn", r#"[{"event": "crash", "peers": [1]}]"#)];
    const DRAWN: &[(&str, &str)] = &[("churn", r#"[{"event": "crash"}]"#)];
    const EXPLICIT: &[(&str, &str)] = &[
        ("data/partition", r#"{"type": "explicit", "explicit": {"shards": []}}"#),
        ("groups", r#"[{"name": "a", "count": 1}]"#),
    ];
    let path = |ends: &[[u32; 2]]| json!(ends);
    vec![
        ("seed", "seed", &[], json!(1), json!(2), Changes),
        ("groups[].name", "groups/0/name", &[], json!("x"), json!("y"), Changes),
        ("groups[].count", "groups/0/count", &[], json!(3), json!(4), Changes),
        (
            "network.default.up",
            "network/default/up",
            LINK,
            json!("10Mbit"),
            json!("11Mbit"),
            Changes,
        ),
        (
            "network.default.down",
            "network/default/down",
            LINK,
            json!("10Mbit"),
            json!("11Mbit"),
            Changes,
        ),
        (
            "network.default.delay",
            "network/default/delay",
            LINK,
            json!("10ms"),
            json!("11ms"),
            Changes,
        ),
        (
            "network.default.jitter",
            "network/default/jitter",
            LINK,
            json!("1ms"),
            json!("2ms"),
            Changes,
        ),
        (
            "network.default.loss",
            "network/default/loss",
            LINK,
            json!("1%"),
            json!("2%"),
            Changes,
        ),
        (
            "network.default.queue",
            "network/default/queue",
            LINK,
            json!("50ms"),
            json!("64Ki"),
            Changes,
        ),
        (
            "groups[].network.up",
            "groups/0/network/up",
            LINK,
            json!("10Mbit"),
            json!("11Mbit"),
            Changes,
        ),
        (
            "groups[].network.down",
            "groups/0/network/down",
            LINK,
            json!("10Mbit"),
            json!("11Mbit"),
            Changes,
        ),
        (
            "groups[].network.delay",
            "groups/0/network/delay",
            LINK,
            json!("10ms"),
            json!("11ms"),
            Changes,
        ),
        (
            "groups[].network.jitter",
            "groups/0/network/jitter",
            LINK,
            json!("1ms"),
            json!("2ms"),
            Changes,
        ),
        (
            "groups[].network.loss",
            "groups/0/network/loss",
            LINK,
            json!("1%"),
            json!("2%"),
            Changes,
        ),
        (
            "groups[].network.queue",
            "groups/0/network/queue",
            LINK,
            json!("50ms"),
            json!("64Ki"),
            Changes,
        ),
        (
            "groups[].computeSlowdown",
            "groups/0/computeSlowdown",
            &[],
            json!(1),
            json!(2.5),
            Changes,
        ),
        (
            "transport.congestionControl",
            "transport/congestionControl",
            &[],
            json!("auto"),
            json!("cubic"),
            Changes,
        ),
        (
            "topology.type",
            "topology/type",
            &[],
            json!("ring"),
            json!("mesh"),
            Changes,
        ),
        (
            "topology.repair",
            "topology/repair",
            &[],
            json!("none"),
            json!("ring"),
            Changes,
        ),
        (
            "topology.repair",
            "topology/repair",
            &[],
            json!("ring"),
            json!("reconnect"),
            Changes,
        ),
        (
            "topology.torus.rows",
            "topology/torus/rows",
            TORUS,
            json!(2),
            json!(1),
            Changes,
        ),
        (
            "topology.torus.cols",
            "topology/torus/cols",
            TORUS,
            json!(4),
            json!(2),
            Changes,
        ),
        (
            "topology.custom.edges",
            "topology/custom/edges",
            CUSTOM,
            path(&[[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7]]),
            path(&[[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [5, 7]]),
            Changes,
        ),
        (
            "model.type",
            "model",
            &[],
            json!({"type": "mlp", "mlp": {"hidden": [512]}}),
            json!({"type": "cnn"}),
            Changes,
        ),
        (
            "model.resnet18.groups",
            "model/resnet18/groups",
            &[("model", r#"{"type": "resnet18"}"#)],
            json!(32),
            json!(16),
            Changes,
        ),
        (
            "model.mlp.hidden",
            "model/mlp/hidden",
            &[],
            json!([8]),
            json!([8, 8]),
            Changes,
        ),
        (
            "model.initFrom.path",
            "model/initFrom/path",
            &[],
            json!("x"),
            json!("y"),
            Stays,
        ),
        (
            "model.initFrom.sha256",
            "model/initFrom",
            &[],
            json!({"path": "x", "sha256": "0".repeat(64)}),
            json!({"path": "x", "sha256": "1".repeat(64)}),
            Changes,
        ),
        (
            "data.type",
            "data",
            &[],
            json!({"type": "digits"}),
            json!({"type": "idx", "idx": {"path": "x"}}),
            Changes,
        ),
        ("data.idx.path", "data/idx/path", IDX, json!("x"), json!("y"), Stays),
        (
            "data.idx.inputShape",
            "data/idx/inputShape",
            IDX,
            json!([2, 8]),
            json!([4, 4]),
            Changes,
        ),
        (
            "data.idx.classes",
            "data/idx/classes",
            IDX,
            json!(10),
            json!(11),
            Changes,
        ),
        (
            "data.idx.sha256.trainImages",
            "data/idx",
            IDX,
            idx_hashes("trainImages"),
            idx_hashes("trainLabels"),
            Changes,
        ),
        (
            "data.idx.sha256.trainLabels",
            "data/idx",
            IDX,
            idx_hashes("trainLabels"),
            idx_hashes("testImages"),
            Changes,
        ),
        (
            "data.idx.sha256.testImages",
            "data/idx",
            IDX,
            idx_hashes("testImages"),
            idx_hashes("testLabels"),
            Changes,
        ),
        (
            "data.idx.sha256.testLabels",
            "data/idx",
            IDX,
            idx_hashes("testLabels"),
            idx_hashes("trainImages"),
            Changes,
        ),
        ("data.csv.train", "data/csv/train", CSV, json!("x"), json!("y"), Stays),
        ("data.csv.test", "data/csv/test", CSV, json!("x"), json!("y"), Stays),
        (
            "data.csv.sha256.train",
            "data/csv/sha256/train",
            CSV,
            json!(HASHES[0]),
            json!(HASHES[1]),
            Changes,
        ),
        (
            "data.csv.sha256.test",
            "data/csv/sha256/test",
            CSV,
            json!(HASHES[0]),
            json!(HASHES[1]),
            Changes,
        ),
        (
            "data.csv.labelColumn",
            "data/csv/labelColumn",
            CSV,
            json!("x"),
            json!("y"),
            Changes,
        ),
        ("data.csv.classes", "data/csv/classes", CSV, json!(3), json!(4), Changes),
        (
            "data.csv.inputShape",
            "data/csv/inputShape",
            CSV,
            json!([16]),
            json!([4, 4]),
            Changes,
        ),
        (
            "data.csv.header",
            "data/csv/header",
            CSV,
            json!(true),
            json!(false),
            Changes,
        ),
        (
            "data.csv.divisor",
            "data/csv/divisor",
            CSV,
            json!(1),
            json!(255),
            Changes,
        ),
        (
            "data.csv.normalise",
            "data/csv/normalise",
            CSV,
            json!(false),
            json!(true),
            Changes,
        ),
        (
            "data.safetensors.path",
            "data/safetensors/path",
            SAFETENSORS,
            json!("x"),
            json!("y"),
            Stays,
        ),
        (
            "data.safetensors.sha256.train",
            "data/safetensors/sha256/train",
            SAFETENSORS,
            json!(HASHES[0]),
            json!(HASHES[1]),
            Changes,
        ),
        (
            "data.safetensors.sha256.test",
            "data/safetensors/sha256/test",
            SAFETENSORS,
            json!(HASHES[0]),
            json!(HASHES[1]),
            Changes,
        ),
        (
            "data.safetensors.classes",
            "data/safetensors/classes",
            SAFETENSORS,
            json!(3),
            json!(4),
            Changes,
        ),
        (
            "data.safetensors.inputShape",
            "data/safetensors/inputShape",
            SAFETENSORS,
            json!([16]),
            json!([1, 4, 4]),
            Changes,
        ),
        ("data.text.path", "data/text/path", TEXT, json!("x"), json!("y"), Stays),
        (
            "data.text.sha256",
            "data/text/sha256",
            TEXT,
            json!(HASHES[0]),
            json!(HASHES[1]),
            Changes,
        ),
        (
            "data.text.context",
            "data/text/context",
            TEXT,
            json!(16),
            json!(32),
            Changes,
        ),
        (
            "data.text.testFraction",
            "data/text/testFraction",
            TEXT,
            json!(0.1),
            json!(0.2),
            Changes,
        ),
        (
            "model.transformer.heads",
            "model/transformer/heads",
            TEXT,
            json!(1),
            json!(2),
            Changes,
        ),
        (
            "model.transformer.layers",
            "model/transformer/layers",
            TEXT,
            json!(1),
            json!(2),
            Changes,
        ),
        (
            "model.transformer.width",
            "model/transformer/width",
            TEXT,
            json!(64),
            json!(128),
            Changes,
        ),
        (
            "data.partition.type",
            "data/partition",
            &[],
            json!({"type": "iid"}),
            json!({"type": "dirichlet", "dirichlet": {"alpha": 1}}),
            Changes,
        ),
        (
            "data.partition.explicit.shards",
            "data/partition/explicit/shards",
            EXPLICIT,
            json!([[[0, 100]]]),
            json!([[[0, 101]]]),
            Changes,
        ),
        ("training.rounds", "training/rounds", &[], json!(1), json!(2), Changes),
        ("training.epochs", "training/epochs", &[], json!(1), json!(2), Changes),
        (
            "training.batchSize",
            "training/batchSize",
            &[],
            json!(1),
            json!(2),
            Changes,
        ),
        (
            "training.learningRate",
            "training/learningRate",
            &[],
            json!(0.1),
            json!(0.2),
            Changes,
        ),
        (
            "training.momentum",
            "training/momentum",
            &[],
            json!(0.0),
            json!(0.9),
            Changes,
        ),
        (
            "training.weightDecay",
            "training/weightDecay",
            &[],
            json!(0.0),
            json!(0.0005),
            Changes,
        ),
        (
            "training.clipNorm",
            "training/clipNorm",
            &[],
            json!(1),
            json!(2),
            Changes,
        ),
        (
            "training.schedule.type",
            "training/schedule/type",
            &[],
            json!("constant"),
            json!("cosine"),
            Changes,
        ),
        (
            "training.schedule.warmupRounds",
            "training/schedule/warmupRounds",
            &[],
            json!(0),
            json!(1),
            Changes,
        ),
        (
            "aggregation.type",
            "aggregation",
            &[],
            json!({"type": "fedavg"}),
            json!({"type": "fedprox", "fedprox": {"mu": 0.1}}),
            Changes,
        ),
        (
            "training.earlyStop.targetAccuracy",
            "training/earlyStop/targetAccuracy",
            &[],
            json!(0.5),
            json!(0.6),
            Changes,
        ),
        (
            "training.earlyStop.patience",
            "training/earlyStop/patience",
            &[],
            json!(1),
            json!(2),
            Changes,
        ),
        (
            "training.earlyStop.minDelta",
            "training/earlyStop",
            &[],
            json!({"patience": 3}),
            json!({"patience": 3, "minDelta": 0.01}),
            Changes,
        ),
        (
            "training.backend",
            "training/backend",
            &[],
            json!("flex"),
            json!("cuda"),
            Changes,
        ),
        ("training.threads", "training/threads", &[], json!(1), json!(2), Changes),
        (
            "exchange.uploadSlots",
            "exchange/uploadSlots",
            &[],
            json!(1),
            json!(2),
            Changes,
        ),
        (
            "exchange.unchokeInterval",
            "exchange/unchokeInterval",
            &[],
            json!("1s"),
            json!("2s"),
            Changes,
        ),
        (
            "exchange.optimisticUnchokeInterval",
            "exchange/optimisticUnchokeInterval",
            &[],
            json!("30s"),
            json!("31s"),
            Changes,
        ),
        (
            "exchange.chokePolicy",
            "exchange/chokePolicy",
            &[],
            json!("titForTat"),
            json!("roundRobin"),
            Changes,
        ),
        (
            "exchange.chunkSelection",
            "exchange/chunkSelection",
            &[],
            json!("random"),
            json!("sequential"),
            Changes,
        ),
        (
            "model.custom.name",
            "model/custom/name",
            NETWORK,
            json!("wide"),
            json!("narrow"),
            Changes,
        ),
        (
            "model.custom.settings",
            "model/custom/settings",
            NETWORK,
            json!({"unread": [1, 2]}),
            json!({"unread": [1, 3]}),
            Changes,
        ),
        (
            "data.custom.name",
            "data/custom/name",
            DATA_SET,
            json!("grid"),
            json!("formed"),
            Changes,
        ),
        (
            "data.custom.settings",
            "data/custom/settings",
            DATA_SET,
            json!({}),
            json!({"unread": null}),
            Changes,
        ),
        (
            "exchange.numChunks",
            "exchange/numChunks",
            &[],
            json!(3),
            json!(4),
            Changes,
        ),
        (
            "exchange.memoryBudget",
            "exchange/memoryBudget",
            &[],
            json!("1Mi"),
            json!(7),
            Changes,
        ),
        (
            "exchange.round.quorum",
            "exchange/round/quorum",
            &[],
            json!(1),
            json!(0.8),
            Changes,
        ),
        (
            "exchange.round.patience",
            "exchange/round/patience",
            &[],
            json!("3s"),
            json!("4s"),
            Changes,
        ),
        (
            "exchange.round.deadline",
            "exchange/round/deadline",
            &[],
            json!("auto"),
            json!("none"),
            Changes,
        ),
        (
            "liveness.heartbeatInterval",
            "liveness/heartbeatInterval",
            &[],
            json!("30s"),
            json!("auto"),
            Changes,
        ),
        (
            "liveness.heartbeatTimeout",
            "liveness/heartbeatTimeout",
            &[],
            json!("90s"),
            json!("91s"),
            Changes,
        ),
        (
            "liveness.minPeers",
            "liveness/minPeers",
            &[],
            json!(5),
            json!(6),
            Changes,
        ),
        (
            "liveness.pauseLimit",
            "liveness/pauseLimit",
            &[],
            json!("10m"),
            json!("11m"),
            Changes,
        ),
        (
            "liveness.progressLease",
            "liveness/progressLease",
            &[],
            json!("auto"),
            json!("1m"),
            Changes,
        ),
        (
            "liveness.sendMaxRetries",
            "liveness/sendMaxRetries",
            &[],
            json!(3),
            json!(4),
            Changes,
        ),
        (
            "liveness.sendRetryBaseDelay",
            "liveness/sendRetryBaseDelay",
            &[],
            json!("auto"),
            json!("1s"),
            Changes,
        ),
        (
            "liveness.sendRetryMaxDelay",
            "liveness/sendRetryMaxDelay",
            &[],
            json!("auto"),
            json!("30s"),
            Changes,
        ),
        (
            "liveness.sendRetryJitter",
            "liveness/sendRetryJitter",
            &[],
            json!("auto"),
            json!("1s"),
            Changes,
        ),
        (
            "failurePolicy.onPeerLoss",
            "failurePolicy/onPeerLoss",
            &[],
            json!("continue"),
            json!("fail"),
            Changes,
        ),
        (
            "churn[].event",
            "churn/0/event",
            EVENT,
            json!("crash"),
            json!("leave"),
            Changes,
        ),
        (
            "churn[].peers",
            "churn/0/peers",
            EVENT,
            json!([1]),
            json!([1, 2]),
            Changes,
        ),
        ("churn[].round", "churn/0/round", EVENT, json!(2), json!(3), Changes),
        ("churn[].for", "churn/0/for", PAUSE, json!("2s"), json!("3s"), Changes),
        (
            "churn[].after",
            "churn/0/after",
            TIMED,
            json!("2s"),
            json!("3s"),
            Changes,
        ),
        ("churn[].rate", "churn/0/rate", DRAWN, json!(0.5), json!(0.6), Changes),
        ("transport.mtu", "transport/mtu", &[], json!(1200), json!(9000), Changes),
        (
            "checkpoint.type",
            "checkpoint/type",
            &[],
            json!("none"),
            json!("periodic"),
            Changes,
        ),
        (
            "checkpoint.periodic.everyRounds",
            "checkpoint",
            &[],
            json!({"type": "periodic"}),
            json!({"type": "periodic", "periodic": {"everyRounds": 2}}),
            Changes,
        ),
        ("restarts", "restarts", &[], json!(0), json!(3), Stays),
        (
            "output.directory",
            "output/directory",
            &[],
            json!("a"),
            json!("b"),
            Stays,
        ),
        (
            "output.peerModels",
            "output/peerModels",
            &[],
            json!(false),
            json!(true),
            Stays,
        ),
    ]
}

#[test]
fn a_changed_field_changes_the_plan() {
    for (field, place, needs, before, after, hash) in cases() {
        let mut document = manifest();
        for (place, value) in needs {
            put(&mut document, place, serde_json::from_str(value).unwrap());
        }
        put(&mut document, place, before);
        let first = plan(&document);
        put(&mut document, place, after);
        let second = plan(&document);
        let without_warnings = |plan: &Plan| Plan {
            warnings: Vec::new(),
            ..plan.clone()
        };
        assert_ne!(
            without_warnings(&first),
            without_warnings(&second),
            "{field} is ignored"
        );
        assert_eq!(
            first.hash() != second.hash(),
            hash == Hash::Changes,
            "{field} and the hash"
        );
    }
}

/// What `manifest` has.
const SKETCH: Sketch = Sketch {
    peers: 8,
    samples: Some(DIGITS_TRAIN),
    is_table: false,
};

/// What it has with the data of `CSV`.
const TABLE: Sketch = Sketch {
    samples: None,
    is_table: true,
    ..SKETCH
};

/// Numbers beside one, some of which fit where it does, and another text.
fn beside(value: &Value) -> Vec<Value> {
    if let Some(text) = value.as_str() {
        return vec![json!(format!("{text}2"))];
    }
    match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => [1, -1, 2, -2, whole].map(|step| json!(whole + step)).to_vec(),
        (None, Some(number)) => [number / 2.0, number * 2.0, number + 0.25]
            .map(|other| json!(other))
            .to_vec(),
        (None, None) => Vec::new(),
    }
}

/// Changes each number and text among the settings of each variant that has an example, and gives the paths of those fields.
fn change_settings<F: Family>(place: &str, sketch: &Sketch) -> BTreeSet<String> {
    let load = |choice: &Value| {
        let mut document = manifest();
        for (place, value) in CSV.iter().filter(|_| sketch.is_table) {
            put(&mut document, place, serde_json::from_str(value).unwrap());
        }
        put(&mut document, place, choice.clone());
        Plan::load(&document.to_string(), &[]).ok()
    };
    let mut fields = BTreeSet::new();
    for example in F::examples(sketch) {
        let (name, settings) = (example.name(), example.settings().unwrap());
        let choice = match settings {
            Value::Null => json!({"type": name}),
            settings => json!({"type": name, name: settings}),
        };
        let Some(first) = load(&choice) else { continue };
        for (setting, value) in choice[name].as_object().into_iter().flatten() {
            let with = |value| {
                let mut choice = choice.clone();
                choice[name][setting] = value;
                load(&choice)
            };
            let field = format!("{}.{name}.{setting}", place.replace('/', "."));
            let mut plans = beside(value).into_iter().filter_map(with).peekable();
            if plans.peek().is_some() {
                let differs = |plan: Plan| plan.hash() != first.hash() && plan.resume_hash() != first.resume_hash();
                assert!(plans.any(differs), "{field} is ignored");
                fields.insert(field);
            }
        }
    }
    fields
}

fn changed_settings() -> BTreeSet<String> {
    let mut fields = change_settings::<Topology>("topology", &SKETCH);
    fields.extend(change_settings::<Partition>("data/partition", &SKETCH));
    fields.extend(change_settings::<Partition>("data/partition", &TABLE));
    fields.extend(change_settings::<Schedule>("training/schedule", &SKETCH));
    fields.extend(change_settings::<Aggregation>("aggregation", &SKETCH));
    fields
}

#[test]
fn the_name_changes_the_plan() {
    let mut document = manifest();
    let first = plan(&document);
    put(&mut document, "^metadata/name", json!("other"));
    assert_ne!(first.hash(), plan(&document).hash());
}

/// Fields that have one value only; another one is refused, which the table of wrong manifests shows.
const ONE_VALUE: [&str; 2] = ["groups[].role", "transport.type"];

#[test]
fn no_field_of_the_schema_is_missing_above() {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = BTreeSet::new();
    leaves(spec, "", &mut fields);
    let mut covered: BTreeSet<String> = cases().iter().map(|case| case.0.to_owned()).collect();
    for field in ONE_VALUE {
        let pointer = field.replace("[]", "/items").replace('.', "/");
        let pointer: String = pointer
            .split('/')
            .map(|step| {
                if step == "items" {
                    "/items".to_owned()
                } else {
                    format!("/properties/{step}")
                }
            })
            .collect();
        let schema = spec.pointer(&pointer).unwrap();
        assert_eq!(
            schema["enum"].as_array().unwrap().len(),
            1,
            "{field} has values to choose from now"
        );
        covered.insert(field.to_owned());
    }
    covered.extend(changed_settings());
    covered.extend(of_life().map(|(field, _)| field.to_owned()));
    for (name, place, value) in pods::pods() {
        let prefix = place.replace("groups/1", "groups[]").replace('/', ".");
        let pointer = prefix.replace("groups[]", "properties/groups/items").replace('.', "/");
        let pointer = match pointer.rsplit_once('/') {
            Some((parent, field)) => format!("/{parent}/properties/{field}"),
            None => format!("/properties/{pointer}"),
        };
        let schema = spec.pointer(&pointer).unwrap();
        let before = covered.len();
        written(schema, &value, &prefix, &mut covered);
        assert!(covered.len() > before, "{name} adds nothing");
    }
    assert_eq!(fields, covered);
}

/// Fields that say when pods are made, with another value than the default; read by operator: `operator/src/life/tests.rs`. Of these
/// `restarts` is for launchers, too, and peers do not need it.
fn of_life() -> [(&'static str, Value); 2] {
    [("restarts", json!(7)), ("suspend", json!(true))]
}

/// Whether all that one value says is in the other.
fn within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, value)| within(value, whole.get(name).unwrap_or(&Value::Null))),
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(a, b)| within(a, b))
        }
        // A list without entries is left out, and an amount is written as a text.
        (Value::Array(part), Value::Null) => part.is_empty(),
        (Value::Number(part), Value::String(whole)) => part.to_string() == *whole,
        _ => part == whole,
    }
}

/// Read by operator: `operator/tests/golden.rs`, which fails when one of them does not reach a pod.
#[test]
fn what_says_how_pods_are_made_is_read_and_is_no_part_of_the_plan() {
    let life = of_life().map(|(field, value)| (field, field, value));
    let without = plan(&manifest());
    for (name, place, value) in pods::pods().into_iter().chain(life) {
        let mut document = manifest();
        put(&mut document, place, value.clone());
        let made = plan(&document);
        assert_eq!(made.hash(), without.hash(), "{name}");
        let restarts = without.restarts;
        assert_eq!(Plan { restarts, ..made }, without, "{name}");
        let experiment = read(&document.to_string()).unwrap();
        let again = serde_json::to_value(&experiment).unwrap();
        let kept = again["spec"].pointer(&format!("/{place}")).unwrap();
        assert!(within(&value, kept), "{name}: {value}\n{kept}");
        let told = experiment.spec.for_peers();
        assert_eq!(
            serde_json::to_value(&told).unwrap(),
            serde_json::to_value(read(&manifest().to_string()).unwrap().spec).unwrap(),
            "{name} is told to peers"
        );
    }
}

#[test]
fn a_group_replaces_whole_fields_of_the_experiment() {
    let mut document = manifest();
    for (_, place, value) in pods::pods()
        .into_iter()
        .filter(|(name, ..)| name.starts_with("placement"))
    {
        put(&mut document, place, value);
    }
    put(&mut document, "kubernetes/resources", json!({"limits": {"cpu": "4"}}));
    let spec = read(&document.to_string()).unwrap().spec;
    let [first, second] = [0, 1].map(|i| spec.kubernetes.of_group(&spec.groups[i].kubernetes));
    let zone = |given: &GroupKubernetes| given.node_selector.as_ref().unwrap()["topology.kubernetes.io/zone"].clone();
    assert_eq!(zone(&first), "zone-a");
    assert_eq!(zone(&second), "zone-b");
    assert_eq!(first.priority_class_name, None);
    assert_eq!(second.priority_class_name.as_deref(), Some("high"));
    // Where the group says nothing, the experiment's holds.
    assert_eq!(first.resources, second.resources);
    let memory = "300Mi".parse().unwrap();
    let resources = first.resources.unwrap().with_defaults(memory);
    assert_eq!(
        serde_json::to_value(resources).unwrap(),
        json!({"requests": {"memory": "300Mi"}, "limits": {"cpu": "4"}}),
        "a limit alone is the request as well"
    );
    let resources = fltorrent_crds::experiment::kubernetes::Resources::default();
    assert_eq!(
        serde_json::to_value(resources.with_defaults(memory)).unwrap(),
        json!({"requests": {"cpu": "100m", "memory": "300Mi"}})
    );
}

/// A run may go on with more rounds exactly where the learning rates of those that it has had stay what they were.
#[test]
fn rounds_are_fixed_where_the_schedule_follows_from_them() {
    for schedule in Schedule::examples(&SKETCH) {
        let mut document = manifest();
        let choice = serde_json::to_value(schedule).unwrap();
        put(&mut document, "training/schedule", choice);
        let [few, many] = [11, 22].map(|rounds| {
            put(&mut document, "training/rounds", json!(rounds));
            plan(&document)
        });
        let rates = |plan: &Plan| [0, 5, 10].map(|round| plan.training.step_size(round));
        assert_eq!(
            few.resume_hash() == many.resume_hash(),
            rates(&few) == rates(&many),
            "{schedule:?}"
        );
    }
}

#[test]
fn a_run_that_goes_on_may_change_its_rounds_checkpoints_and_churn_only() {
    let mut document = manifest();
    let hash = plan(&document).resume_hash();
    put(&mut document, "training/rounds", json!(77));
    put(&mut document, "checkpoint/type", json!("periodic"));
    put(&mut document, "output/directory", json!("elsewhere"));
    assert_eq!(plan(&document).resume_hash(), hash);
    for (field, place, needs, before, after, changes) in cases() {
        let mut document = manifest();
        for (place, value) in needs {
            put(&mut document, place, serde_json::from_str(value).unwrap());
        }
        let hashes = [before, after].map(|value| {
            put(&mut document, place, value);
            plan(&document).resume_hash()
        });
        let may = field == "training.rounds" || field.starts_with("checkpoint.") || field.starts_with("churn[].");
        assert_eq!(
            hashes[0] == hashes[1],
            may || changes == Hash::Stays,
            "{field} and a resumed run"
        );
    }
}
