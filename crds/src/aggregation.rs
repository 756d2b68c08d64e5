//! How updates are aggregated.

mod fedavg;
mod fedprox;

use crate::family::family;
pub use fedavg::Fedavg;
pub use fedprox::Fedprox;

family! {
    /// How updates are aggregated.
    #[derive(Copy)]
    pub enum Aggregation: dyn Rule, default "fedavg" {
        "fedavg" => Fedavg,
        "fedprox" => Fedprox,
    }
}

impl Default for Aggregation {
    fn default() -> Self {
        Fedavg.into()
    }
}

/// What a rule says of training and of what peers compute.
pub(crate) trait Rule {
    /// What is computed of the updates.
    fn combination(&self) -> Aggregation;

    /// FedProx's mu, see [`crate::plan::TrainingPlan::proximal`].
    fn proximal(&self) -> f64 {
        0.0
    }
}
