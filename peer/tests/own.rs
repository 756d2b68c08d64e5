//! Networks and data sets that a program brings itself: they do as well as the project's, and what is wrong with them is
//! an error that names them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::sync::Once;

use fltorrent_crds::{
    Plan,
    data::CustomPlan,
    model::{self, Architecture},
    plan::{ModelPlan, TensorPlan},
};
use fltorrent_peer::{
    chain,
    data::{self, Split},
    extend::{
        self, Catalogue, Extensions, FieldError, Form, Inputs, Labels, OwnData, OwnError, OwnNetwork, Parameters, Task,
        burn::tensor::{Tensor, activation::relu},
        layers::LayerBackend,
    },
    train,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The project's `mlp` with one hidden layer, written as a user would.
struct Twin {
    hidden: u64,
    inputs: u64,
    classes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hidden {
    hidden: u64,
}

impl OwnNetwork for Twin {
    type Settings = Hidden;

    fn new(Hidden { hidden }: Hidden, task: &Task) -> Result<Self, FieldError> {
        assert!(hidden != 13, "13 hidden units bring bad luck");
        Ok(Self {
            hidden,
            inputs: task.input_len(),
            classes: task.classes.into(),
        })
    }

    fn tensors(&self) -> Vec<TensorPlan> {
        vec![
            TensorPlan::new("fc1.weight", [self.hidden, self.inputs]),
            TensorPlan::new("fc1.bias", [self.hidden]),
            TensorPlan::new("fc2.weight", [self.classes, self.hidden]),
            TensorPlan::new("fc2.bias", [self.classes]),
        ]
    }

    fn logits<B: LayerBackend>(&self, parameters: &mut Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let hidden = parameters.matrix().matmul(inputs.transpose()) + parameters.matrix();
        let weight: Tensor<B, 2> = parameters.tensor();
        (weight.matmul(relu(hidden)) + parameters.matrix()).transpose()
    }
}

/// A linear network that does something wrong.
struct Wrong {
    fault: Fault,
    inputs: u64,
    classes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Fault {
    TakesNone,
    TakesTooMany,
    AnotherRank,
    AnotherShape,
    InTraining,
}

#[derive(Deserialize)]
struct Faulty {
    fault: Fault,
}

impl OwnNetwork for Wrong {
    type Settings = Faulty;

    fn new(Faulty { fault }: Faulty, task: &Task) -> Result<Self, FieldError> {
        Ok(Self {
            fault,
            inputs: task.input_len(),
            classes: task.classes.into(),
        })
    }

    fn tensors(&self) -> Vec<TensorPlan> {
        vec![TensorPlan::new("weight", [self.classes, self.inputs])]
    }

    fn logits<B: LayerBackend>(&self, parameters: &mut Parameters<'_, B>, inputs: Tensor<B, 2>) -> Tensor<B, 2> {
        let [batch, _] = inputs.dims();
        match self.fault {
            Fault::TakesNone => return inputs,
            Fault::AnotherRank => drop(parameters.tensor::<3>()),
            // The trial comes with two samples.
            Fault::InTraining => assert!(batch == 2, "a batch of {batch} is too much"),
            Fault::TakesTooMany | Fault::AnotherShape => {}
        }
        let logits = inputs.matmul(parameters.matrix().transpose());
        match self.fault {
            Fault::TakesTooMany => logits + parameters.matrix(),
            Fault::AnotherShape => logits.transpose(),
            _ => logits,
        }
    }
}

/// A data set whose settings say all of it.
struct Told(Telling);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Telling {
    train: Vec<u8>,
    test: Vec<u8>,
    /// Given for the inputs whatever the indices are; none: two numbers a sample that follow from its index.
    values: Option<Vec<f32>>,
    white: Option<u8>,
    content: Option<[u8; 32]>,
    fails: bool,
    panics: bool,
    nan: bool,
}

impl Default for Telling {
    fn default() -> Self {
        Self {
            train: vec![0, 1, 2, 0],
            test: vec![2, 1],
            values: None,
            white: None,
            content: None,
            fails: false,
            panics: false,
            nan: false,
        }
    }
}

impl OwnData for Told {
    type Settings = Telling;

    fn new(settings: Telling) -> Result<Self, FieldError> {
        Ok(Self(settings))
    }

    fn form(&self) -> Form {
        Form {
            input_shape: vec![2],
            classes: 3,
        }
    }

    fn labels(&self) -> Result<Labels, OwnError> {
        if self.0.fails {
            return Err("the disk is gone".into());
        }
        assert!(!self.0.panics, "no labels today");
        Ok(Labels {
            train: self.0.train.clone(),
            test: self.0.test.clone(),
            content: self.0.content,
        })
    }

    fn inputs(&self, split: Split, indices: &[u32]) -> Result<Inputs, OwnError> {
        if let Some(white) = self.0.white {
            let levels = vec![3; 2 * indices.len()];
            return Ok(Inputs::Grey { levels, white });
        }
        let base = if split == Split::Train { 0.0 } else { 100.0 };
        let last = if self.0.nan { f32::NAN } else { 0.5 };
        let two = |&index: &u32| [base + index as f32, last];
        let made = || indices.iter().flat_map(two).collect();
        Ok(Inputs::Numbers(self.0.values.clone().unwrap_or_else(made)))
    }
}

fn own() -> &'static dyn Catalogue {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let extensions = Extensions::new()
            .network::<Twin>("twin")
            .network::<Wrong>("wrong")
            .data_set::<Told>("told");
        extend::install(extensions).unwrap();
    });
    extend::installed()
}

