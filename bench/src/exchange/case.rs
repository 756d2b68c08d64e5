//! What is measured: an experiment without training, and the links that its peers have.

use fltorrent_cli::manifest::{ManifestError, Resolved};
use fltorrent_crds::{
    Plan,
    analysis::{self, Rates},
};
use fltorrent_optimum::{self as optimum, LeastTime};

use super::{super::noise::Noise, lab::Link};

/// Rate of the kernel's links where the peers' processes emulate slower ones, Mbit/s.
const WIDE: u32 = 10_000;
/// Kinds of links that a description lists; of more it gives the range.
const LISTED: usize = 2;

/// One exchange to measure.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// `spec.topology` in YAML.
    pub(super) topology: String,
    pub(super) update: u64,
    /// The link of every peer.
    pub(super) links: Vec<Link>,
    /// Delay and loss that the peers' processes emulate; none: the kernel shapes the links.
    pub(super) way: Option<Way>,
    /// Milliseconds that a full queue of a link holds; none: what whoever shapes the links gives it.
    pub(super) queue: Option<u32>,
    /// The most that the time may be of the least possible one.
    pub(super) target: Option<f64>,
    /// True if it follows from a seed.
    pub(super) is_random: bool,
}

/// The way from a peer to another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Milliseconds.
    pub(super) delay: u32,
    /// Percent.
    pub(super) loss: u32,
}

/// A topology in YAML that lists its connections.
pub(super) fn custom(edges: &[[u32; 2]]) -> String {
    format!("{{type: custom, custom: {{edges: {edges:?}}}}}")
}

impl Case {
    /// The same with updates of another size, for which no target is set.
    pub(super) fn with_update(self, update: u64) -> Self {
        Self {
            update,
            ..self.without_target()
        }
    }

    /// The same beside something for which no target is set.
    pub(super) fn without_target(self) -> Self {
        Self { target: None, ..self }
    }

    /// The same with queues of another length, for which no target is set.
    pub(super) fn with_queue(self, milliseconds: u32) -> Self {
        Self {
            queue: Some(milliseconds),
            ..self.without_target()
        }
    }

    pub(super) fn machines(&self) -> u32 {
        self.links.len() as u32
    }

    /// True if the peers' processes emulate the links; what does not go through them cannot be measured then.
    pub(super) fn is_emulated(&self) -> bool {
        self.way.is_some()
    }

    /// The link that the kernel gives every machine.
    pub(super) fn kernel_links(&self) -> Vec<Link> {
        if self.is_emulated() {
            vec![Link::megabits(WIDE, WIDE); self.links.len()]
        } else {
            self.links.clone()
        }
    }

    /// The length of the kernel's queues.
    pub(super) fn kernel_queue(&self) -> Option<u32> {
        self.queue.filter(|_| !self.is_emulated())
    }

    /// The groups of the manifest: one for peers in a row with the same link, which they have where their processes emulate it.
    fn groups(&self) -> String {
        let queue = self
            .queue
            .map_or_else(String::new, |queue| format!(", queue: {queue}ms"));
        let group = |(index, same): (usize, &[Link])| {
            let network = self.way.zip(same.first()).map(|(Way { delay, loss }, link)| {
                let Link { up, down } = link;
                format!(", network: {{up: {up}bit, down: {down}bit, delay: {delay}ms, loss: {loss}%{queue}}}")
            });
            let network = network.unwrap_or_default();
            format!("{{name: peers-{index}, count: {}{network}}}", same.len())
        };
        let rows = self.links.chunk_by(|a, b| a == b);
        let groups: Vec<String> = rows.enumerate().map(group).collect();
        format!("[{}]", groups.join(", "))
    }

