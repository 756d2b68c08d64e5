//! A network that learns nothing, to measure the exchange alone: its update is noise of a given size.

use fltorrent_crds::{
    FieldError,
    catalogue::Task,
    plan::{Start, TensorPlan},
    seeds,
};
use rand_core::Rng;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    BackendError, EvalCounts, TrainError, TrainReport, Trainer, backend,
    own::{AnyNetwork, Order},
};
use crate::{data::Samples, guard};

/// Its name in a manifest: `model: {type: custom, custom: {name: synthetic, settings: {bytes: 2500000}}}`.
pub(crate) const NAME: &str = "synthetic";
/// The one network of this kind.
pub(crate) const NETWORK: &dyn AnyNetwork = &Synthetic;
/// Bytes of a parameter.
const PARAMETER: u64 = size_of::<f32>() as u64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Size of an update.
    bytes: u64,
}

struct Synthetic;

impl AnyNetwork for Synthetic {
    fn tensors(&self, settings: &Map<String, Value>, _task: &Task) -> Result<Vec<TensorPlan>, FieldError> {
        let Settings { bytes } = guard::settings(settings)?;
        if bytes == 0 || !bytes.is_multiple_of(PARAMETER) {
            return Err(FieldError::new(
                "bytes",
                format!("{bytes} bytes"),
                "a multiple of 4, the bytes of a parameter, above 0",
            ));
        }
        Ok(vec![TensorPlan {
            name: "noise".to_owned(),
            shape: vec![bytes / PARAMETER],
            start: Start::Zeros,
        }])
    }

    fn trainer(&self, order: Order<'_>) -> Result<Box<dyn Trainer>, BackendError> {
        let tensors = self
            .tensors(order.settings, order.task)
            .map_err(|source| BackendError::Settings {
                name: NAME.to_owned(),
                source,
            })?;
        backend::check_tensors(order.model, &tensors)?;
        Ok(Box::new(Noise {
            values: None,
            length: order.model.parameters as usize,
            seed: order.seed,
            peer: order.peer,
        }))
    }
}

/// The trainer of noise.
struct Noise {
    values: Option<Vec<f32>>,
    length: usize,
    seed: u64,
    peer: u32,
}

impl Trainer for Noise {
    fn flatten(&self, out: &mut [f32]) -> Result<(), TrainError> {
        let values = self.values.as_ref().ok_or(TrainError::Taken)?;
        if out.len() != values.len() {
            return Err(TrainError::Length {
                found: out.len(),
                expected: values.len(),
            });
        }
        out.copy_from_slice(values);
        Ok(())
    }

    fn take_first(&mut self) -> Result<Option<Vec<f32>>, TrainError> {
        Ok(self.values.take())
    }

    fn lengths(&self) -> Vec<usize> {
        vec![self.length]
    }

    fn push(&mut self, values: Vec<f32>) -> Result<(), TrainError> {
        let expected = if self.values.is_none() { self.length } else { 0 };
        if values.len() != expected {
            return Err(TrainError::Length {
                found: values.len(),
                expected,
            });
        }
        self.values = Some(values);
        Ok(())
    }

    /// Replaces every value by one drawn from the seed, the peer and the round, uniform in 0..1.
    fn train(&mut self, shard: &Samples, round: u32) -> Result<TrainReport, TrainError> {
        let values = self.values.as_mut().ok_or(TrainError::Taken)?;
        let mut rng = seeds::rng(self.seed, "train.synthetic", self.peer, round);
        for value in values {
            // The 24 bits that an f32 keeps exactly.
            *value = (rng.next_u32() >> 8) as f32 / (1 << 24) as f32;
        }
        Ok(TrainReport {
            loss: 0.0,
            samples: shard.len() as u64,
            steps: 1,
        })
    }

    /// Nothing is ever right.
    fn evaluate(&mut self, samples: &Samples) -> Result<EvalCounts, TrainError> {
        Ok(EvalCounts {
            correct: 0,
            total: samples.labels().len() as u64,
            loss_sum: 0.0,
            classes: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Inputs;

    fn settings(bytes: &Value) -> Map<String, Value> {
        Map::from_iter([("bytes".to_owned(), bytes.clone())])
    }

    fn task() -> Task {
        Task {
            input_shape: vec![2],
            classes: 2,
            targets: 1,
        }
    }

    #[test]
    fn an_update_has_the_size_that_is_asked_for_and_others_are_refused() {
        let tensors = Synthetic.tensors(&settings(&4000.into()), &task()).unwrap();
        assert_eq!(tensors[0].shape, [1000]);
        for wrong in [0, 3, 4001] {
            let error = Synthetic.tensors(&settings(&wrong.into()), &task()).unwrap_err();
            assert_eq!(error.path, "bytes", "{error:?}");
        }
        for wrong in [Value::from("many"), Value::from(-4), Value::Null] {
            assert!(Synthetic.tensors(&settings(&wrong), &task()).is_err());
        }
        let mut unknown = settings(&4000.into());
        unknown.insert("byte".to_owned(), 1.into());
        assert!(Synthetic.tensors(&unknown, &task()).is_err());
    }

    #[test]
    fn noise_follows_from_seed_peer_and_round() {
        let samples = Samples::new(Inputs::Numbers(vec![0.0, 1.0]), vec![1], 1, 2, 2);
        let trained = |peer, round| {
            let mut noise = Noise {
                values: None,
                length: 100,
                seed: 7,
                peer,
            };
            assert!(matches!(noise.train(&samples, 0), Err(TrainError::Taken)));
            noise.set(&[0.0; 100]).unwrap();
            noise.train(&samples, round).unwrap();
            let mut values = vec![0.0; 100];
            noise.flatten(&mut values).unwrap();
            assert!(noise.flatten(&mut [0.0]).is_err());
            assert!(noise.push(vec![0.0; 100]).is_err(), "it has a model already");
            assert_eq!(noise.take_first().unwrap(), Some(values.clone()));
            assert_eq!(noise.take_first().unwrap(), None);
            values
        };
        let first = trained(1, 1);
        assert_eq!(first, trained(1, 1));
        assert_ne!(first, trained(2, 1));
        assert_ne!(first, trained(1, 2));
        assert!(first.iter().all(|value| (0.0..1.0).contains(value)));
    }
}
