//! The cases that have a name: who is wired to whom, over which links, with how large updates.

use super::{
    case::{Case, Way, custom},
    lab::Link,
};

/// A case as it is written down.
#[derive(Debug)]
pub(super) struct Definition {
    /// Name on the command line.
    pub(super) name: &'static str,
    wiring: Wiring,
    machines: u32,
    update: u64,
    /// The link of every one of so many machines.
    links: fn(u32) -> Vec<Link>,
    way: Option<Way>,
    /// The most that the time may be of the least possible one.
    target: f64,
}

/// How machines are wired, as a manifest says it.
#[derive(Debug)]
enum Wiring {
    /// Any number of them.
    Any(fn(u32) -> &'static str),
    /// Only as many as the case has.
    Fixed(fn() -> String),
}

const MESH: Wiring = Wiring::Any(|_| "{type: mesh}");
const RING: Wiring = Wiring::Any(|_| "{type: ring}");
const TREE: Wiring = Wiring::Any(|_| "{type: tree, tree: {arity: 2}}");

const FAR: Option<Way> = Some(Way { delay: 50, loss: 0 });
const LOSSY: Option<Way> = Some(Way { delay: 5, loss: 1 });

/// What most cases have.
const USUAL: Definition = Definition {
    name: "",
    wiring: RING,
    machines: 8,
    update: 1_000_000,
    links: tens,
    way: None,
    target: 1.0,
};

pub(super) const CASES: &[Definition] = &[
    Definition {
        name: "mesh",
        wiring: MESH,
        update: 2_500_000,
        target: 1.09,
        ..USUAL
    },
    Definition {
        name: "ring",
        target: 1.09,
        ..USUAL
    },
    Definition {
        name: "star",
        wiring: Wiring::Any(|_| "{type: star}"),
        target: 1.06,
        ..USUAL
    },
    Definition {
        name: "tree",
        wiring: TREE,
        target: 1.07,
        ..USUAL
    },
    Definition {
        name: "unequal",
        wiring: MESH,
        update: 2_500_000,
        links: a_quarter_slow,
        target: 1.10,
        ..USUAL
    },
    Definition {
        name: "regular",
        wiring: Wiring::Any(|machines| match machines {
            // With fewer, all neighbours are too few.
            ..=4 => "{type: mesh}",
            _ => "{type: randomRegular, randomRegular: {degree: 4}}",
        }),
        machines: 16,
        target: 1.09,
        ..USUAL
    },
    Definition {
        name: "barbell",
        wiring: Wiring::Fixed(|| custom(&bridged(&[5, 5]))),
        machines: 10,
        target: 1.20,
        ..USUAL
    },
    Definition {
        name: "cliques",
        wiring: Wiring::Fixed(|| custom(&bridged(&[5, 5, 5]))),
        machines: 15,
        target: 1.20,
        ..USUAL
    },
    Definition {
        name: "clusters",
        wiring: Wiring::Fixed(|| custom(&bridged(&[3, 5, 8]))),
        machines: 16,
        target: 1.25,
        ..USUAL
    },
    Definition {
        name: "hypercube-slow",
        wiring: Wiring::Fixed(|| "{type: hypercube}".to_owned()),
        links: one_slow,
        target: 1.15,
        ..USUAL
    },
    Definition {
        name: "mesh-slow",
        wiring: MESH,
        links: one_slow,
        target: 1.20,
        ..USUAL
    },
    Definition {
        name: "mesh-small",
        wiring: MESH,
        machines: 12,
        update: 64_000,
        target: 1.35,
        ..USUAL
    },
    Definition {
        name: "petersen",
        wiring: Wiring::Fixed(|| custom(&petersen())),
        machines: 10,
        target: 1.10,
        ..USUAL
    },
    Definition {
        name: "unequal-ring",
        machines: 13,
        links: all_different,
        target: 1.10,
        ..USUAL
    },
    Definition {
        name: "tree-15",
        wiring: TREE,
        machines: 15,
        target: 1.10,
        ..USUAL
    },
    Definition {
        name: "mesh-far",
        wiring: MESH,
        update: 2_500_000,
        way: FAR,
        target: 1.12,
        ..USUAL
    },
    Definition {
        name: "ring-far",
        way: FAR,
        target: 1.12,
        ..USUAL
    },
    Definition {
        name: "mesh-lossy",
        wiring: MESH,
        update: 2_500_000,
        way: LOSSY,
        target: 1.12,
        ..USUAL
    },
    Definition {
        name: "ring-lossy",
        way: LOSSY,
        target: 1.12,
        ..USUAL
    },
];

impl Definition {
    /// The case with the machines that its target is for.
    pub(super) fn case(&self) -> Case {
        self.of(self.machines, Some(self.target))
    }