fn load(model: Value, data: Value) -> Result<Plan, String> {
    let document = json!({
        "apiVersion": "fltorrent.io/v1alpha1",
        "kind": "FLTorrentExperiment",
        "metadata": {"name": "own"},
        "spec": {
            "seed": 7,
            "groups": [{"name": "a", "count": 2}],
            "topology": {"type": "ring"},
            "model": model,
            "data": data,
            "training": {"batchSize": 8, "epochs": 5, "learningRate": 0.3},
        },
    });
    Plan::load_with(&document.to_string(), &[], own())
        .map(|(_, plan)| plan)
        .map_err(|errors| errors.to_string())
}

fn digits() -> Value {
    json!({"type": "digits"})
}

fn custom(name: &str, settings: Value) -> Value {
    json!({"type": "custom", "custom": {"name": name, "settings": settings}})
}

/// The parameters after a round on some digits, and how the model does then.
fn trained(plan: &Plan) -> (Vec<u32>, u64, f64) {
    let labels = data::labels(&plan.data).unwrap();
    let indices: Vec<u32> = (0..100).collect();
    let samples = data::load(&plan.data, &labels, Split::Train, &indices).unwrap();
    let mut trainer = train::trainer(&plan.model, &plan.training, plan.seed, 1).unwrap();
    trainer.train(&samples, 0).unwrap();
    let mut parameters = vec![0.0; trainer.parameters() as usize];
    trainer.flatten(&mut parameters).unwrap();
    let counts = trainer.evaluate(&samples).unwrap();
    let bits = parameters.into_iter().map(f32::to_bits).collect();
    (bits, counts.correct, counts.loss_sum)
}

#[test]
fn a_twin_of_the_mlp_learns_the_same_bits() {
    let built_in = json!({"type": "mlp", "mlp": {"hidden": [16]}});
    let built_in = load(built_in, digits()).unwrap();
    let twin = load(custom("twin", json!({"hidden": 16})), digits()).unwrap();
    assert_eq!(twin.model.tensors, built_in.model.tensors);
    assert_ne!(twin.hash(), built_in.hash());
    let (first, second) = (trained(&built_in), trained(&twin));
    assert!(first.1 > 50, "{} of 100 are right", first.1);
    assert_eq!(first, second);
}

