//! The step size of a round.

use super::{Schedule, TrainingPlan};

impl TrainingPlan {
    /// The step size of all steps of `round`.
    ///
    /// In a warm-up of w rounds it is `learning_rate · (round + 1) ÷ (w + 1)`. After it, with t = round − w and T the rounds
    /// that the warm-up leaves: constant gives `learning_rate`; step multiplies it by `factor` to the power of
    /// `⌊t ÷ rounds⌋`; cosine multiplies it by `floor + (1 − floor) · (1 + cos(π · t ÷ T)) ÷ 2`.
    ///
    /// Sources: PyTorch's `StepLR` and `CosineAnnealingLR` with rounds as epochs; I. Loshchilov, F. Hutter, "SGDR: Stochastic
    /// Gradient Descent with Warm Restarts", ICLR 2017, equation 5; P. Goyal et al., "Accurate, Large Minibatch SGD:
    /// Training ImageNet in 1 Hour", 2017, section 2.2, for the warm-up.
    #[must_use]
    pub fn step_size(&self, round: u32) -> f64 {
        let Some(after) = round.checked_sub(self.warmup_rounds) else {
            let part = f64::from(round + 1) / f64::from(self.warmup_rounds + 1);
            return self.learning_rate * part;
        };
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Step { rounds, factor } => {
                self.learning_rate * libm::pow(factor, f64::from(after / rounds.max(1)))
            }
            Schedule::Cosine { floor } => {
                let whole = self.rounds.saturating_sub(self.warmup_rounds).max(1);
                let angle = core::f64::consts::PI * f64::from(after) / f64::from(whole);
                self.learning_rate * (floor + (1.0 - floor) * (1.0 + libm::cos(angle)) / 2.0)
            }
        }
    }
}
