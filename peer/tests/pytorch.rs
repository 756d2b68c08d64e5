//! PyTorch loads a model file strictly and computes the same from it. Needs Debian's `python3-torch`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use fltorrent_crds::Plan;
use fltorrent_peer::{
    data::{self, Split},
    train::{self, safetensors},
};

const SCRIPT: &str = include_str!("support/load_model.py");

#[test]
fn pytorch_loads_the_model_strictly_and_agrees_with_its_losses() {
    let plan = Plan::load(include_str!("../../examples/quickstart.yaml"), &[]).unwrap();
    let labels = data::labels(&plan.data).unwrap();
    let all: Vec<u32> = (0..labels.train.len() as u32).collect();
    let shard = data::load(&plan.data, &labels, Split::Train, &all).unwrap();
    let mut trainer = train::trainer(&plan.model, &plan.training, plan.seed, 0).unwrap();
    trainer.train(&shard, 0).unwrap();
    let mut parameters = vec![0.0; plan.model.parameters as usize];
    trainer.flatten(&mut parameters).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.safetensors");
    let metadata = BTreeMap::from([("rounds".to_owned(), "1".to_owned())]);
    safetensors::save(&model, &plan.model, &parameters, &metadata).unwrap();

    let test = data::load(&plan.data, &labels, Split::Test, &[0, 1, 2, 3, 50, 100, 358]).unwrap();
    let images: Vec<u8> = test
        .gather(&(0..test.len()).collect::<Vec<_>>())
        .iter()
        .flat_map(|pixel| pixel.to_le_bytes())
        .collect();
    let images_path = folder.path().join("images");
    std::fs::write(&images_path, images).unwrap();
    let output = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .args([&model, &images_path])
        .args(test.labels().iter().map(u8::to_string))
        .stderr(Stdio::inherit())
        .output()
        .expect("/usr/bin/python3 runs");
    assert!(
        output.status.success(),
        "PyTorch could not load the model; if torch is missing, install Debian's python3-torch"
    );
    let theirs: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    let ours = trainer.evaluate(&test).unwrap().loss_sum;
    assert!((ours - theirs).abs() < 1e-5 * ours.max(1.0), "{ours} is not {theirs}");
}
