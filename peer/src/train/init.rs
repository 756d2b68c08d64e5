//! Initial parameters: drawn in plain Rust from the seed alone, so that every machine and backend starts from the same.

use fltorrent_crds::{
    plan::{ModelPlan, Start},
    seeds,
};
use rand_core::Rng;

/// Draws the parameters in declared order, each tensor as its [`Start`] says.
#[must_use]
pub fn parameters(model: &ModelPlan, seed: u64) -> Vec<f32> {
    let mut rng = seeds::rng(seed, "train.init", 0, 0);
    let mut values = Vec::with_capacity(model.parameters as usize);
    let mut bound = 1.0;
    for tensor in &model.tensors {
        // A bias follows its layer's weight and takes that weight's bound.
        if let [_, fan_in @ ..] = &tensor.shape[..]
            && !fan_in.is_empty()
        {
            bound = 1.0 / (fan_in.iter().product::<u64>() as f64).sqrt();
        }
        let mut draw = || match tensor.start {
            Start::FanIn => (bound * symmetric(rng.next_u32())) as f32,
            Start::Normal => seeds::normal(&mut rng) as f32,
            Start::Ones => 1.0,
            Start::Zeros => 0.0,
        };
        values.extend((0..tensor.elements()).map(|_| draw()));
    }
    values
}

/// Maps 32 random bits onto −1..1 in steps of 2⁻³¹.
fn symmetric(bits: u32) -> f64 {
    f64::from(bits) / f64::from(1u32 << 31) - 1.0
}
