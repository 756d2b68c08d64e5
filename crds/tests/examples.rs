//! The examples that ship with the project.

use fltorrent_crds::Plan;

const QUICKSTART: &str = include_str!("../../examples/quickstart.yaml");
const FASHION_MNIST: &str = include_str!("../../examples/fashion-mnist.yaml");

#[test]
fn quickstart_is_a_plan_without_warnings() {
    let plan = Plan::load(QUICKSTART, &[]).unwrap();
    assert_eq!(plan.warnings, []);
    assert_eq!(plan.name, "quickstart");
    assert_eq!(plan.peers.len(), 8);
    assert_eq!(plan.peers[0].neighbours, [1, 7]);
    assert_eq!(plan.training.rounds, 10);
    assert_eq!(plan.model.parameters, 64 * 64 + 64 + 64 * 10 + 10);
    assert_eq!(plan.exchange.num_chunks, 10);
}

#[test]
fn fashion_mnist_is_a_plan_without_warnings() {
    let plan = Plan::load(FASHION_MNIST, &[]).unwrap();
    assert_eq!(plan.warnings, []);
    assert_eq!(plan.model.parameters, 784 * 128 + 128 + 128 * 10 + 10);
    assert_eq!(plan.data.input_shape, [28, 28]);
}

/// The plan of the quickstart, with the settings of its training fixed here so that they can be tuned there.
#[test]
fn the_plan_of_the_quickstart_is_pinned() {
    let sets = [
        ("training.rounds", "10"),
        ("training.epochs", "5"),
        ("training.batchSize", "16"),
        ("training.learningRate", "0.1"),
    ]
    .map(|(path, value)| (path.to_owned(), value.to_owned()));
    let plan = Plan::load(QUICKSTART, &sets).unwrap();
    let golden: Plan = serde_json::from_str(include_str!("golden/quickstart.json")).unwrap();
    assert_eq!(plan, golden, "{}", serde_json::to_string_pretty(&plan).unwrap());
    let hash: String = plan.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "580f72c665a620225de27c02f3776c801673b74cd73d9f7eb62d3340c6b53c53");
}
