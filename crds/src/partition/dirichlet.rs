//! Dirichlet: label skew as most papers draw it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Facts, Pool, ShardError, proportions};
use crate::{
    family::{Settings, Sketch},
    findings::Findings,
};

/// Each class is divided by a draw from a Dirichlet distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dirichlet {
    /// Concentration: small is skewed, large is even.
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub alpha: f64,
    /// Samples that every peer gets at least; a draw with fewer is drawn again.
    #[serde(default = "proportions::one_sample")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_samples: u32,
}

impl Settings for Dirichlet {
    fn example(sketch: &Sketch) -> Option<Self> {
        Some(Self {
            alpha: 0.5,
            min_samples: proportions::tenth_of_a_share(sketch),
        })
    }

    fn brief(&self) -> Option<String> {
        Some(self.alpha.to_string())
    }
}

impl Division for Dirichlet {
    fn check(&self, facts: &Facts<'_>, findings: &mut Findings) {
        facts.least("dirichlet.minSamples", self.min_samples, findings);
    }

    fn needs_classes(&self) -> bool {
        true
    }

    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        proportions::divide(&pool.classes(), self.alpha, self.min_samples, "dirichlet", pool)
    }
}
