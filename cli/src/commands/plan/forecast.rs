//! The figures of a plan, as `fltorrent plan` shows them.

use fltorrent_crds::{
    BitRate, Plan,
    analysis::{self, Memory, Rates, Wiring},
    experiment::Exchange,
    plan::{ChurnPlan, CongestionControl, LinkPlan, Warning},
};
use fltorrent_optimum::{self as optimum, LeastTime};
use serde::{Serialize, Serializer};

use crate::{
    histogram::Histogram,
    manifest::Resolved,
    output::{Description, describe},
    preflight::PreflightError,
};

/// Links that are shown when none is asked for, in megabits a second.
const USUAL: [u32; 3] = [10, 100, 1000];
/// Memory of all peers above which a note is given: what a laptop has.
const MUCH_MEMORY: u64 = 16 << 30;
/// Chunks smaller than this cost more in messages than they help.
const SMALL_CHUNK: u64 = 4 << 10;

/// The costs of a manifest.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct Forecast<'a> {
    pub(super) event: &'static str,
    #[serde(flatten)]
    pub(super) description: Description,
    pub(super) wiring: Wiring,
    pub(super) received_by_each: u64,
    pub(super) exchanged_a_round: u64,
    pub(super) exchanged: u64,
    pub(super) bounds: Vec<LinkBound>,
    /// Groups with a link or a slowdown of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) emulated: Vec<Emulated<'a>>,
    pub(super) memory: Memory,
    pub(super) memory_of_all: u64,
    pub(super) details: Vec<PeerForecast<'a>>,
    /// The peers' shares of the data, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) histogram: Option<Histogram>,
    #[serde(skip)]
    batch_size: u32,
    pub(super) warnings: Vec<Warning>,
    pub(super) notes: Vec<String>,
}

/// A peer's part.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PeerForecast<'a> {
    pub(super) peer: u32,
    pub(super) group: &'a str,
    pub(super) neighbours: &'a [u32],
    pub(super) parts_without_it: u32,
    pub(super) least_sent: u64,
    pub(super) memory: u64,
    /// What happens to it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) churn: &'a [ChurnPlan],
}

/// Link and slowdown that the peers of a group emulate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Emulated<'a> {
    pub(super) group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<LinkPlan>,
    pub(super) compute_slowdown: f64,
    pub(super) congestion_control: CongestionControl,
}

/// The lower bound over links of these rates, or over the manifest's links if there are none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkBound {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bits")]
    pub(super) up: Option<BitRate>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "bits")]
    pub(super) down: Option<BitRate>,
    #[serde(flatten)]
    pub(super) bound: LeastTime,
}

/// Bits a second, as a number.
fn bits<S: Serializer>(rate: &Option<BitRate>, serializer: S) -> Result<S::Ok, S::Error> {
    rate.map(BitRate::get).serialize(serializer)
}

/// The links that were asked for, if any. A direction that is not given is like the other.
pub(super) fn links(up: Option<BitRate>, down: Option<BitRate>) -> Option<(BitRate, BitRate)> {
    up.or(down).zip(down.or(up))
}

/// The bounds to show: for the links that were asked for, else for those of the manifest, else for usual ones.
fn bounds(plan: &Plan, wiring: &Wiring, asked: Option<(BitRate, BitRate)>) -> Vec<LinkBound> {
    let equal = |(up, down): (BitRate, BitRate)| LinkBound {
        up: Some(up),
        down: Some(down),
        bound: optimum::least_time(plan, wiring, |_| Rates {
            up: up.bytes(),
            down: down.bytes(),
        }),
    };
    if let Some(links) = asked {
        return vec![equal(links)];
    }
    if let Some(rates) = analysis::declared_rates(plan) {
        return vec![LinkBound {
            up: None,
            down: None,
            bound: optimum::least_time(plan, wiring, |peer| rates[peer as usize]),
        }];
    }
    let first = USUAL[0];
    let found = equal((BitRate::megabits(first), BitRate::megabits(first))).bound;
    // What bounds equal links bounds faster equal links, and looking for it takes seconds where there are many.
    let faster = |megabits: u32| LinkBound {
        up: Some(BitRate::megabits(megabits)),
        down: Some(BitRate::megabits(megabits)),
        bound: found.times_as_fast(f64::from(megabits) / f64::from(first)),
    };
    USUAL.map(faster).to_vec()
}

