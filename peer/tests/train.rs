//! Training against a plain f64 implementation, its determinism, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

#[path = "support/oracle.rs"]
mod oracle;

use fltorrent_crds::{
    Plan,
    model::MlpPlan,
    plan::{Backend, ModelPlan},
    seeds,
};
use fltorrent_peer::{
    data::{self, Samples, Split},
    train::{self, TrainError, Trainer, backend, init, model_hash},
};

const QUICKSTART: &str = include_str!("../../examples/quickstart.yaml");

fn plan(sets: &[(&str, &str)]) -> Plan {
    let sets: Vec<_> = sets
        .iter()
        .map(|&(path, value)| (path.to_owned(), value.to_owned()))
        .collect();
    Plan::load(QUICKSTART, &sets).unwrap()
}

fn trainer(plan: &Plan, peer: u32) -> Box<dyn Trainer> {
    train::trainer(&plan.model, &plan.training, plan.seed, peer).unwrap()
}

fn samples(plan: &Plan, split: Split, indices: &[u32]) -> Samples {
    let labels = data::labels(&plan.data).unwrap();
    data::load(&plan.data, &labels, split, indices).unwrap()
}

fn shard(plan: &Plan, count: u32) -> Samples {
    samples(plan, Split::Train, &(0..count).collect::<Vec<_>>())
}

fn parameters(trainer: &dyn Trainer) -> Vec<f32> {
    let mut out = vec![0.0; trainer.parameters() as usize];
    trainer.flatten(&mut out).unwrap();
    out
}

fn trained(plan: &Plan, peer: u32, count: u32, rounds: u32) -> Vec<f32> {
    let mut trainer = trainer(plan, peer);
    let shard = shard(plan, count);
    for round in 0..rounds {
        trainer.train(&shard, round).unwrap();
    }
    parameters(&*trainer)
}

/// An MLP of any depth in f64, one sample at a time: nothing in common with the trainer but the definition.
struct Reference {
    widths: Vec<usize>,
    values: Vec<f64>,
}

impl Reference {
    /// Activations after each layer, the last one without ReLU.
    fn forward(&self, image: &[f32]) -> Vec<Vec<f64>> {
        let mut activations = vec![image.iter().map(|&pixel| f64::from(pixel)).collect::<Vec<_>>()];
        let mut at = 0;
        for (layer, pair) in self.widths.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let (weight, bias) = (at, at + inputs * outputs);
            let input = &activations[layer];
            let output = (0..outputs).map(|out| {
                let row = &self.values[weight + out * inputs..][..inputs];
                let sum = self.values[bias + out] + row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>();
                if layer + 2 < self.widths.len() {
                    sum.max(0.0)
                } else {
                    sum
                }
            });
            let output = output.collect();
            activations.push(output);
            at = bias + outputs;
        }
        activations
    }

    /// Adds one sample's gradient and gives its cross entropy.
    fn backward(&self, image: &[f32], label: usize, gradient: &mut [f64]) -> f64 {
        let activations = self.forward(image);
        let logits = activations.last().unwrap();
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let loss = sum.ln() - logits[label];
        let mut delta: Vec<f64> = logits.iter().map(|logit| logit.exp() / sum).collect();
        delta[label] -= 1.0;
        let mut end = self.values.len();
        for (layer, pair) in self.widths.windows(2).enumerate().rev() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let (bias, weight) = (end - outputs, end - outputs - inputs * outputs);
            let input = &activations[layer];
            let mut below = vec![0.0; inputs];
            for out in 0..outputs {
                gradient[bias + out] += delta[out];
                for at in 0..inputs {
                    gradient[weight + out * inputs + at] += delta[out] * input[at];
                    below[at] += delta[out] * self.values[weight + out * inputs + at];
                }
            }
            for (slope, &active) in below.iter_mut().zip(input) {
                *slope *= f64::from(active > 0.0);
            }
            delta = below;
            end = weight;
        }
        loss
    }

    fn train(&mut self, plan: &Plan, shard: &Samples, peer: u32, round: u32) -> f64 {
        let mut rng = seeds::rng(plan.seed, "train.shuffle", peer, round);
        let mut order: Vec<usize> = (0..shard.len()).collect();
        let mut loss = 0.0;
        for _ in 0..plan.training.epochs {
            seeds::shuffle(&mut rng, &mut order);
            for batch in order.chunks(plan.training.batch_size as usize) {
                let mut gradient = vec![0.0; self.values.len()];
                for &index in batch {
                    let label = usize::from(shard.labels()[index]);
                    loss += self.backward(&shard.gather(&[index]), label, &mut gradient);
                }
                for (value, slope) in self.values.iter_mut().zip(gradient) {
                    *value -= plan.training.learning_rate * slope / batch.len() as f64;
                }
            }
        }
        loss / (shard.len() as f64 * f64::from(plan.training.epochs))
    }
}

