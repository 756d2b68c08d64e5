//! Schedule of the learning rate over the rounds.

mod constant;
mod cosine;
mod linear;
mod step;

use crate::{family::family, findings::Findings};
pub use constant::Constant;
pub use cosine::Cosine;
pub use linear::Linear;
pub use step::Step;

family! {
    /// Schedule of the learning rate over the rounds.
    #[derive(Copy)]
    pub enum Schedule: dyn Decay, default "constant" {
        "constant" => Constant,
        "step" => Step,
        "cosine" => Cosine,
        "linear" => Linear,
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Constant.into()
    }
}

/// What a schedule is asked.
pub(crate) trait Decay {
    /// What the learning rate is multiplied by in round `round` of `rounds`, both counted from the end of the warm-up.
    fn factor(&self, round: u32, rounds: u32) -> f64;

    /// Whether another number of rounds is another schedule, so that a run cannot go on with more of them.
    fn ends_with_the_run(&self) -> bool {
        false
    }

    /// Adds what is possible in so many rounds after the warm-up, but probably not meant.
    fn check(&self, _rounds: u32, _findings: &mut Findings) {}
}

impl Schedule {
    /// Whether another number of rounds is another schedule.
    pub fn ends_with_the_run(&self) -> bool {
        self.as_dyn().ends_with_the_run()
    }
}