    /// The same with so many machines, for which no target is set; none if it cannot have another number.
    pub(super) fn with_machines(&self, machines: u32) -> Option<Case> {
        self.can_grow().then(|| self.of(machines, None))
    }

    pub(super) fn can_grow(&self) -> bool {
        matches!(self.wiring, Wiring::Any(_))
    }

    fn of(&self, machines: u32, target: Option<f64>) -> Case {
        Case {
            name: self.name.to_owned(),
            topology: match self.wiring {
                Wiring::Any(topology) => topology(machines).to_owned(),
                Wiring::Fixed(topology) => topology(),
            },
            update: self.update,
            links: (self.links)(machines),
            way: self.way,
            queue: None,
            target,
            is_random: false,
        }
    }
}

/// Meshes of so many machines each; the last machine of one is wired to the first of the next.
fn bridged(sizes: &[u32]) -> Vec<[u32; 2]> {
    let mut edges = Vec::new();
    let mut first = 0;
    for size in sizes {
        if first > 0 {
            edges.push([first - 1, first]);
        }
        let end = first + size;
        edges.extend((first..end).flat_map(|a| (a + 1..end).map(move |b| [a, b])));
        first = end;
    }
    edges
}

/// The Petersen graph: a ring of five, a star of five, and a spoke between each two.
fn petersen() -> Vec<[u32; 2]> {
    (0..5)
        .flat_map(|at| [[at, (at + 1) % 5], [at, at + 5], [at + 5, (at + 2) % 5 + 5]])
        .collect()
}

fn tens(machines: u32) -> Vec<Link> {
    vec![Link::megabits(10, 10); machines as usize]
}

/// The last quarter has slow uplinks.
fn a_quarter_slow(machines: u32) -> Vec<Link> {
    let slow = machines / 4;
    let mut links = vec![Link::megabits(20, 20); (machines - slow) as usize];
    links.resize(machines as usize, Link::megabits(5, 20));
    links
}

/// Peer 3, or the last one of fewer, has a slow uplink.
fn one_slow(machines: u32) -> Vec<Link> {
    let slow = 3.min(machines - 1);
    let up = |peer| if peer == slow { 2 } else { 10 };
    (0..machines).map(|peer| Link::megabits(up(peer), 10)).collect()
}

/// Thirteen rates, fast and slow ones in turns.
fn all_different(machines: u32) -> Vec<Link> {
    (0..machines)
        .map(|peer| Link::megabits(2 + 7 * peer % 13, 20))
        .collect()
}

/// The names of the cases on the command line.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::analysis;
    use fltorrent_optimum as optimum;

    use super::*;

    /// Seconds in which a link of 10 Mbit/s carries a megabyte.
    const STEP: f64 = 0.8;

