//! From a gradient to the step that the parameters make.

use burn::tensor::{Tensor, backend::Backend};
use fltorrent_crds::plan::TrainingPlan;

/// The optimiser of one round.
///
/// With g the gradient of the loss, w the parameters, w₀ those at the start of the round and η the round's step size, a
/// step is: g ← g + μ·(w − w₀) (FedProx: T. Li et al., "Federated Optimization in Heterogeneous Networks", MLSys 2020,
/// equation 2); g ← g · min(1, clip ÷ (‖g‖ + 10⁻⁶)) over all parameters (PyTorch's `clip_grad_norm_`); g ← g + decay·w;
/// v ← momentum·v + g, where v starts as g; w ← w − η·v (PyTorch's `SGD` without dampening).
///
/// η is the same for all steps of a round, so gradients come in multiplied by it and everything that is added to them is
/// too; this saves a pass over the parameters.
pub(super) struct Optimiser<B: Backend> {
    step_size: f64,
    momentum: f64,
    weight_decay: f64,
    clip_norm: Option<f64>,
    proximal: f64,
    /// w₀; empty without a proximal term.
    anchors: Vec<Tensor<B, 2>>,
    /// η·v by parameter; empty without momentum.
    velocities: Vec<Option<Tensor<B, 2>>>,
}

impl<B: Backend> Optimiser<B> {
    pub(super) fn new(training: &TrainingPlan, round: u32, parameters: &[Tensor<B, 2>]) -> Self {
        let (anchored, rolling) = (training.proximal > 0.0, training.momentum > 0.0);
        Self {
            step_size: training.step_size(round),
            momentum: training.momentum,
            weight_decay: training.weight_decay,
            clip_norm: training.clip_norm,
            proximal: training.proximal,
            anchors: if anchored { parameters.to_vec() } else { Vec::new() },
            velocities: vec![None; if rolling { parameters.len() } else { 0 }],
        }
    }

    /// The factor of a loss before its gradients are taken.
    pub(super) fn step_size(&self) -> f64 {
        self.step_size
    }

    /// Moves the parameters by their gradients, each multiplied by [`Optimiser::step_size`]. A parameter without a gradient
    /// stays.
    pub(super) fn apply(
        &mut self,
        values: Vec<Tensor<B, 2>>,
        mut gradients: Vec<Option<Tensor<B, 2>>>,
    ) -> Vec<Tensor<B, 2>> {
        self.hold(&values, &mut gradients);
        self.clip(&mut gradients);
        let pairs = values.into_iter().zip(gradients).enumerate();
        pairs
            .map(|(index, (value, gradient))| match gradient {
                Some(gradient) => {
                    let step = self.roll(index, self.decay(gradient, &value));
                    value - step
                }
                None => value,
            })
            .collect()
    }

    fn hold(&self, values: &[Tensor<B, 2>], gradients: &mut [Option<Tensor<B, 2>>]) {
        let strength = self.step_size * self.proximal;
        for ((gradient, value), anchor) in gradients.iter_mut().zip(values).zip(&self.anchors) {
            *gradient = gradient
                .take()
                .map(|gradient| gradient + (value.clone() - anchor.clone()) * strength);
        }
    }

    fn clip(&self, gradients: &mut [Option<Tensor<B, 2>>]) {
        let Some(most) = self.clip_norm else {
            return;
        };
        // By rows first: flex divides the sum of a whole large tensor among threads in no fixed order.
        let squares = gradients.iter().flatten().map(|gradient| {
            let squares = gradient.clone() * gradient.clone();
            squares.sum_dim(1).sum()
        });
        let Some(sum) = squares.reduce(|sum, square| sum + square) else {
            return;
        };
        let norm = sum.sqrt() / self.step_size;
        let factor = ((norm + 1e-6).recip() * most).clamp_max(1.0).reshape([1, 1]);
        for gradient in gradients.iter_mut() {
            *gradient = gradient.take().map(|gradient| gradient * factor.clone());
        }
    }

    fn decay(&self, gradient: Tensor<B, 2>, value: &Tensor<B, 2>) -> Tensor<B, 2> {
        if self.weight_decay == 0.0 {
            return gradient;
        }
        gradient + value.clone() * (self.step_size * self.weight_decay)
    }

    fn roll(&mut self, index: usize, gradient: Tensor<B, 2>) -> Tensor<B, 2> {
        let Some(velocity) = self.velocities.get_mut(index) else {
            return gradient;
        };
        let rolled = match velocity.take() {
            Some(velocity) => velocity * self.momentum + gradient,
            None => gradient,
        };
        *velocity = Some(rolled.clone());
        rolled
    }
}