#[test]
fn settings_are_read_as_the_network_wants_them() {
    for (settings, expected) in [
        (
            json!({"hidden": "many"}),
            "model.custom.settings.hidden: invalid type: string \"many\", expected u64; write what",
        ),
        (
            json!({"hiden": 3}),
            "model.custom.settings.hiden: unknown field `hiden`, expected `hidden`; write what",
        ),
        (json!({}), "model.custom.settings: missing field `hidden`; write what"),
        (
            json!({"hidden": 13}),
            "model.custom.settings: its code panicked: 13 hidden units bring bad luck; correct",
        ),
        (
            json!({"hidden": 1u64 << 62}),
            "model.custom: the network `twin` has a tensor `fc1.weight` of the shape [4611686018427387904, 64]; ",
        ),
        (
            json!({"hidden": 1 << 28}),
            "model.custom: the network `twin` has 20132659210 parameters; at most 1073741824 will do",
        ),
    ] {
        let error = load(custom("twin", settings), digits()).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

fn refused(model: &ModelPlan, plan: &Plan) -> String {
    match train::trainer(model, &plan.training, plan.seed, 0) {
        Ok(_) => panic!("it was taken"),
        Err(error) => chain(&error),
    }
}

#[test]
fn networks_that_do_not_as_they_say_are_refused_at_the_start() {
    for (fault, expected) in [
        ("takesNone", "logits() took all tensors but the last 1"),
        ("takesTooMany", "the network takes more tensors than it has"),
        ("anotherRank", "weight has the shape [10, 64]"),
        (
            "anotherShape",
            "logits() gave [10, 2] for a batch of 2; expected [2, 10]",
        ),
    ] {
        let plan = load(custom("wrong", json!({"fault": fault})), digits()).unwrap();
        let error = refused(&plan.model, &plan);
        let start = "the network `wrong` cannot be used: the network `wrong` failed: its code panicked: ";
        assert!(error.starts_with(start) && error.contains(expected), "{error}");
    }
}

#[test]
fn a_panic_in_training_is_an_error() {
    let plan = load(custom("wrong", json!({"fault": "inTraining"})), digits()).unwrap();
    let labels = data::labels(&plan.data).unwrap();
    let samples = data::load(&plan.data, &labels, Split::Train, &[0, 1, 2]).unwrap();
    let mut trainer = train::trainer(&plan.model, &plan.training, plan.seed, 0).unwrap();
    let expected = "the network `wrong` failed: its code panicked: a batch of 3 is too much";
    assert_eq!(chain(&trainer.train(&samples, 0).unwrap_err()), expected);
}

#[test]
fn a_plan_of_another_program_is_refused() {
    let plan = load(custom("twin", json!({"hidden": 4})), digits()).unwrap();
    let changed = |change: &dyn Fn(&mut String, &mut serde_json::Map<String, Value>)| {
        let mut model = plan.model.clone();
        if let Architecture::Custom(model::CustomPlan { name, settings, .. }) = &mut model.architecture {
            change(name, settings);
        }
        refused(&model, &plan)
    };
    assert_eq!(
        changed(&|name, _| *name = "other".to_owned()),
        "this program has no network `other`; it has twin, wrong: run the program that registers it (docs/own-model.md)"
    );
    let error = changed(&|_, settings| settings.clear());
    assert!(
        error.starts_with("the network `twin` refuses model.custom.settings: missing field"),
        "{error}"
    );
    let error = changed(&|_, settings| drop(settings.insert("hidden".to_owned(), json!(5))));
    assert!(
        error.contains("fc1.weight [4, 64]") && error.contains("expected [\"fc1.weight [5, 64]\""),
        "{error}"
    );
}

fn told(settings: Value) -> Plan {
    load(json!({"type": "mlp", "mlp": {"hidden": []}}), custom("told", settings)).unwrap()
}

#[test]
fn own_data_comes_by_index() {
    let plan = told(json!({})).data;
    let labels = data::labels(&plan).unwrap();
    assert_eq!((&labels.train[..], &labels.test[..]), (&[0, 1, 2, 0][..], &[2, 1][..]));
    let samples = data::load(&plan, &labels, Split::Train, &[2, 0, 2]).unwrap();
    assert_eq!(samples.labels(), [2, 0, 2]);
    assert_eq!(samples.gather(&[0, 1, 2]), [2.0, 0.5, 0.0, 0.5, 2.0, 0.5]);
    assert_eq!((samples.classes(), samples.input_len()), (3, 2));
    let samples = data::load(&plan, &labels, Split::Test, &[1]).unwrap();
    assert_eq!(samples.gather(&[0]), [101.0, 0.5]);
    assert!(data::load(&plan, &labels, Split::Test, &[]).unwrap().is_empty());
    let grey = told(json!({"white": 6})).data;
    let samples = data::load(&grey, &labels, Split::Test, &[0]).unwrap();
    assert_eq!(samples.gather(&[0]), [0.5, 0.5]);
}

#[test]
fn peers_tell_own_data_apart() {
    let hash = |settings| {
        let plan = told(settings).data;
        data::label_hash(&plan, &data::labels(&plan).unwrap())
    };
    let first = hash(json!({}));
    assert_eq!(first, hash(json!({})));
    assert_ne!(first, hash(json!({"test": [1, 1]})));
    assert_ne!(first, hash(json!({"content": vec![0; 32]})));
    assert_ne!(
        hash(json!({"content": vec![1; 32]})),
        hash(json!({"content": vec![0; 32]}))
    );
}

#[test]
fn own_data_that_is_none_is_refused() {
    let read = |plan: &Plan| {
        let labels = data::labels(&plan.data)?;
        data::load(&plan.data, &labels, Split::Train, &[3, 1])
    };
    for (settings, expected) in [
        (
            json!({"train": []}),
            "gave 0 labels of the Train split; expected 1 to 4294967295: correct its code",
        ),
        (
            json!({"test": []}),
            "gave 0 labels of the Test split; expected 1 to 4294967295: correct its code",
        ),
        (
            json!({"test": [0, 3]}),
            "gave the label 3 for sample 1 of the Test split; expected less than 3: correct its code",
        ),
        (
            json!({"values": [1, 2, 3]}),
            "gave 3 values for 2 inputs; expected 4, 2 an input: correct its code",
        ),
        (
            json!({"nan": true}),
            "gave the value NaN in sample 3; expected finite numbers: correct its code",
        ),
        (
            json!({"white": 0}),
            "gave grey levels with white = 0; expected white of at least 1: correct its code",
        ),
        (json!({"fails": true}), "failed: the disk is gone"),
        (json!({"panics": true}), "failed: its code panicked: no labels today"),
    ] {
        let error = chain(&read(&told(settings)).unwrap_err());
        assert_eq!(error, format!("the data set `told` {expected}"));
    }
    let mut plan = told(json!({}));
    let source = |name: &str, settings: Value| CustomPlan {
        name: name.to_owned(),
        settings: settings.as_object().unwrap().clone(),
    };
    plan.data.source = source("other", json!({})).into();
    assert_eq!(
        chain(&read(&plan).unwrap_err()),
        "this program has no data set `other`; it has told: run the program that registers it (docs/own-model.md)"
    );
    plan.data.source = source("told", json!({"train": 3})).into();
    let error = chain(&read(&plan).unwrap_err());
    assert!(
        error.starts_with("the data set `told` refuses data.custom.settings: train: invalid type"),
        "{error}"
    );
}

#[test]
fn what_a_program_has_is_settled_once() {
    own();
    assert_eq!(extend::install(Extensions::new()), Err(extend::Installed));
    let two = std::panic::catch_unwind(|| {
        Extensions::new()
            .data_set::<Told>("same")
            .network::<Twin>("same")
            .network::<Wrong>("same")
    });
    assert!(two.is_err());
    for name in ["", "Upper", "1st", "a_b", "end-", &"a".repeat(64)] {
        let name: &'static str = name.to_owned().leak();
        let taken = std::panic::catch_unwind(|| Extensions::new().network::<Twin>(name));
        assert!(taken.is_err(), "{name}");
    }
}
