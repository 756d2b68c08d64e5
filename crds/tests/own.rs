//! Networks and data sets that a program brings itself: what its catalogue says reaches the plan, or is refused.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/catalogue.rs"]
mod catalogue;
#[path = "support/document.rs"]
mod support;

use fltorrent_crds::{
    Plan,
    catalogue::{BuiltIn, Catalogue, Form},
    data::{CustomPlan, DataSource, SampleKind},
    model::{self, Architecture, MAX_PARAMETERS},
    plan::{Start, TensorPlan},
};
use serde_json::{Value, json};

use catalogue::Own;
use support::{manifest, put};

fn model(custom: Value) -> Value {
    let mut document = manifest();
    put(&mut document, "model", json!({"type": "custom", "custom": custom}));
    document
}

fn data(custom: Value) -> Value {
    let mut document = manifest();
    put(&mut document, "data", json!({"type": "custom", "custom": custom}));
    document
}

fn errors(document: &Value, catalogue: &dyn Catalogue) -> Vec<String> {
    match Plan::load_with(&document.to_string(), &[], catalogue) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_the_catalogue_says_is_in_the_plan() {
    let mut document = data(json!({"name": "grid", "settings": {"side": 5}}));
    put(
        &mut document,
        "model",
        json!({"type": "custom", "custom": {"name": "narrow", "settings": {"width": 2}}}),
    );
    let (_, plan) = Plan::load_with(&document.to_string(), &[], &Own::default()).unwrap();
    assert_eq!((plan.data.input_shape, plan.data.classes), (vec![5, 5], 4));
    assert!(matches!(plan.data.source, DataSource::Custom(CustomPlan { name, .. }) if name == "grid"));
    assert_eq!(
        plan.model.tensors,
        [TensorPlan::new("in", [2, 25]), TensorPlan::new("out", [4, 2])]
    );
    assert_eq!((plan.model.parameters, plan.model.bytes), (58, 232));
    let Architecture::Custom(model::CustomPlan {
        name,
        settings,
        input,
        classes,
        targets,
    }) = plan.model.architecture
    else {
        panic!("{:?}", plan.model.architecture)
    };
    assert_eq!((name.as_str(), classes, targets), ("narrow", 4, 1));
    assert_eq!((json!(settings), input), (json!({"width": 2}), vec![5, 5]));
}

#[test]
fn a_network_may_learn_a_text() {
    let mut document = model(json!({"name": "narrow"}));
    put(
        &mut document,
        "data",
        json!({"type": "text", "text": {"path": "x", "context": 12}}),
    );
    let (_, plan) = Plan::load_with(&document.to_string(), &[], &Own::default()).unwrap();
    assert_eq!(plan.data.source.sample_kind(), SampleKind::Text);
    assert_eq!(plan.model.architecture.targets(), 12);
    assert_eq!(plan.model.architecture.classes(), 256);
    assert_eq!(plan.model.architecture.input_len(), 12);
}

#[test]
fn names_that_the_program_does_not_have_are_refused() {
    let network = model(json!({"name": "tall"}));
    assert_eq!(
        errors(&network, &Own::default()),
        ["model.custom.name: this program has no network `tall`; it has given, narrow, wide; see docs/own-model.md"]
    );
    assert_eq!(
        errors(&network, &BuiltIn),
        [
            "model.custom.name: this program has no network `tall`; it has none of its own; docs/own-model.md says how to make a program that has"
        ]
    );
    assert_eq!(
        errors(&data(json!({"name": "wide"})), &Own::default()),
        ["data.custom.name: this program has no data set `wide`; it has formed, grid; see docs/own-model.md"]
    );
}

#[test]
fn what_the_program_refuses_has_its_path() {
    for (settings, expected) in [
        (
            json!({"width": 12}),
            "model.custom.settings.width: 12 is no width; 1 to 9",
        ),
        (json!({"bad": 1}), "model.custom.settings: are bad; write others"),
    ] {
        let document = model(json!({"name": "wide", "settings": settings}));
        assert_eq!(errors(&document, &Own::default()), [expected]);
    }
}

#[test]
fn settings_are_bounded() {
    let nested = |depth| {
        let list = (1..depth).fold(json!(1), |inner, _| json!([inner]));
        errors(
            &model(json!({"name": "wide", "settings": {"list": list}})),
            &Own::default(),
        )
    };
    assert_eq!(nested(16), [""; 0]);
    assert_eq!(
        nested(17),
        ["model.custom.settings: maps and lists are nested more than 16 deep; write it flatter"]
    );
    let long = |bytes: usize| {
        let text = "x".repeat(bytes - r#"{"x":""}"#.len());
        errors(&data(json!({"name": "grid", "settings": {"x": text}})), &Own::default())
    };
    assert_eq!(long(65_536), [""; 0]);
    assert_eq!(
        long(65_537),
        ["data.custom.settings: has 65537 bytes as JSON; at most 65536 will do; keep large values in a file"]
    );
}

#[test]
fn wrong_fields_around_the_settings_are_errors() {
    for (custom, expected) in [
        (json!({}), "model.custom.name: is missing"),
        (json!({"name": "Wide"}), "model.custom.name: `Wide` is not a name"),
        (json!({"name": "a".repeat(64)}), "model.custom.name: "),
        (
            json!({"name": "wide", "settings": []}),
            "model.custom.settings: a list is not a map",
        ),
        (
            json!({"name": "wide", "width": 3}),
            "model.custom.width: unknown field; the fields here are name, settings",
        ),
    ] {
        let found = errors(&model(custom), &Own::default());
        assert!(
            found.len() == 1 && found[0].starts_with(expected),
            "{found:#?} {expected}"
        );
    }
    let mut document = manifest();
    put(&mut document, "model", json!({"type": "custom"}));
    assert!(errors(&document, &Own::default())[0].starts_with("model.custom: is missing"));
    put(
        &mut document,
        "model",
        json!({"type": "lenet", "custom": {"name": "wide"}}),
    );
    assert!(errors(&document, &Own::default())[0].starts_with("model.custom: is there, but"));
}

#[test]
fn tensors_that_are_none_are_refused() {
    let named = |name: &str| TensorPlan::new(name, [1, 1]);
    let shaped = |shape: &[u64]| TensorPlan::new("a", shape);
    for (given, expected) in [
        (vec![], "0 tensors; 1 to 65536 will do"),
        (vec![named("")], "a tensor of the name ``; 1 to 256 bytes"),
        (vec![named("__metadata__")], "a tensor of the name `__metadata__`; "),
        (vec![named(&"a".repeat(257))], "a tensor of the name `aaa"),
        (
            vec![named("a"), named("a")],
            "two tensors of the name `a`; give each a name of its own",
        ),
        (
            vec![shaped(&[])],
            "a tensor `a` of the shape []; 1 to 8 extents of at least 1 will do",
        ),
        (vec![shaped(&[3, 0])], "a tensor `a` of the shape [3, 0]; "),
        (vec![shaped(&[1; 9])], "a tensor `a` of the shape [1, 1"),
        (
            vec![shaped(&[u64::MAX, 2])],
            "a tensor `a` of the shape [18446744073709551615, 2]; ",
        ),
        (
            vec![shaped(&[u64::MAX]), named("b")],
            "a tensor `b` of the shape [1, 1]; ",
        ),
        (
            vec![shaped(&[MAX_PARAMETERS]), named("b")],
            "1073741825 parameters; at most 1073741824 will do",
        ),
    ] {
        let catalogue = Own {
            given,
            ..Own::default()
        };
        let found = errors(&model(json!({"name": "given"})), &catalogue);
        let whole = format!("model.custom: the network `given` has {expected}");
        assert!(found.len() == 1 && found[0].starts_with(&whole), "{found:#?} {whole}");
    }
    let catalogue = Own {
        given: vec![shaped(&[2, 3]).starting(Start::Ones), named("b")],
        ..Own::default()
    };
    assert_eq!(errors(&model(json!({"name": "given"})), &catalogue), [""; 0]);
}

#[test]
fn data_of_no_usable_form_is_refused() {
    for (input_shape, classes, expected) in [
        (vec![], 2, "inputs of the shape []; one to three extents"),
        (vec![1; 4], 2, "inputs of the shape [1, 1, 1, 1]; "),
        (vec![3, 0], 2, "inputs of the shape [3, 0]; "),
        (vec![1 << 24, 2], 2, "inputs of the shape [16777216, 2]; "),
        (vec![u32::MAX; 3], 2, "inputs of the shape [4294967295, "),
        (vec![4], 1, "1 classes; 2 to 256 will do"),
        (vec![4], 257, "257 classes; 2 to 256 will do"),
    ] {
        let catalogue = Own {
            formed: Some(Form { input_shape, classes }),
            ..Own::default()
        };
        let found = errors(&data(json!({"name": "formed"})), &catalogue);
        let whole = format!("data.custom: the data set `formed` has {expected}");
        assert!(found.len() == 1 && found[0].starts_with(&whole), "{found:#?} {whole}");
    }
}
