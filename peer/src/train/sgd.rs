use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use fltorrent_crds::{
    plan::{Architecture, ModelPlan, TrainingPlan},
    seeds,
};

use super::{EvalCounts, TrainError, TrainReport, Trainer, mlp};
use crate::data::Samples;

/// Bounds the memory of an evaluation's activations.
const EVALUATION_BATCH: usize = 256;

/// Plain SGD on a burn backend: `parameter −= learning_rate · gradient`, which has no state that could outlive a round.
pub(super) struct Sgd<B: AutodiffBackend> {
    device: B::Device,
    /// Two-dimensional each: a bias `[out]` is kept as `[out, 1]`.
    parameters: Vec<Tensor<B::InnerBackend, 2>>,
    inputs: usize,
    classes: usize,
    seed: u64,
    peer: u32,
    epochs: u32,
    batch: usize,
    learning_rate: f64,
}

impl<B: AutodiffBackend> Sgd<B> {
    /// Starts with all parameters zero.
    pub(super) fn new(model: &ModelPlan, training: &TrainingPlan, seed: u64, peer: u32) -> Self {
        let Architecture::Mlp { widths } = &model.architecture;
        let device = B::Device::default();
        let parameters = widths
            .windows(2)
            .flat_map(|pair| [[pair[1] as usize, pair[0] as usize], [pair[1] as usize, 1]])
            .map(|shape| Tensor::zeros(shape, &device))
            .collect();
        Self {
            parameters,
            device,
            inputs: widths.first().map_or(0, |&width| width as usize),
            classes: widths.last().map_or(0, |&width| width as usize),
            seed,
            peer,
            epochs: training.epochs,
            batch: training.batch_size as usize,
            learning_rate: training.learning_rate,
        }
    }

    fn len(&self) -> usize {
        self.parameters
            .iter()
            .map(|tensor| tensor.shape().num_elements())
            .sum()
    }

    fn check(&self, samples: &Samples) -> Result<(), TrainError> {
        if samples.input_len() == self.inputs && samples.classes() as usize <= self.classes {
            return Ok(());
        }
        Err(TrainError::Samples {
            found_len: samples.input_len(),
            found_classes: samples.classes(),
            expected_len: self.inputs,
            expected_classes: self.classes,
        })
    }

    fn check_len(&self, found: usize) -> Result<(), TrainError> {
        let expected = self.len();
        if found == expected {
            Ok(())
        } else {
            Err(TrainError::Length { found, expected })
        }
    }

    fn images<A: Backend<Device = B::Device>>(
        &self,
        samples: &Samples,
        indices: &[usize],
    ) -> Tensor<A, 2> {
        let pixels = TensorData::new(
            samples.gather(indices),
            [indices.len(), samples.input_len()],
        );
        Tensor::from_data(pixels, &self.device)
    }

    /// Takes one step and gives the batch's mean loss before it.
    fn step(&mut self, samples: &Samples, indices: &[usize]) -> Tensor<B::InnerBackend, 1> {
        let labels: Vec<i32> = indices
            .iter()
            .map(|&index| i32::from(samples.labels()[index]))
            .collect();
        let labels: Tensor<B, 2, Int> =
            Tensor::from_data(TensorData::new(labels, [1, indices.len()]), &self.device);
        let leaves: Vec<Tensor<B, 2>> = self
            .parameters
            .drain(..)
            .map(|tensor| Tensor::from_inner(tensor).require_grad())
            .collect();
        let loss = mlp::cross_entropy(mlp::logits(&leaves, self.images(samples, indices)), labels);
        // Scaled here, where it costs one multiplication, so that the gradients come out as the steps to take.
        let mut steps = (loss.clone() * self.learning_rate).backward();
        self.parameters.extend(leaves.into_iter().map(|leaf| {
            let step = leaf.grad_remove(&mut steps);
            let value = leaf.inner();
            match step {
                Some(step) => value - step,
                None => value,
            }
        }));
        loss.inner()
    }
}

