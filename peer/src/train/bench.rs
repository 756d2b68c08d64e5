//! Training speed next to PyTorch's: samples for each second of CPU time, on one thread each, in turns.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use fltorrent_crds::{
    plan::{Architecture, Backend, ModelPlan, TrainingPlan},
    seeds,
};
use rand_core::Rng;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use thiserror::Error;

use super::{
    TrainError,
    backend::{self, BackendError},
};
use crate::data::{Inputs, Samples};

const SCRIPT: &str = include_str!("../../benches/torch_mlp.py");
const INPUTS: u32 = 784;
const HIDDEN: u32 = 128;
const CLASSES: u8 = 10;
const BATCH: u32 = 64;
const SAMPLES: usize = 7500;

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Python interpreter that has PyTorch.
    pub python: PathBuf,
    /// Times that each side is measured.
    pub repetitions: u32,
    /// Passes over 7,500 samples in one measurement, after one that is not counted.
    pub epochs: u32,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// PyTorch's version.
    pub torch_version: String,
    /// One entry a repetition.
    pub repetitions: Vec<Repetition>,
}

/// One turn of each side.
#[derive(Clone, Copy, Debug)]
pub struct Repetition {
    /// Samples that FLTorrent trained for each second of CPU time.
    pub ours: f64,
    /// Samples that PyTorch trained for each second of CPU time.
    pub torch: f64,
}

impl Repetition {
    /// Ours as a multiple of PyTorch's.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ours / self.torch
    }
}

/// A measurement that could not be made.
#[derive(Debug, Error)]
pub enum BenchError {
    /// Our side has no backend.
    #[error("the training benchmark cannot start")]
    Backend(#[from] BackendError),
    /// Our side failed.
    #[error("the training benchmark failed")]
    Train(#[from] TrainError),
    /// The interpreter cannot be run.
    #[error("{}: cannot be run; expected a Python with PyTorch: install python3-torch, or name another interpreter", python.display())]
    Python {
        /// The interpreter.
        python: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The script failed.
    #[error("{}: PyTorch's side failed: {stderr}; expected an interpreter that can import torch: install python3-torch, or name another", python.display())]
    Script {
        /// The interpreter.
        python: PathBuf,
        /// The end of what it said.
        stderr: String,
    },
    /// The script's answer is not what was expected.
    #[error("{}: PyTorch's side answered {answer:?}; expected its version and speed as JSON", python.display())]
    Answer {
        /// The interpreter.
        python: PathBuf,
        /// What it said.
        answer: String,
        /// Why that is no answer.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    version: String,
    samples_per_cpu_second: f64,
}

/// Trains an MLP 784-128-10 with batches of 64 on both sides in turns.
///
/// Our side counts the CPU time of the whole process, so nothing else should run in it.
///
/// # Errors
/// [`BenchError`].
pub fn run(options: &Options) -> Result<Report, BenchError> {
    let mut report = Report {
        torch_version: String::new(),
        repetitions: Vec::new(),
    };
    for _ in 0..options.repetitions {
        let ours = ours(options.epochs)?;
        let answer = torch(&options.python, options.epochs)?;
        report.torch_version = answer.version;
        report.repetitions.push(Repetition {
            ours,
            torch: answer.samples_per_cpu_second,
        });
    }
    Ok(report)
}

fn ours(epochs: u32) -> Result<f64, BenchError> {
    let classes = u32::from(CLASSES);
    let model = ModelPlan::new(Architecture::Mlp {
        widths: vec![INPUTS, HIDDEN, classes],
    });
    let training = TrainingPlan {
        batch_size: BATCH,
        learning_rate: 0.05,
        backend: Backend::Flex,
        threads: 1,
        ..TrainingPlan::default()
    };
    let samples = random_samples();
    let mut trainer = backend::trainer(&model, &training, 1, 0)?;
    trainer.train(&samples, 0)?;
    let start = cpu_seconds();
    for round in 1..=epochs {
        trainer.train(&samples, round)?;
    }
    Ok(SAMPLES as f64 * f64::from(epochs) / (cpu_seconds() - start))
}

/// Noise: what the pixels show does not change the speed.
fn random_samples() -> Samples {
    let mut rng = seeds::rng(1, "train.bench", 0, 0);
    let mut pixels = vec![0; SAMPLES * INPUTS as usize];
    rng.fill_bytes(&mut pixels);
    let mut labels = vec![0; SAMPLES];
    rng.fill_bytes(&mut labels);
    labels.iter_mut().for_each(|label| *label %= CLASSES);
    let inputs = Inputs::Grey {
        levels: pixels,
        white: u8::MAX,
    };
    Samples::new(inputs, labels, 1, INPUTS as usize, u32::from(CLASSES))
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn torch(python: &Path, epochs: u32) -> Result<Answer, BenchError> {
    let python_error = |source| BenchError::Python {
        python: python.to_owned(),
        source,
    };
    let arguments = [
        INPUTS,
        HIDDEN,
        u32::from(CLASSES),
        BATCH,
        SAMPLES as u32,
        epochs,
    ];
    let mut child = Command::new(python)
        .arg("-")
        .args(arguments.map(|value| value.to_string()))
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
            python: python.to_owned(),
            stderr: last,
        });
    }
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    serde_json::from_str(&answer).map_err(|source| BenchError::Answer {
        python: python.to_owned(),
        answer,
        source,
    })
}