#[test]
fn training_is_what_a_plain_implementation_computes() {
    let one = plan(&[("training.epochs", "1"), ("training.batchSize", "13")]);
    let deep = plan(&[
        ("model.mlp.hidden", "[24, 16]"),
        ("training.epochs", "3"),
        ("training.batchSize", "7"),
        ("training.learningRate", "0.2"),
    ]);
    for (plan, widths) in [(one, vec![64, 64, 10]), (deep, vec![64, 24, 16, 10])] {
        let shard = shard(&plan, 40);
        let mut trainer = trainer(&plan, 3);
        let values = parameters(&*trainer).into_iter().map(f64::from).collect();
        let mut reference = Reference { widths, values };
        for round in [4, 5] {
            let report = trainer.train(&shard, round).unwrap();
            let loss = reference.train(&plan, &shard, 3, round);
            assert!((report.loss - loss).abs() < 1e-5, "{} is not {loss}", report.loss);
            let epochs = u64::from(plan.training.epochs);
            assert_eq!(report.samples, 40 * epochs);
            assert_eq!(report.steps, 40u64.div_ceil(plan.training.batch_size.into()) * epochs);
        }
        for (at, (found, expected)) in parameters(&*trainer).iter().zip(&reference.values).enumerate() {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-5,
                "parameter {at}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn every_setting_of_training_changes_the_model() {
    let base = plan(&[]);
    let model = trained(&base, 0, 100, 1);
    for change in [
        ("training.epochs", "2"),
        ("training.batchSize", "17"),
        ("training.learningRate", "0.31"),
        ("seed", "43"),
    ] {
        assert_ne!(trained(&plan(&[change]), 0, 100, 1), model, "{change:?}");
    }
    assert_ne!(trained(&base, 1, 100, 1), model, "another peer draws another order");
    assert_ne!(trained(&base, 0, 100, 2), model);
}

/// Layers wide enough that the kernels do divide the work among threads.
#[test]
fn threads_and_repetition_do_not_change_a_bit() {
    let wide = |threads| {
        plan(&[
            ("model.mlp.hidden", "[512, 512]"),
            ("training.batchSize", "64"),
            ("training.epochs", "1"),
            ("training.threads", threads),
        ])
    };
    let model = trained(&wide("1"), 0, 200, 2);
    assert_eq!(model_hash(&model), model_hash(&trained(&wide("1"), 0, 200, 2)));
    assert_eq!(model_hash(&model), model_hash(&trained(&wide("2"), 0, 200, 2)));
}

/// Would fail if the optimiser or the order of samples remembered earlier rounds.
#[test]
fn a_round_depends_on_nothing_but_parameters_and_its_number() {
    let plan = plan(&[]);
    let shard = shard(&plan, 100);
    let mut old = trainer(&plan, 2);
    old.train(&shard, 0).unwrap();
    let between = parameters(&*old);
    old.train(&shard, 1).unwrap();
    let mut fresh = trainer(&plan, 2);
    fresh.set(&between).unwrap();
    fresh.train(&shard, 1).unwrap();
    assert_eq!(parameters(&*old), parameters(&*fresh));
}

#[test]
fn parameters_start_uniform_within_pytorchs_bounds() {
    let plan = plan(&[]);
    let values = init::parameters(&plan.model, plan.seed);
    assert_eq!(values.len() as u64, plan.model.parameters);
    assert_eq!(values, parameters(&*trainer(&plan, 0)), "a trainer starts from them");
    assert_ne!(values, init::parameters(&plan.model, plan.seed + 1));
    // Both layers have 64 inputs.
    let bound = 1.0 / 8.0;
    assert!(values.iter().all(|value| f64::from(value.abs()) <= bound));
    let many: Vec<f64> = (0..50)
        .flat_map(|seed| init::parameters(&plan.model, seed))
        .map(|value| f64::from(value) / bound)
        .collect();
    let moment = |power| many.iter().map(|value| value.powi(power)).sum::<f64>() / many.len() as f64;
    assert!(moment(1).abs() < 0.005, "{}", moment(1));
    assert!((moment(2) - 1.0 / 3.0).abs() < 0.005, "{}", moment(2));
    assert!((moment(4) - 1.0 / 5.0).abs() < 0.005, "{}", moment(4));
    // The same on every machine and backend.
    assert_eq!(
        blake3::Hash::from(model_hash(&values)).to_hex().as_str(),
        "3118eaf15a1b934063a6f435c8fc2a512a55ccb98e48486140a1060c8d05adbf"
    );
}

#[test]
fn what_is_set_comes_back() {
    let plan = plan(&[]);
    let mut trainer = trainer(&plan, 0);
    let values: Vec<f32> = (0..plan.model.parameters).map(|at| at as f32 - 100.5).collect();
    trainer.set(&values).unwrap();
    assert_eq!(parameters(&*trainer), values);
    let error = trainer.set(&values[1..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "found 4809 parameters; expected 4810, as the model has: use a slice of that length"
    );
    assert!(matches!(
        trainer.flatten(&mut [0.0; 3]),
        Err(TrainError::Length {
            found: 3,
            expected: 4810
        })
    ));
}

#[test]
fn what_is_taken_has_to_be_set_again() {
    let plan = plan(&[]);
    let mut trainer = trainer(&plan, 0);
    let before = parameters(&*trainer);
    let mut taken = Vec::new();
    while let Some(values) = trainer.take_first().unwrap() {
        taken.extend(values);
    }
    assert_eq!(taken, before);
    let without = [
        trainer.flatten(&mut taken).unwrap_err(),
        trainer.train(&shard(&plan, 300), 0).unwrap_err(),
    ];
    for error in without {
        assert!(matches!(error, TrainError::Taken), "{error}");
    }
    let lengths = trainer.lengths();
    assert_eq!(lengths, [4096, 64, 640, 10]);
    let mut rest = &taken[..];
    for length in lengths {
        let error = trainer.push(vec![0.0; length + 1]).unwrap_err();
        assert!(matches!(error, TrainError::Length { .. }), "{error}");
        trainer.push(rest[..length].to_vec()).unwrap();
        rest = &rest[length..];
    }
    assert!(trainer.push(Vec::new()).is_err(), "all are set");
    assert_eq!(parameters(&*trainer), before);
    trainer.train(&shard(&plan, 300), 0).unwrap();
}

#[test]
fn evaluation_counts_what_a_plain_implementation_counts() {
    let plan = plan(&[]);
    let test = samples(&plan, Split::Test, &(0..359).collect::<Vec<_>>());
    let mut trainer = trainer(&plan, 0);
    trainer.train(&shard(&plan, 300), 0).unwrap();
    let counts = trainer.evaluate(&test).unwrap();
    let values = parameters(&*trainer).into_iter().map(f64::from).collect();
    let reference = Reference {
        widths: vec![64, 64, 10],
        values,
    };
    let (mut correct, mut loss) = (0, 0.0);
    for (index, &label) in test.labels().iter().enumerate() {
        let image = test.gather(&[index]);
        let logits = reference.forward(&image).pop().unwrap();
        let best = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        correct += u64::from(best == usize::from(label));
        loss += reference.backward(&image, label.into(), &mut vec![0.0; reference.values.len()]);
    }
    assert_eq!((counts.correct, counts.total), (correct, 359));
    assert!(
        (counts.loss_sum - loss).abs() < 1e-3,
        "{} is not {loss}",
        counts.loss_sum
    );
    assert_eq!(trainer.evaluate(&samples(&plan, Split::Test, &[])).unwrap().total, 0);
}

#[test]
fn an_empty_shard_leaves_the_model_as_it_is() {
    let plan = plan(&[]);
    let mut trainer = trainer(&plan, 0);
    let before = parameters(&*trainer);
    let report = trainer.train(&shard(&plan, 0), 0).unwrap();
    assert_eq!((report.samples, report.steps, report.loss), (0, 0, 0.0));
    assert_eq!(parameters(&*trainer), before);
}

#[test]
fn samples_of_another_shape_are_refused() {
    let digits = plan(&[]);
    let mut other = plan(&[]);
    other.model = ModelPlan::new(MlpPlan { widths: vec![9, 4, 10] });
    let mut trainer = trainer(&other, 0);
    let expected = "found samples of 64 values, labels a sample: 1, classes: 10; expected 9 values, labels: 1, classes: at most 10, as the model \
                    has: correct data or model";
    assert_eq!(trainer.train(&shard(&digits, 5), 0).unwrap_err().to_string(), expected);
    assert_eq!(trainer.evaluate(&shard(&digits, 5)).unwrap_err().to_string(), expected);
}

#[test]
fn a_rate_that_is_too_high_is_named() {
    let mut plan = plan(&[]);
    plan.training.learning_rate = 1e30;
    let mut trainer = trainer(&plan, 0);
    let error = trainer.train(&shard(&plan, 100), 7).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("in round 7") && text.ends_with("lower training.learningRate"),
        "{text}"
    );
    trainer.set(&vec![f32::MAX; plan.model.parameters as usize]).unwrap();
    let error = trainer.evaluate(&shard(&plan, 10)).unwrap_err();
    assert!(matches!(error, TrainError::EvaluationDiverged { .. }), "{error}");
}

#[test]
fn tensors_of_another_network_are_refused() {
    let mut plan = plan(&[]);
    plan.model.tensors.swap(0, 1);
    let error = train::trainer(&plan.model, &plan.training, 1, 0)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("model.tensors are [\"fc1.bias [64]\", \"fc1.weight [64, 64]\""),
        "{error}"
    );
}

#[test]
fn a_backend_that_cannot_run_says_what_to_do() {
    assert!(backend::probe(Backend::Flex).is_ok());
    // Built in, it may also find all that it needs.
    let refusal = backend::probe(Backend::Cuda).err().map(|error| error.to_string());
    let expected = match cfg!(feature = "cuda") {
        true => "training.backend is cuda, but ",
        false => {
            "training.backend is cuda; expected one of those that this program was built with (flex): \
             build with --features cuda, or choose another"
        }
    };
    let right = refusal
        .as_ref()
        .map_or(cfg!(feature = "cuda"), |text| text.starts_with(expected));
    assert!(right, "{refusal:?}");
}

#[test]
fn the_quickstart_learns_the_digits_whatever_the_seed() {
    for seed in ["42", "1", "2"] {
        let plan = plan(&[("seed", seed)]);
        let rounds = oracle::fedavg_oracle(&plan, |_, _| false);
        assert_eq!(rounds.len(), 10);
        let last = &rounds.last().unwrap().test;
        let accuracy = last.correct as f64 / last.total as f64;
        assert!(accuracy >= 0.93, "seed {seed} reaches {accuracy}");
        assert_ne!(rounds[0].hash, rounds[1].hash);
    }
}