    /// The experiment without training: rounds whose updates are noise.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(super) fn resolve(&self, rounds: u32, sets: &[(String, String)]) -> Result<Resolved, ManifestError> {
        Noise {
            name: &self.name,
            groups: &self.groups(),
            topology: &self.topology,
            update: self.update,
            rounds,
            more: &[],
        }
        .resolve(sets)
    }

    /// Bytes that have to be received in one round, by all peers together.
    pub(super) fn payload(&self) -> u64 {
        let peers = self.links.len() as u64;
        peers * (peers - 1) * self.update
    }

    pub(super) fn bound(&self, plan: &Plan) -> LeastTime {
        optimum::least_time(plan, &analysis::wiring(plan), |peer| {
            let link = self.links[peer as usize];
            Rates {
                up: link.up as f64 / 8.0,
                down: link.down as f64 / 8.0,
            }
        })
    }

    /// A description in a few words.
    pub(super) fn describe(&self) -> String {
        let way = self.way.map_or_else(String::new, |Way { delay, loss }| {
            format!(", {delay} ms one way, {loss} % lost, emulated")
        });
        let queue = self
            .queue
            .map_or_else(String::new, |queue| format!(", queues of {queue} ms"));
        let megabytes = self.update as f64 / 1e6;
        format!("{}, {megabytes} MB, {}{way}{queue}", self.name, self.describe_links())
    }

    fn describe_links(&self) -> String {
        let mut kinds: Vec<(usize, Link)> = Vec::new();
        for &link in &self.links {
            match kinds.iter_mut().find(|(_, kind)| *kind == link) {
                Some((count, _)) => *count += 1,
                None => kinds.push((1, link)),
            }
        }
        if kinds.len() > LISTED {
            let up = range(self.links.iter().map(|link| link.up));
            let down = range(self.links.iter().map(|link| link.down));
            return format!("{} × {up}/{down} Mbit/s", self.links.len());
        }
        let of = |&(count, link): &(usize, Link)| {
            let (up, down) = (megabits(link.up), megabits(link.down));
            format!("{count} × {up}/{down} Mbit/s")
        };
        kinds.iter().map(of).collect::<Vec<_>>().join(" and ")
    }
}

/// Rates from the least to the most.
fn range(rates: impl Iterator<Item = u64> + Clone) -> String {
    match (rates.clone().min(), rates.max()) {
        (Some(least), Some(most)) if least < most => format!("{}–{}", megabits(least), megabits(most)),
        (_, most) => megabits(most.unwrap_or(0)),
    }
}

/// A rate in Mbit/s, to a tenth.
fn megabits(rate: u64) -> String {
    ((rate as f64 / 1e5).round() / 10.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::cases::CASES, *};

    fn case(name: &str) -> Case {
        CASES.iter().find(|case| case.name == name).unwrap().case()
    }

    #[test]
    fn kinds_of_links_are_listed_and_many_are_a_range() {
        for (name, expected) in [
            ("mesh", "mesh, 2.5 MB, 8 × 10/10 Mbit/s"),
            ("unequal", "unequal, 2.5 MB, 6 × 20/20 Mbit/s and 2 × 5/20 Mbit/s"),
            (
                "hypercube-slow",
                "hypercube-slow, 1 MB, 7 × 10/10 Mbit/s and 1 × 2/10 Mbit/s",
            ),
            ("unequal-ring", "unequal-ring, 1 MB, 13 × 2–14/20 Mbit/s"),
            (
                "ring-lossy",
                "ring-lossy, 1 MB, 8 × 10/10 Mbit/s, 5 ms one way, 1 % lost, emulated",
            ),
        ] {
            assert_eq!(case(name).describe(), expected);
        }
        let short = case("ring").with_queue(20);
        assert_eq!(short.describe(), "ring, 1 MB, 8 × 10/10 Mbit/s, queues of 20 ms");
    }

    #[test]
    fn the_kernel_or_the_manifest_has_the_queues_and_another_length_has_no_target() {
        let shaped = case("mesh").with_queue(20);
        assert_eq!((shaped.kernel_queue(), shaped.target), (Some(20), None));
        let emulated = case("mesh-far").with_queue(20);
        assert_eq!((emulated.kernel_queue(), emulated.target), (None, None));
        let queue = |case: &Case| {
            let plan = case.resolve(2, &[]).unwrap().plan;
            plan.peers[0].link.as_ref().and_then(|link| Some(link.up?.queue))
        };
        assert_eq!(queue(&shaped), None);
        assert_eq!(queue(&emulated), Some(25_000));
        assert_eq!(queue(&case("mesh-far")), Some(62_500));
        // Less than a packet is no queue.
        assert!(case("mesh-far").with_queue(1).resolve(2, &[]).is_err());
    }
}
