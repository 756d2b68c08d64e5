//! Initial parameters: drawn in plain Rust from the seed alone, so that every machine and backend starts from the same.

use fltorrent_crds::{plan::ModelPlan, seeds};
use rand_core::Rng;

/// Draws weights and biases from U(−1/√fan_in, 1/√fan_in), as PyTorch's `Linear` does, where fan_in is the width of the
/// layer's input; in declared order.
#[must_use]
pub fn parameters(model: &ModelPlan, seed: u64) -> Vec<f32> {
    let mut rng = seeds::rng(seed, "train.init", 0, 0);
    let mut values = Vec::new();
    let mut bound = 1.0;
    for tensor in &model.tensors {
        // A bias follows its layer's weight and takes that weight's bound.
        if let [_, fan_in] = tensor.shape[..] {
            bound = 1.0 / (fan_in as f64).sqrt();
        }
        let count = tensor.shape.iter().product::<u64>();
        values.extend((0..count).map(|_| (bound * unit(rng.next_u32())) as f32));
    }
    values
}

/// Maps 32 random bits onto −1..1 in steps of 2⁻³¹.
fn unit(bits: u32) -> f64 {
    f64::from(bits) / f64::from(1u32 << 31) - 1.0
}
