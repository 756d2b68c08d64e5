//! The swarm against plain sequential FedAvg: the same model, to the last bit.

use std::path::Path;

use fltorrent_cli::manifest::Resolved;

use crate::{
    oracle_rounds::fedavg_oracle,
    support::{example, summary},
};

const FASHION_MNIST: &str = "/usr/share/datasets/fashion-mnist";

/// Fashion-MNIST, 8 peers, Dirichlet(0.3), MLP 784-128-10, 10 rounds of one epoch.
#[test]
fn every_topology_ends_with_the_model_of_sequential_fedavg() {
    assert!(
        Path::new(FASHION_MNIST).is_dir(),
        "{FASHION_MNIST} is missing: apt-get install dataset-fashion-mnist"
    );
    let plan = Resolved::read(&example("fashion-mnist.yaml"), &[]).unwrap().plan;
    assert_eq!(
        (plan.peers.len(), plan.training.rounds, plan.training.epochs),
        (8, 10, 1)
    );
    let expected = fedavg_oracle(&plan, |_, _| false);
    for topology in ["ring", "star", "mesh"] {
        let summary = summary("fashion-mnist.yaml", &[&format!("topology.type={topology}")]);
        let rounds = summary["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), expected.len());
        for (round, expected) in rounds.iter().zip(&expected) {
            let hash: String = expected.hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(round["modelHash"], hash, "{topology}, round {}", round["round"]);
            let accuracy = expected.test.correct as f64 / expected.test.total as f64;
            assert_eq!(round["accuracy"], accuracy, "{topology}, round {}", round["round"]);
        }
    }
}
