//! The tensors of every architecture: how many parameters, under which names, and for which data.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use fltorrent_crds::{
    Plan,
    model::{Architecture, CnnPlan, LenetPlan, MlpPlan, Resnet18Plan, TransformerPlan},
    plan::{ModelPlan, Start},
};
use serde_json::json;

use support::{manifest, put};

fn parameters(architecture: impl Into<Architecture>) -> u64 {
    let model = ModelPlan::new(architecture);
    assert_eq!(model.bytes, model.parameters * 4);
    model.parameters
}

#[test]
fn parameter_counts_are_those_of_the_literature() {
    // 784·200 + 200, 200·200 + 200, 200·10 + 10: the "2NN" of the FedAvg paper.
    let widths = vec![784, 200, 200, 10];
    assert_eq!(parameters(MlpPlan { widths }), 199_210);
    // 156 + 2,416 + 48,120 + 10,164 + 850.
    let (input, classes) = ([1, 28, 28], 10);
    assert_eq!(parameters(LenetPlan { input, classes }), 61_706);
    // The FedAvg paper, section 3.
    assert_eq!(parameters(CnnPlan { input, classes }), 1_663_370);
    // 11.17 million, as usual for CIFAR-10; the number of groups costs nothing.
    for groups in [1, 32] {
        let input = [3, 32, 32];
        let resnet = Resnet18Plan { input, classes, groups };
        assert_eq!(parameters(resnet), 11_173_962);
    }
}

#[test]
fn a_transformers_parameters_follow_the_formula() {
    for (context, layers, width) in [(64, 2, 128_u64), (1, 1, 6), (100, 12, 768)] {
        let transformer = TransformerPlan {
            context,
            layers,
            heads: 1,
            width: width as u32,
        };
        // Attention 4w² + 4w, feed-forward 8w² + 5w, two normalisations 4w.
        let layer = 12 * width * width + 13 * width;
        let embeddings = (256 + u64::from(context)) * width;
        let head = 2 * width + 256 * width + 256;
        assert_eq!(parameters(transformer), embeddings + u64::from(layers) * layer + head);
    }
}

#[test]
fn normalisations_start_as_the_identity() {
    let model = ModelPlan::new(Resnet18Plan {
        input: [3, 32, 32],
        classes: 10,
        groups: 32,
    });
    let start = |name: &str| {
        let tensor = model.tensors.iter().find(|tensor| tensor.name == name);
        tensor.unwrap_or_else(|| panic!("{name}")).start
    };
    assert_eq!(start("conv1.weight"), Start::FanIn);
    assert_eq!(start("layer2.0.downsample.1.weight"), Start::Ones);
    assert_eq!(start("layer2.0.downsample.1.bias"), Start::Zeros);
    assert_eq!(start("fc.bias"), Start::FanIn);
}

#[test]
fn images_decide_the_width_behind_the_convolutions() {
    let mut document = manifest();
    let shape = |plan: &Plan, name: &str| {
        let tensors = &plan.model.tensors;
        let tensor = tensors.iter().find(|tensor| tensor.name == name);
        tensor.unwrap().shape.clone()
    };
    put(&mut document, "model", json!({"type": "cnn"}));
    let plan = Plan::load(&document.to_string(), &[]).unwrap();
    assert_eq!(shape(&plan, "fc1.weight"), [512, 64 * 2 * 2]);
    assert_eq!(plan.model.architecture.input_len(), 64);
    put(
        &mut document,
        "data",
        json!({"type": "idx", "idx": {"path": "x", "inputShape": [12, 30], "classes": 7}}),
    );
    put(&mut document, "model", json!({"type": "lenet"}));
    let plan = Plan::load(&document.to_string(), &[]).unwrap();
    assert_eq!(shape(&plan, "fc1.weight"), [120, 16 * 5]);
    assert_eq!(shape(&plan, "fc3.bias"), [7]);
}

#[test]
fn a_model_of_too_many_parameters_is_refused() {
    let mut document = manifest();
    put(
        &mut document,
        "data",
        json!({"type": "idx", "idx": {"path": "x", "inputShape": [4096, 4096]}}),
    );
    put(&mut document, "model", json!({"type": "cnn"}));
    let error = Plan::load(&document.to_string(), &[]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("model.type: the model has 34359796106 parameters; at most 1073741824 will do"),
        "{text}"
    );
}
