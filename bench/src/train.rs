//! Training speed next to PyTorch's: samples for each second of CPU time, on one thread each, in turns.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use fltorrent_crds::{
    model::{CnnPlan, LenetPlan, MlpPlan},
    plan::{Backend, ModelPlan, TrainingPlan},
    seeds,
};
use fltorrent_peer::{
    clock::process_seconds,
    data::{Inputs, Samples},
    memory,
    train::{self, BackendError, TrainError},
};
use rand_core::Rng;
use serde::Deserialize;
use thiserror::Error;

const SCRIPT: &str = include_str!("torch_train.py");
const SIDE: u32 = 28;
const CLASSES: u8 = 10;
/// Samples of a step, on both sides.
pub(crate) const BATCH: u32 = 64;

/// The networks that are measured, on images of 28×28 pixels in 10 classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// Fully connected layers 784-128-10.
    Mlp,
    /// LeNet-5.
    Lenet,
    /// The FedAvg paper's convolutional network.
    Cnn,
}

impl Model {
    pub(crate) const ALL: [Self; 3] = [Self::Mlp, Self::Lenet, Self::Cnn];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mlp => "mlp",
            Self::Lenet => "lenet",
            Self::Cnn => "cnn",
        }
    }

    /// Samples of an epoch, fewer where each costs more.
    pub(crate) fn samples(self) -> u32 {
        match self {
            Self::Mlp => 7500,
            Self::Lenet => 2048,
            Self::Cnn => 512,
        }
    }

    fn plan(self) -> ModelPlan {
        let (input, classes) = ([1, SIDE, SIDE], u32::from(CLASSES));
        match self {
            Self::Mlp => ModelPlan::new(MlpPlan {
                widths: vec![SIDE * SIDE, 128, classes],
            }),
            Self::Lenet => ModelPlan::new(LenetPlan { input, classes }),
            Self::Cnn => ModelPlan::new(CnnPlan { input, classes }),
        }
    }
}

/// The size of the measurement.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The Python interpreter that has PyTorch.
    pub(crate) python: PathBuf,
    /// Times that each side is measured.
    pub(crate) repetitions: u32,
    /// Passes over the samples in one measurement, after one that is not counted.
    pub(crate) epochs: u32,
    pub(crate) model: Model,
}

#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// PyTorch's version.
    pub(crate) torch_version: String,
    pub(crate) repetitions: Vec<Repetition>,
}

/// One turn of each side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repetition {
    /// Samples that FLTorrent trained for each second of CPU time.
    pub(crate) ours: f64,
    /// Samples that PyTorch trained for each second of CPU time.
    pub(crate) torch: f64,
}

impl Repetition {
    /// Ours as a multiple of PyTorch's.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours / self.torch
    }
}

/// A measurement that could not be made.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    #[error("the training benchmark cannot start")]
    Backend(#[from] BackendError),
    #[error("the training benchmark failed")]
    Train(#[from] TrainError),
    #[error("{}: cannot be run; expected a Python with PyTorch: install python3-torch, or name another interpreter", python.display())]
    Python { python: PathBuf, source: io::Error },
    #[error("{}: PyTorch's side failed: {stderr}; expected an interpreter that can import torch: install python3-torch, or name another", python.display())]
    Script { python: PathBuf, stderr: String },
    #[error("{}: PyTorch's side answered {answer:?}; expected its version and speed as JSON", python.display())]
    Answer {
        python: PathBuf,
        answer: String,
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    version: String,
    samples_per_cpu_second: f64,
}

/// Trains a network with batches of [`BATCH`] on both sides in turns.
///
/// Our side counts the CPU time of the whole process, so nothing else should run in it.
///
/// # Errors
/// [`BenchError`].
pub(crate) fn run(options: &Options) -> Result<Report, BenchError> {
    // As in a peer.
    memory::keep();
    let mut report = Report {
        torch_version: String::new(),
        repetitions: Vec::new(),
    };
    for _ in 0..options.repetitions {
        let ours = ours(options)?;
        let answer = torch(options)?;
        report.torch_version = answer.version;
        report.repetitions.push(Repetition {
            ours,
            torch: answer.samples_per_cpu_second,
        });
    }
    Ok(report)
}

fn ours(options: &Options) -> Result<f64, BenchError> {
    let model = options.model.plan();
    let training = TrainingPlan {
        batch_size: BATCH,
        learning_rate: 0.05,
        backend: Backend::Flex,
        threads: 1,
        ..TrainingPlan::default()
    };
    let samples = random_samples(options.model.samples() as usize);
    let mut trainer = train::trainer(&model, &training, 1, 0)?;
    trainer.train(&samples, 0)?;
    let start = process_seconds();
    for round in 1..=options.epochs {
        trainer.train(&samples, round)?;
    }
    let trained = f64::from(options.model.samples()) * f64::from(options.epochs);
    Ok(trained / (process_seconds() - start))
}

/// Noise: what the pixels show does not change the speed.
fn random_samples(count: usize) -> Samples {
    let pixels = (SIDE * SIDE) as usize;
    let mut rng = seeds::rng(1, "train.bench", 0, 0);
    let mut levels = vec![0; count * pixels];
    rng.fill_bytes(&mut levels);
    let mut labels = vec![0; count];
    rng.fill_bytes(&mut labels);
    labels.iter_mut().for_each(|label| *label %= CLASSES);
    let inputs = Inputs::Grey { levels, white: u8::MAX };
    Samples::new(inputs, labels, 1, pixels, u32::from(CLASSES))
}

fn torch(options: &Options) -> Result<Answer, BenchError> {
    let python = &options.python;
    let python_error = |source| BenchError::Python {
        python: python.clone(),
        source,
    };
    let sizes = [BATCH, options.model.samples(), options.epochs];
    let mut child = Command::new(python)
        .arg("-")
        .arg(options.model.name())
        .args(sizes.map(|value| value.to_string()))
        // PyTorch's kernels read these before the script can say anything.
        .envs([
            ("OMP_NUM_THREADS", "1"),
            ("MKL_NUM_THREADS", "1"),
            ("OPENBLAS_NUM_THREADS", "1"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(python_error)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(SCRIPT.as_bytes()).map_err(python_error)?;
    }
    let output = child.wait_with_output().map_err(python_error)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().last().unwrap_or("no message").to_owned();
        return Err(BenchError::Script {
            python: python.clone(),
            stderr: last,
        });
    }
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    serde_json::from_str(&answer).map_err(|source| BenchError::Answer {
        python: python.clone(),
        answer,
        source,
    })
}
