//! What is measured: who is wired to whom, over which links, with how large updates.

use fltorrent_crds::{
    BitRate, Plan,
    analysis::{self, Bound, Rates},
};

use super::lab::Link;
use crate::manifest::{ManifestError, Resolved};

/// Links of machines: so many with the same one, then so many with another one.
type Links = &'static [(u32, u32, u32)];

/// A case as it is written down: links are machines, Mbit/s up and Mbit/s down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Its name on the command line.
    pub(super) name: &'static str,
    topology: &'static str,
    update: u64,
    links: Links,
    /// The most that the time may be of the least possible one.
    pub(super) target: f64,
}

const TENS: Links = &[(8, 10, 10)];

/// All cases.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "mesh",
        topology: "{type: mesh}",
        update: 2_500_000,
        links: TENS,
        target: 1.12,
    },
    Case {
        name: "ring",
        topology: "{type: ring}",
        update: 1_000_000,
        links: TENS,
        target: 1.12,
    },
    Case {
        name: "star",
        topology: "{type: star}",
        update: 1_000_000,
        links: TENS,
        target: 1.07,
    },
    Case {
        name: "tree",
        topology: "{type: tree, tree: {arity: 2}}",
        update: 1_000_000,
        links: TENS,
        target: 1.09,
    },
    Case {
        name: "unequal",
        topology: "{type: mesh}",
        update: 2_500_000,
        links: &[(6, 20, 20), (2, 5, 20)],
        target: 1.20,
    },
    Case {
        name: "regular",
        topology: "{type: randomRegular, randomRegular: {degree: 4}}",
        update: 1_000_000,
        links: &[(16, 10, 10)],
        target: 1.15,
    },
];

impl Case {
    /// The same with updates of another size.
    pub(super) fn with_update(self, update: u64) -> Self {
        Self { update, ..self }
    }

    /// The link of every machine.
    pub(super) fn links(&self) -> Vec<Link> {
        let same = |&(count, up, down): &(u32, u32, u32)| {
            let link = Link {
                up: BitRate::megabits(up),
                down: BitRate::megabits(down),
            };
            std::iter::repeat_n(link, count as usize)
        };
        self.links.iter().flat_map(same).collect()
    }

    /// The experiment without training: rounds whose updates are noise.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(super) fn resolve(
        &self,
        rounds: u32,
        sets: &[(String, String)],
    ) -> Result<Resolved, ManifestError> {
        let text = format!(
            "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: {}}}
spec:
  groups: [{{name: peers, count: {}}}]
  topology: {}
  model: {{type: custom, custom: {{name: synthetic, settings: {{bytes: {}}}}}}}
  data: {{type: digits, partition: {{type: iid}}}}
  training: {{rounds: {rounds}}}
",
            self.name,
            self.links().len(),
            self.topology,
            self.update
        );
        Resolved::from_text(&text, sets)
    }

    /// Bytes of an update.
    pub(super) fn update(&self) -> u64 {
        self.update
    }

    /// Bytes that have to be received in one round, by all peers together.
    pub(super) fn payload(&self) -> u64 {
        let peers = self.links().len() as u64;
        peers * (peers - 1) * self.update
    }

    /// The least time of a round.
    pub(super) fn bound(&self, plan: &Plan) -> Bound {
        let links = self.links();
        analysis::exchange_bound(plan, &analysis::wiring(plan), |peer| {
            let link = links[peer as usize];
            Rates {
                up: link.up.bytes(),
                down: link.down.bytes(),
            }
        })
    }

    /// What it is, in a few words.
    pub(super) fn describe(&self) -> String {
        let links: Vec<String> = self
            .links
            .iter()
            .map(|(count, up, down)| format!("{count} × {up}/{down} Mbit/s"))
            .collect();
        format!(
            "{}, {} MB, {}",
            self.name,
            self.update as f64 / 1e6,
            links.join(" and ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_an_experiment_with_the_bound_of_its_topology() {
        // By hand: (n − 1)S/u, (n − 1)²S/u at the centre, (2n + 1)S/u inside a binary tree, n(n − 1)S/Σu.
        let expected = [14.0, 5.6, 39.2, 13.6, 8.615, 12.0];
        for (case, expected) in CASES.iter().zip(expected) {
            let plan = case.resolve(2, &[]).unwrap().plan;
            assert_eq!(plan.model.bytes, case.update());
            assert_eq!(plan.peers.len(), case.links().len());
            let seconds = case.bound(&plan).seconds;
            assert!(
                (seconds - expected).abs() < 1e-3,
                "{}: {seconds}",
                case.name
            );
        }
    }
}
