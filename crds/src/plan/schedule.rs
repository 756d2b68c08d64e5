//! The step size of a round.

use super::TrainingPlan;

impl TrainingPlan {
    /// The step size of all steps of `round`.
    ///
    /// In a warm-up of w rounds it is `learning_rate · (round + 1) ÷ (w + 1)`: P. Goyal et al., "Accurate, Large Minibatch SGD:
    /// Training ImageNet in 1 Hour", 2017, section 2.2. After it the schedule says what the learning rate is multiplied by.
    #[must_use]
    pub fn step_size(&self, round: u32) -> f64 {
        let Some(after) = round.checked_sub(self.warmup_rounds) else {
            let part = f64::from(round + 1) / f64::from(self.warmup_rounds + 1);
            return self.learning_rate * part;
        };
        let whole = self.rounds.saturating_sub(self.warmup_rounds).max(1);
        self.learning_rate * self.schedule.as_dyn().factor(after, whole)
    }
}