/// The emulation of each group that has one.
fn emulated(plan: &Plan) -> Vec<Emulated<'_>> {
    let mut groups: Vec<Emulated<'_>> = Vec::new();
    for peer in &plan.peers {
        let is_new = groups.last().is_none_or(|last| last.group != peer.group);
        if is_new {
            groups.push(Emulated {
                group: &peer.group,
                link: peer.link,
                compute_slowdown: peer.compute_slowdown,
                congestion_control: plan.transport.congestion_control.over(&peer.link.unwrap_or_default()),
            });
        }
    }
    groups.retain(|group| group.link.is_some() || group.compute_slowdown != 1.0);
    groups
}

impl<'a> Forecast<'a> {
    pub(in crate::commands) fn of(resolved: &'a Resolved, links: Option<(BitRate, BitRate)>) -> Self {
        let plan = &resolved.plan;
        let wiring = analysis::wiring(plan);
        let traffic = analysis::traffic(plan, &wiring);
        let details: Vec<PeerForecast<'a>> = plan
            .peers
            .iter()
            .zip(&traffic.least_sent)
            .map(|(peer, &least_sent)| PeerForecast {
                peer: peer.index,
                group: &peer.group,
                neighbours: &peer.neighbours,
                parts_without_it: wiring.cuts.parts(peer.index),
                least_sent,
                memory: analysis::memory(plan, peer.neighbours.len() as u32).total(),
                churn: &peer.churn,
            })
            .collect();
        let memory_of_all = details.iter().map(|peer| peer.memory).sum();
        let bounds = bounds(plan, &wiring, links);
        let of_bounds = bounds.iter().find_map(|link| link.bound.note());
        Self {
            event: "plan",
            description: describe(&resolved.experiment, plan, None),
            received_by_each: traffic.received_by_each,
            exchanged_a_round: traffic.total,
            exchanged: traffic.total * u64::from(plan.training.rounds),
            bounds,
            emulated: emulated(plan),
            memory: analysis::memory(plan, wiring.most_neighbours),
            memory_of_all,
            notes: notes(plan, &wiring, memory_of_all)
                .into_iter()
                .chain(of_bounds)
                .collect(),
            details,
            histogram: None,
            batch_size: plan.training.batch_size,
            warnings: plan.warnings.clone(),
            wiring,
        }
    }

    /// Adds the shares of the data, or why they are not known.
    pub(super) fn with_data(mut self, read: Result<(Histogram, Vec<Warning>), PreflightError>) -> Self {
        match read {
            Ok((histogram, warnings)) => {
                self.warnings.extend(warnings);
                self.notes.extend(histogram.notes(self.batch_size));
                self.histogram = Some(histogram);
            }
            Err(error) => self.notes.push(format!(
                "the distribution of the data is not known here: {}",
                crate::chain(&error)
            )),
        }
        self
    }
}

/// Notes about settings that are valid but may surprise.
fn notes(plan: &Plan, wiring: &Wiring, memory_of_all: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let slots = plan.exchange.upload_slots;
    let is_said = slots != Exchange::default().upload_slots;
    if wiring.peers > 1 && is_said && slots >= wiring.most_neighbours {
        notes.push(format!(
            "no peer is ever choked: {slots} upload slots for at most {} neighbours; a lower exchange.uploadSlots makes \
             the choker choose",
            wiring.most_neighbours
        ));
    }
    let busiest = wiring.cuts.cut_vertices.iter().max_by_key(|cut| {
        // Of several the first.
        (cut.parts, std::cmp::Reverse(cut.peer))
    });
    if let Some(cut) = busiest {
        let count = wiring.cuts.cut_vertices.len();
        notes.push(format!(
            "{}: without peer {} the topology falls into {} parts, and it sends at least {} times its own update",
            match count {
                1 => "1 peer is a cut vertex".to_owned(),
                _ => format!("{count} peers are cut vertices"),
            },
            cut.peer,
            cut.parts,
            u64::from(cut.parts) * u64::from(wiring.peers) - u64::from(wiring.peers - 1),
        ));
    }
    let chunk = plan.model.bytes / u64::from(plan.exchange.num_chunks.max(1));
    if chunk < SMALL_CHUNK && plan.exchange.num_chunks > 10 {
        notes.push(format!(
            "chunks of {chunk} bytes: messages cost as much as the payload; lower exchange.numChunks"
        ));
    }
    if memory_of_all > MUCH_MEMORY {
        notes.push(format!(
            "all peers on one machine may need {} of memory; fewer peers, a smaller model or exchange.memoryBudget lower it",
            crate::output::bytes(memory_of_all)
        ));
    }
    notes
}
