//! What the operator says about an experiment: it fits the schema, and says what it should.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use fltorrent_crds::{
    Experiment, definition,
    status::{
        ConditionType, Exchanged, ExperimentStatus, PeerCounts, Phase, ReplacedPeer, ReplacedState, RoundCounts, figure,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::cel::Validator;
use serde_json::{Value, json};

fn at(text: &str) -> Time {
    serde_json::from_value(json!(text)).unwrap()
}

fn full() -> ExperimentStatus {
    let mut status = ExperimentStatus {
        observed_generation: Some(2),
        phase: Some(Phase::Complete),
        reason: Some("R".repeat(64)),
        peers: Some(PeerCounts::new(8, 1, 7, 0)),
        round: Some(RoundCounts::new(10, 10)),
        accuracy: Some(figure(0.931_24)),
        loss: Some(figure(f64::NAN)),
        exchanged: Some(Exchanged::new(u64::MAX)),
        model: Some("a".repeat(64)),
        start_time: Some(at("2026-01-02T03:04:05Z")),
        end_time: Some(at("2026-01-02T03:05:05Z")),
        duration_seconds: Some(60),
        attempt: 2,
        replaced: vec![ReplacedPeer {
            peer: 9_999,
            incarnation: u32::MAX,
            state: ReplacedState::Lost,
            used: 100,
            row: u32::MAX,
            round: 1_000_000,
            since: Some(at("2026-01-02T03:04:05Z")),
            reason: ExperimentStatus::word(&"R".repeat(65)),
        }],
        restarts: 1,
        ..ExperimentStatus::default()
    };
    status.set_error(&"ü".repeat(5_000));
    for kind in ConditionType::ALL {
        let message = "long ".repeat(5_000);
        status.set(kind, true, "Tried", &message, &at("2026-01-02T03:04:05Z"));
    }
    status
}

/// The members of a value are those of the schema, and within its bounds.
fn fits(schema: &Value, value: &Value, path: &str) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let schema = &schema["properties"][name];
                assert!(schema.is_object(), "{path}.{name} is not in the schema");
                fits(schema, member, &format!("{path}.{name}"));
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(members.contains_key(name.as_str().unwrap()), "{path} has no {name}");
            }
        }
        Value::Array(items) => {
            assert!(items.len() as u64 <= schema["maxItems"].as_u64().unwrap(), "{path}");
            for item in items {
                fits(&schema["items"], item, &format!("{path}[]"));
            }
        }
        Value::String(text) => {
            assert_eq!(schema["type"], "string", "{path}");
            let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
            assert!(text.chars().count() as u64 <= most, "{path}: {text}");
            if let Some(allowed) = schema["enum"].as_array() {
                assert!(allowed.contains(value), "{path}: {text}");
            }
        }
        Value::Number(number) => {
            assert_eq!(schema["type"], "integer", "{path}");
            let most = schema["maximum"].as_f64().unwrap();
            assert!(number.as_f64().unwrap() <= most, "{path}: {number}");
        }
        other => panic!("{path}: {other}"),
    }
}

#[test]
fn the_fullest_status_fits_the_schema() {
    let crd = serde_json::to_value(definition::definition()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for status in [ExperimentStatus::default(), full()] {
        let value = serde_json::to_value(&status).unwrap();
        fits(&schema["properties"]["status"], &value, "status");
        let mut document = support::manifest();
        document["status"] = value;
        assert!(Validator::new().validate(schema, &document, None).is_ok());
        let read: Experiment = serde_json::from_value(document).unwrap();
        assert_eq!(read.status, Some(status));
    }
}

#[test]
fn counts_and_figures_are_ready_to_read() {
    assert_eq!(PeerCounts::new(8, 5, 2, 1).text, "7/8");
    assert_eq!(PeerCounts::new(8, 8, 8, 0).text, "8/8");
    assert_eq!(RoundCounts::new(4, 10).text, "4/10");
    assert_eq!(figure(0.5), "0.5000");
    assert_eq!(figure(f64::INFINITY), "inf");
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1 << 20, "1.00 MiB"),
        (1_331_439_862, "1.24 GiB"),
        (1 << 40, "1.00 TiB"),
    ] {
        assert_eq!(Exchanged::new(bytes).text, text);
    }
}

#[test]
fn a_condition_keeps_its_time_until_it_turns() {
    let [first, later, last] = ["01", "02", "03"].map(|day| at(&format!("2026-01-{day}T00:00:00Z")));
    let mut status = ExperimentStatus {
        observed_generation: Some(1),
        ..ExperimentStatus::default()
    };
    status.set(ConditionType::Training, false, "Waiting", "5 of 8", &first);
    status.set(ConditionType::Accepted, true, "Planned", "8 peers", &first);
    assert!(status.is(ConditionType::Accepted));
    assert!(!status.is(ConditionType::Training));
    assert!(!status.is(ConditionType::Failed));
    status.observed_generation = Some(2);
    status.set(ConditionType::Training, false, "Waiting", "7 of 8", &later);
    let condition = status.condition(ConditionType::Training).unwrap();
    assert_eq!(condition.last_transition_time, first);
    assert_eq!(condition.message, "7 of 8");
    assert_eq!(condition.observed_generation, Some(2));
    status.set(ConditionType::Training, true, "Ready", "all", &last);
    let condition = status.condition(ConditionType::Training).unwrap();
    assert_eq!(condition.last_transition_time, last);
    // One of each type, always in the same order.
    let types: Vec<&str> = status.conditions.iter().map(|one| one.type_.as_str()).collect();
    assert_eq!(types, ["Accepted", "Training"]);
}

#[test]
fn only_ends_are_ends() {
    let ends = [
        Phase::Pending,
        Phase::Starting,
        Phase::Training,
        Phase::Paused,
        Phase::Suspended,
        Phase::Complete,
        Phase::Failed,
    ]
    .map(Phase::is_end);
    assert_eq!(ends, [false, false, false, false, false, true, true]);
}