impl<B: AutodiffBackend> Trainer for Sgd<B> {
    fn parameters(&self) -> u64 {
        self.len() as u64
    }

    fn flatten(&self, out: &mut [f32]) -> Result<(), TrainError> {
        self.check_len(out.len())?;
        let mut rest = out;
        for tensor in &self.parameters {
            let data = read(tensor.clone())?;
            let values = data.as_slice::<f32>().map_err(device_error)?;
            let (head, tail) = rest.split_at_mut(values.len());
            head.copy_from_slice(values);
            rest = tail;
        }
        Ok(())
    }

    fn set(&mut self, values: &[f32]) -> Result<(), TrainError> {
        self.check_len(values.len())?;
        let mut rest = values;
        for tensor in &mut self.parameters {
            let shape = tensor.shape();
            let (head, tail) = rest.split_at(shape.num_elements());
            *tensor = Tensor::from_data(TensorData::new(head.to_vec(), shape), &self.device);
            rest = tail;
        }
        Ok(())
    }

    fn train(&mut self, shard: &Samples, round: u32) -> Result<TrainReport, TrainError> {
        self.check(shard)?;
        let mut rng = seeds::rng(self.seed, "train.shuffle", self.peer, round);
        let mut order: Vec<usize> = (0..shard.len()).collect();
        let (mut loss_sum, mut report) = (0.0, TrainReport::default());
        for _ in 0..self.epochs {
            seeds::shuffle(&mut rng, &mut order);
            // Read back once an epoch, so that a device with a queue of its own is not stopped at every step.
            let losses: Vec<_> = order
                .chunks(self.batch)
                .map(|batch| self.step(shard, batch))
                .collect();
            for (loss, batch) in losses.into_iter().zip(order.chunks(self.batch)) {
                let mean = *read(loss)?
                    .as_slice::<f32>()
                    .map_err(device_error)?
                    .first()
                    .unwrap_or(&f32::NAN);
                loss_sum += f64::from(mean) * batch.len() as f64;
                report.samples += batch.len() as u64;
                report.steps += 1;
            }
        }
        if report.samples > 0 {
            report.loss = loss_sum / report.samples as f64;
        }
        if report.loss.is_finite() {
            Ok(report)
        } else {
            Err(TrainError::Diverged {
                round,
                loss: report.loss,
            })
        }
    }

    fn evaluate(&mut self, samples: &Samples) -> Result<EvalCounts, TrainError> {
        self.check(samples)?;
        let indices: Vec<usize> = (0..samples.len()).collect();
        let mut counts = EvalCounts::default();
        for batch in indices.chunks(EVALUATION_BATCH) {
            let logits = mlp::logits(&self.parameters, self.images(samples, batch));
            let data = read(logits.transpose())?;
            let rows = data
                .as_slice::<f32>()
                .map_err(device_error)?
                .chunks_exact(self.classes);
            for (row, &index) in rows.zip(batch) {
                let label = usize::from(samples.labels()[index]);
                counts.total += 1;
                counts.correct += u64::from(first_largest(row) == Some(label));
                counts.loss_sum += cross_entropy(row, label);
            }
        }
        if counts.loss_sum.is_finite() {
            Ok(counts)
        } else {
            Err(TrainError::EvaluationDiverged {
                loss: counts.loss_sum,
            })
        }
    }
}

fn first_largest(logits: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (class, &logit) in logits.iter().enumerate() {
        if best.is_none_or(|(_, largest)| logit > largest) {
            best = Some((class, logit));
        }
    }
    best.map(|(class, _)| class)
}

/// Cross entropy in nats, with the largest logit taken out so that no exponential overflows.
fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|&logit| libm::exp(f64::from(logit - largest)))
        .sum();
    libm::log(sum) - f64::from(logits[label] - largest)
}

fn read<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Result<TensorData, TrainError> {
    tensor.try_into_data().map_err(device_error)
}

fn device_error(error: impl std::fmt::Debug) -> TrainError {
    TrainError::Device {
        reason: format!("{error:?}"),
    }
}
