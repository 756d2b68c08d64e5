//! What is measured, as manifests without training.

use fltorrent_cli::manifest::{ManifestError, Resolved};

use super::super::noise::Noise;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// So much of bare QUIC's payload for each CPU second.
    Cpu(f64),
    /// So much of bare QUIC's payload for each second.
    Speed(f64),
    /// No more memory than the budget and three updates.
    Memory,
}

/// A case as it is written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Name on the command line.
    pub(super) name: &'static str,
    peers: u32,
    update: u64,
    /// `exchange.memoryBudget`.
    budget: &'static str,
    pub(super) target: Option<Target>,
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "mesh",
        peers: 8,
        update: 25_000_000,
        budget: "512Mi",
        target: Some(Target::Cpu(0.75)),
    },
    Case {
        name: "spill",
        peers: 8,
        update: 25_000_000,
        budget: "32Mi",
        target: Some(Target::Cpu(0.65)),
    },
    Case {
        name: "pair",
        peers: 2,
        update: 250_000_000,
        budget: "1Gi",
        target: Some(Target::Speed(0.85)),
    },
    Case {
        name: "memory",
        peers: 8,
        update: 100_000_000,
        budget: "256Mi",
        target: Some(Target::Memory),
    },
];

impl Case {
    /// The same with updates of another size, for which no target is set.
    pub(super) fn with_update(self, update: u64) -> Self {
        Self {
            update,
            target: None,
            ..self
        }
    }

    /// The experiment: rounds whose updates are noise.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(super) fn resolve(&self, rounds: u32, sets: &[(String, String)]) -> Result<Resolved, ManifestError> {
        Noise {
            name: self.name,
            groups: &format!("[{{name: peers, count: {}}}]", self.peers),
            topology: "{type: mesh}",
            update: self.update,
            rounds,
            more: &[("exchange", &format!("{{memoryBudget: {}}}", self.budget))],
        }
        .resolve(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rounds_of_the_mesh_fit_into_memory_and_spill_and_memory_do_not() {
        for case in CASES {
            let plan = case.resolve(2, &[]).unwrap().plan;
            assert_eq!(plan.model.bytes, case.update);
            let held = 2 * plan.model.bytes * plan.peers.len() as u64;
            let fits = held <= plan.exchange.memory_budget;
            assert_eq!(fits, matches!(case.name, "mesh" | "pair"), "{}", case.name);
        }
    }

    #[test]
    fn another_size_has_no_target_and_other_settings_are_read() {
        let case = CASES[0].with_update(4000);
        assert_eq!(case.target, None);
        let sets = [("transport.mtu".to_owned(), "6500".to_owned())];
        let plan = case.resolve(2, &sets).unwrap().plan;
        assert_eq!((plan.model.bytes, plan.transport.mtu), (4000, 6500));
        assert!(CASES[0].with_update(4001).resolve(2, &[]).is_err());
    }
}
