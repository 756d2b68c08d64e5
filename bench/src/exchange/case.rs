//! What is measured: who is wired to whom, over which links, with how large updates.

use fltorrent_cli::manifest::{ManifestError, Resolved};
use fltorrent_crds::{
    BitRate, Plan,
    analysis::{self, Rates},
};
use fltorrent_optimum::{self as optimum, LeastTime};

use super::{super::noise::Noise, lab::Link};

/// Kinds of links: of so many of all parts of the machines, Mbit/s up and Mbit/s down.
type Links = &'static [(u32, u32, u32)];

/// A case as it is written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    /// Name on the command line.
    pub(super) name: &'static str,
    /// How so many machines are wired, as a manifest says it.
    topology: fn(u32) -> &'static str,
    pub(super) machines: u32,
    update: u64,
    links: Links,
    /// Delay and loss that the peers' processes emulate; none: the kernel shapes the links.
    way: Option<Way>,
    /// The most that the time may be of the least possible one.
    pub(super) target: Option<f64>,
}

const MESH: &str = "{type: mesh}";
const TENS: Links = &[(1, 10, 10)];

/// The way from a peer to another one.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Milliseconds.
    delay: u32,
    /// Percent.
    loss: u32,
}

const FAR: Option<Way> = Some(Way { delay: 50, loss: 0 });
const LOSSY: Option<Way> = Some(Way { delay: 5, loss: 1 });
/// Rate of the kernel's links where the peers' processes emulate slower ones, Mbit/s.
const WIDE: u32 = 10_000;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "mesh",
        topology: |_| MESH,
        machines: 8,
        update: 2_500_000,
        links: TENS,
        way: None,
        target: Some(1.12),
    },
    Case {
        name: "ring",
        topology: |_| "{type: ring}",
        machines: 8,
        update: 1_000_000,
        links: TENS,
        way: None,
        target: Some(1.12),
    },
    Case {
        name: "star",
        topology: |_| "{type: star}",
        machines: 8,
        update: 1_000_000,
        links: TENS,
        way: None,
        target: Some(1.07),
    },
    Case {
        name: "tree",
        topology: |_| "{type: tree, tree: {arity: 2}}",
        machines: 8,
        update: 1_000_000,
        links: TENS,
        way: None,
        target: Some(1.09),
    },
    Case {
        name: "unequal",
        topology: |_| MESH,
        machines: 8,
        update: 2_500_000,
        links: &[(6, 20, 20), (2, 5, 20)],
        way: None,
        target: Some(1.20),
    },
    Case {
        name: "regular",
        topology: |machines| match machines {
            // With fewer, all neighbours are too few.
            ..=4 => MESH,
            _ => "{type: randomRegular, randomRegular: {degree: 4}}",
        },
        machines: 16,
        update: 1_000_000,
        links: TENS,
        way: None,
        target: Some(1.15),
    },
    Case {
        name: "mesh-far",
        topology: |_| MESH,
        machines: 8,
        update: 2_500_000,
        links: TENS,
        way: FAR,
        target: Some(1.20),
    },
    Case {
        name: "ring-far",
        topology: |_| "{type: ring}",
        machines: 8,
        update: 1_000_000,
        links: TENS,
        way: FAR,
        target: Some(1.20),
    },
    Case {
        name: "mesh-lossy",
        topology: |_| MESH,
        machines: 8,
        update: 2_500_000,
        links: TENS,
        way: LOSSY,
        target: Some(1.25),
    },
    Case {
        name: "ring-lossy",
        topology: |_| "{type: ring}",
        machines: 8,
        update: 1_000_000,
        links: TENS,
        way: LOSSY,
        target: Some(1.25),
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

    /// The same with so many machines, for which no target is set.
    pub(super) fn with_machines(self, machines: u32) -> Self {
        Self {
            machines,
            target: None,
            ..self
        }
    }

    /// How many machines have a link of each kind, Mbit/s up and Mbit/s down; what does not go into the parts is of the first.
    fn kinds(&self) -> Vec<(u32, u32, u32)> {
        let parts: u32 = self.links.iter().map(|(share, ..)| share).sum();
        let of = |&(share, up, down): &(u32, u32, u32)| (self.machines * share / parts, up, down);
        let mut kinds: Vec<_> = self.links.iter().map(of).collect();
        let counted: u32 = kinds.iter().map(|(count, ..)| count).sum();
        if let Some((count, ..)) = kinds.first_mut() {
            *count += self.machines - counted;
        }
        kinds
    }

    /// True if the peers' processes emulate the links; what does not go through them cannot be measured then.
    pub(super) fn is_emulated(&self) -> bool {
        self.way.is_some()
    }

    /// The link of every peer.
    pub(super) fn links(&self) -> Vec<Link> {
        let same = |(count, up, down): (u32, u32, u32)| std::iter::repeat_n(link(up, down), count as usize);
        self.kinds().into_iter().flat_map(same).collect()
    }

    /// The link that the kernel gives every machine.
    pub(super) fn kernel_links(&self) -> Vec<Link> {
        let links = self.links();
        if self.is_emulated() {
            vec![link(WIDE, WIDE); links.len()]
        } else {
            links
        }
    }

    /// The groups of the manifest: one for each kind of link, with its link where the peers' processes emulate it.
    fn groups(&self) -> String {
        let group = |(index, &(count, up, down)): (usize, &(u32, u32, u32))| {
            let network = self.way.map_or_else(String::new, |Way { delay, loss }| {
                format!(", network: {{up: {up}Mbit, down: {down}Mbit, delay: {delay}ms, loss: {loss}%}}")
            });
            format!("{{name: peers-{index}, count: {count}{network}}}")
        };
        let kinds = self.kinds();
        let there = kinds.iter().enumerate().filter(|(_, kind)| kind.0 > 0);
        let groups: Vec<String> = there.map(group).collect();
        format!("[{}]", groups.join(", "))
    }

    /// The experiment without training: rounds whose updates are noise.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(super) fn resolve(&self, rounds: u32, sets: &[(String, String)]) -> Result<Resolved, ManifestError> {
        Noise {
            name: self.name,
            groups: &self.groups(),
            topology: (self.topology)(self.machines),
            update: self.update,
            rounds,
            more: &[],
        }
        .resolve(sets)
    }

    pub(super) fn update(&self) -> u64 {
        self.update
    }

    /// Bytes that have to be received in one round, by all peers together.
    pub(super) fn payload(&self) -> u64 {
        let peers = u64::from(self.machines);
        peers * (peers - 1) * self.update
    }

    pub(super) fn bound(&self, plan: &Plan) -> LeastTime {
        let links = self.links();
        optimum::least_time(plan, &analysis::wiring(plan), |peer| {
            let link = links[peer as usize];
            Rates {
                up: link.up.bytes(),
                down: link.down.bytes(),
            }
        })
    }

    /// A description in a few words.
    pub(super) fn describe(&self) -> String {
        let links: Vec<String> = self
            .kinds()
            .iter()
            .map(|(count, up, down)| format!("{count} × {up}/{down} Mbit/s"))
            .collect();
        let way = self.way.map_or_else(String::new, |Way { delay, loss }| {
            format!(", {delay} ms one way, {loss} % lost, emulated")
        });
        format!(
            "{}, {} MB, {}{way}",
            self.name,
            self.update as f64 / 1e6,
            links.join(" and ")
        )
    }
}

