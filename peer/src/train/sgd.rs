mod optimiser;

use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use fltorrent_crds::{
    plan::{ModelPlan, TensorPlan, TrainingPlan},
    seeds,
};

use self::optimiser::Optimiser;
use super::{
    ClassCounts, EvalCounts, TrainError, TrainReport, Trainer,
    layers::LearningBackend,
    network::{self, Network, Parameters},
};
use crate::{data::Samples, pulse::Pulse};

/// SGD on a burn backend, whose state ends with the round.
pub(super) struct Sgd<B: AutodiffBackend, N> {
    network: N,
    model: ModelPlan,
    training: TrainingPlan,
    device: B::Device,
    /// As [`Parameters`] describes them; none before they are set and after they were taken.
    parameters: Vec<Tensor<B::InnerBackend, 2>>,
    seed: u64,
    peer: u32,
    pulse: Pulse,
}

impl<B: LearningBackend, N: Network> Sgd<B, N> {
    /// Starts without parameters.
    pub(super) fn new(network: N, model: &ModelPlan, training: &TrainingPlan, seed: u64, peer: u32) -> Self {
        Self {
            parameters: Vec::new(),
            network,
            model: model.clone(),
            training: training.clone(),
            device: B::Device::default(),
            seed,
            peer,
            pulse: Pulse::default(),
        }
    }

    fn check(&self, samples: &Samples) -> Result<(), TrainError> {
        self.check_set()?;
        let model = &self.model.architecture;
        if samples.input_len() as u64 == model.input_len()
            && samples.classes() <= model.classes()
            && samples.targets() as u64 == model.targets()
        {
            return Ok(());
        }
        Err(TrainError::Samples {
            found_len: samples.input_len() as u64,
            found_classes: samples.classes(),
            found_targets: samples.targets() as u64,
            expected_len: model.input_len(),
            expected_classes: model.classes(),
            expected_targets: model.targets(),
        })
    }

    fn check_set(&self) -> Result<(), TrainError> {
        if self.parameters.len() == self.model.tensors.len() {
            Ok(())
        } else {
            Err(TrainError::Taken)
        }
    }

    fn inputs<A: Backend<Device = B::Device>>(&self, samples: &Samples, indices: &[usize]) -> Tensor<A, 2> {
        let values = TensorData::new(samples.gather(indices), [indices.len(), samples.input_len()]);
        Tensor::from_data(values, &self.device)
    }

    fn labels(&self, samples: &Samples, indices: &[usize]) -> Tensor<B, 2, Int> {
        let labels: Vec<i32> = indices
            .iter()
            .flat_map(|&index| labels(samples, index))
            .map(|&label| i32::from(label))
            .collect();
        let shape = [1, labels.len()];
        Tensor::from_data(TensorData::new(labels, shape), &self.device)
    }

    /// Takes one step and gives the batch's mean loss before it.
    fn step(
        &mut self,
        optimiser: &mut Optimiser<B::InnerBackend>,
        samples: &Samples,
        indices: &[usize],
    ) -> Tensor<B::InnerBackend, 1> {
        let leaves: Vec<Tensor<B, 2>> = self
            .parameters
            .drain(..)
            .map(|tensor| Tensor::from_inner(tensor).require_grad())
            .collect();
        let parameters = Parameters::new(&leaves, &self.model.tensors);
        let logits = self.network.logits(parameters, self.inputs(samples, indices));
        let loss = network::cross_entropy(logits, self.labels(samples, indices));
        // Scaled here, where it costs one multiplication, so that plain gradients come out as the steps to take.
        let mut steps = (loss.clone() * optimiser.step_size()).backward();
        let (values, steps) = leaves
            .into_iter()
            .map(|leaf| {
                let step = leaf.grad_remove(&mut steps);
                (leaf.inner(), step)
            })
            .unzip();
        self.parameters = optimiser.apply(values, steps);
        self.pulse.beat();
        loss.inner()
    }
}