    #[test]
    fn every_case_is_an_experiment_with_the_bound_of_its_topology() {
        // By hand: (n − 1)S/u, n(n − 1)S/Σu, and ((c − 1)n + 1)S/u at a peer without which c parts are left. The centre of a star
        // leaves n − 1 parts, a peer inside a binary tree three, one at a bridge two. A half of the hypercube gets all from the other.
        // In the ring peers 0, 2 and 4 with 9 Mbit/s carry all to 1 and to 3, and out what these five have.
        let expected = [
            ("mesh", 2.5 * 7.0 * STEP),
            ("ring", 7.0 * STEP),
            ("star", 49.0 * STEP),
            ("tree", 17.0 * STEP),
            ("unequal", 8.0 * 7.0 * 2.5 * 8.0 / 130.0),
            ("regular", 15.0 * STEP),
            ("barbell", 11.0 * STEP),
            ("cliques", 16.0 * STEP),
            ("clusters", 17.0 * STEP),
            ("hypercube-slow", 4.0 * 7.0 * 8.0 / 32.0),
            ("mesh-slow", 8.0 * 7.0 * 8.0 / 72.0),
            ("mesh-small", 0.064 * 11.0 * STEP),
            ("petersen", 9.0 * STEP),
            ("unequal-ring", (12.0 + 12.0 + 5.0) * 8.0 / 9.0),
            ("tree-15", 31.0 * STEP),
            ("mesh-far", 2.5 * 7.0 * STEP),
            ("ring-far", 7.0 * STEP),
            ("mesh-lossy", 2.5 * 7.0 * STEP),
            ("ring-lossy", 7.0 * STEP),
        ];
        assert_eq!(expected.len(), CASES.len());
        for (definition, (name, expected)) in CASES.iter().zip(expected) {
            assert_eq!(definition.name, name);
            let case = definition.case();
            let plan = case.resolve(2, &[]).unwrap().plan;
            assert_eq!(plan.model.bytes, case.update);
            assert_eq!(plan.peers.len(), case.links.len());
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
            assert!((seconds - expected).abs() < 1e-3, "{name}: {seconds}");
        }
    }

    #[test]
    fn who_can_grow_has_any_number_of_machines_and_no_target() {
        for definition in CASES {
            for machines in [3, 4, 8, 13, 32, 100] {
                let Some(case) = definition.with_machines(machines) else {
                    assert!(!definition.can_grow());
                    continue;
                };
                assert_eq!((case.machines(), case.target), (machines, None));
                assert_eq!(case.resolve(2, &[]).unwrap().plan.peers.len() as u32, machines);
            }
        }
        let fixed = CASES.iter().filter(|definition| !definition.can_grow());
        let names: Vec<&str> = fixed.map(|definition| definition.name).collect();
        assert_eq!(names, ["barbell", "cliques", "clusters", "hypercube-slow", "petersen"]);
    }

    #[test]
    fn bridges_join_neighbouring_meshes_and_the_petersen_graph_is_cubic_without_short_rings() {
        assert_eq!(bridged(&[2, 3]), [[0, 1], [1, 2], [2, 3], [2, 4], [3, 4]]);
        let edges = bridged(&[3, 5, 8]);
        assert_eq!(edges.len(), 3 + 10 + 28 + 2);
        assert!(edges.contains(&[2, 3]) && edges.contains(&[7, 8]));
        let edges = petersen();
        let are_wired = |a: u32, b: u32| edges.contains(&[a, b]) || edges.contains(&[b, a]);
        for a in 0..10 {
            assert_eq!((0..10).filter(|&b| are_wired(a, b)).count(), 3);
            for b in (0..10).filter(|&b| b != a) {
                // Two that are not wired share one neighbour, two that are share none.
                let common = (0..10).filter(|&c| are_wired(a, c) && are_wired(b, c)).count();
                assert_eq!(common, usize::from(!are_wired(a, b)), "{a} {b}");
            }
        }
    }

    #[test]
    fn links_are_said_of_single_peers() {
        let ups = |links: Vec<Link>| links.iter().map(|link| link.up / 1_000_000).collect::<Vec<_>>();
        assert_eq!(ups(a_quarter_slow(8)), [20, 20, 20, 20, 20, 20, 5, 5]);
        assert_eq!(ups(a_quarter_slow(13))[9..], [20, 5, 5, 5]);
        assert_eq!(ups(one_slow(8)), [10, 10, 10, 2, 10, 10, 10, 10]);
        assert_eq!(ups(one_slow(3)), [10, 10, 2]);
        assert_eq!(ups(all_different(13)), [2, 9, 3, 10, 4, 11, 5, 12, 6, 13, 7, 14, 8]);
    }
}