fn link(up: u32, down: u32) -> Link {
    Link {
        up: BitRate::megabits(up),
        down: BitRate::megabits(down),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_an_experiment_with_the_bound_of_its_topology() {
        // By hand: (n − 1)S/u, (n − 1)²S/u at the centre, (2n + 1)S/u inside a binary tree, n(n − 1)S/Σu.
        let expected = [14.0, 5.6, 39.2, 13.6, 8.615, 12.0, 14.0, 5.6, 14.0, 5.6];
        for (case, expected) in CASES.iter().zip(expected) {
            let plan = case.resolve(2, &[]).unwrap().plan;
            assert_eq!(plan.model.bytes, case.update());
            assert_eq!(plan.peers.len(), case.links().len());
            let is_emulated = plan.peers.iter().all(|peer| peer.link.is_some());
            assert_eq!(is_emulated, case.is_emulated());
            if let Some(rates) = analysis::declared_rates(&plan) {
                let wiring = analysis::wiring(&plan);
                let declared = optimum::least_time(&plan, &wiring, |peer| rates[peer as usize]);
                assert_eq!(declared, case.bound(&plan));
            }
            let bound = case.bound(&plan);
            assert!(bound.is_optimum);
            let seconds = bound.seconds;
            assert!((seconds - expected).abs() < 1e-3, "{}: {seconds}", case.name);
        }
    }

    #[test]
    fn any_number_of_machines_has_links_of_the_same_kinds_and_no_target() {
        for case in CASES {
            for machines in [3, 4, 8, 13, 32, 100] {
                let case = case.with_machines(machines);
                assert_eq!((case.links().len() as u32, case.target), (machines, None));
                assert_eq!(case.resolve(2, &[]).unwrap().plan.peers.len() as u32, machines);
            }
        }
        let unequal = CASES.iter().find(|case| case.name == "unequal").unwrap();
        assert_eq!(unequal.kinds(), [(6, 20, 20), (2, 5, 20)]);
        assert_eq!(unequal.with_machines(13).kinds(), [(10, 20, 20), (3, 5, 20)]);
    }
}
