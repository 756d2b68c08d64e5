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
