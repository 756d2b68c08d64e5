//! The model file: what is in it, and that it appears whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use fltorrent_crds::{Plan, plan::ModelPlan};
use fltorrent_peer::train::safetensors::{SaveError, save};
use safetensors::{Dtype, SafeTensors};

fn model() -> ModelPlan {
    Plan::load(include_str!("../../examples/quickstart.yaml"), &[])
        .unwrap()
        .model
}

fn values(model: &ModelPlan, first: f32) -> Vec<f32> {
    (0..model.parameters).map(|at| first + at as f32).collect()
}

fn entries(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn tensors_have_the_plans_names_shapes_and_order() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let path = folder.path().join("model.safetensors");
    let metadata = BTreeMap::from([("experiment".to_owned(), "quickstart".to_owned())]);
    save(&path, &model, &values(&model, 5.0), &metadata).unwrap();
    // A second one takes the place of the first.
    save(&path, &model, &values(&model, 0.5), &metadata).unwrap();
    assert_eq!(entries(folder.path()), ["model.safetensors"]);

    let bytes = fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["experiment"], "quickstart");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 4);
    let mut expected = values(&model, 0.5).into_iter();
    for tensor in &model.tensors {
        let view = file.tensor(&tensor.name).unwrap();
        assert_eq!(view.dtype(), Dtype::F32);
        assert_eq!(
            view.shape().iter().map(|&extent| extent as u64).collect::<Vec<_>>(),
            tensor.shape
        );
        for value in view.data().as_chunks::<4>().0 {
            assert_eq!(f32::from_le_bytes(*value), expected.next().unwrap());
        }
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let (folder, model) = (tempfile::tempdir().unwrap(), model());
    let metadata = BTreeMap::new();
    let path = folder.path().join("model.safetensors");
    let error = save(&path, &model, &[1.0], &metadata).unwrap_err();
    assert!(matches!(error, SaveError::Parameters(_)), "{error}");

    let missing = folder.path().join("no/model.safetensors");
    let error = save(&missing, &model, &values(&model, 0.0), &metadata).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: cannot be written: check the folder, its permissions and the space left",
            missing.display()
        )
    );
    assert!(error.source().is_some());

    fs::create_dir(&path).unwrap();
    assert!(save(&path, &model, &values(&model, 0.0), &metadata).is_err());
    assert_eq!(entries(folder.path()), ["model.safetensors"]);
}