impl<B: LearningBackend, N: Network> Trainer for Sgd<B, N> {
    fn flatten(&self, out: &mut [f32]) -> Result<(), TrainError> {
        let (found, expected) = (out.len(), self.model.parameters as usize);
        if found != expected {
            return Err(TrainError::Length { found, expected });
        }
        self.check_set()?;
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

    fn take_first(&mut self) -> Result<Option<Vec<f32>>, TrainError> {
        if self.parameters.is_empty() {
            return Ok(None);
        }
        let values = read(self.parameters.remove(0))?.into_vec();
        values.map(Some).map_err(device_error)
    }

    fn lengths(&self) -> Vec<usize> {
        let lengths = self.model.tensors.iter().map(TensorPlan::elements);
        lengths.map(|length| length as usize).collect()
    }

    fn push(&mut self, values: Vec<f32>) -> Result<(), TrainError> {
        let tensor = self.model.tensors.get(self.parameters.len());
        let expected = tensor.map_or(0, |tensor| tensor.elements() as usize);
        let Some(tensor) = tensor.filter(|_| values.len() == expected) else {
            let found = values.len();
            return Err(TrainError::Length { found, expected });
        };
        let values = TensorData::new(values, network::matrix_shape(tensor));
        self.parameters.push(Tensor::from_data(values, &self.device));
        Ok(())
    }

    fn tell_steps(&mut self, pulse: Pulse) {
        self.pulse = pulse;
    }

    fn train(&mut self, shard: &Samples, round: u32) -> Result<TrainReport, TrainError> {
        self.check(shard)?;
        let mut rng = seeds::rng(self.seed, "train.shuffle", self.peer, round);
        let mut order: Vec<usize> = (0..shard.len()).collect();
        let (mut loss_sum, mut report) = (0.0, TrainReport::default());
        let mut optimiser = Optimiser::new(&self.training, round, &self.parameters);
        let batch_size = self.training.batch_size as usize;
        for _ in 0..self.training.epochs {
            seeds::shuffle(&mut rng, &mut order);
            // Read back once an epoch, so that a device with a queue of its own is not stopped at every step.
            let losses: Vec<_> = order
                .chunks(batch_size)
                .map(|batch| self.step(&mut optimiser, shard, batch))
                .collect();
            for (loss, batch) in losses.into_iter().zip(order.chunks(batch_size)) {
                let mean = *read(loss)?
                    .as_slice::<f32>()
                    .map_err(device_error)?
                    .first()
                    .unwrap_or(&f32::NAN);
                self.pulse.beat();
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
        if samples.targets() == 1 {
            let classes = samples.classes() as usize;
            counts.classes = vec![ClassCounts::default(); classes];
        }
        for batch in indices.chunks(N::EVALUATION_BATCH) {
            let parameters = Parameters::new(&self.parameters, &self.model.tensors);
            let inputs = self.inputs(samples, batch);
            let data = read(self.network.logits(parameters, inputs).transpose())?;
            let rows = data
                .as_slice::<f32>()
                .map_err(device_error)?
                .chunks_exact(self.model.architecture.classes() as usize);
            self.pulse.beat();
            let labels = batch.iter().flat_map(|&index| labels(samples, index));
            for (row, &label) in rows.zip(labels) {
                let label = usize::from(label);
                let is_right = u64::from(first_largest(row) == Some(label));
                counts.total += 1;
                counts.correct += is_right;
                counts.loss_sum += cross_entropy(row, label);
                if let Some(class) = counts.classes.get_mut(label) {
                    class.total += 1;
                    class.correct += is_right;
                }
            }
        }
        if counts.loss_sum.is_finite() {
            Ok(counts)
        } else {
            Err(TrainError::EvaluationDiverged { loss: counts.loss_sum })
        }
    }
}

/// The labels of one sample.
fn labels(samples: &Samples, index: usize) -> &[u8] {
    let targets = samples.targets();
    &samples.labels()[index * targets..][..targets]
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
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit - largest))).sum();
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
