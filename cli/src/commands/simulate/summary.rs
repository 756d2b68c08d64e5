//! What a simulation says, as `fltorrent simulate` shows it.

use std::{collections::BTreeMap, time::Duration};

use fltorrent_crds::{
    Plan,
    analysis::{self, Rates},
    plan::CongestionControl,
};
use fltorrent_optimum::{self as optimum, LeastTime};
use fltorrent_records::survival::Cause;
use fltorrent_swarm::{
    EndCause,
    churn::ChurnKind,
    simulation::{PeerFigures, RoundFigures, Scenario, Simulation},
};
use serde::Serialize;

use crate::{
    counts::are,
    manifest::Resolved,
    output::{Description, describe},
};

/// The results of a simulation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Simulated {
    event: &'static str,
    #[serde(flatten)]
    pub(super) description: Description,
    pub(super) seed: u64,
    /// Of a round's exchange.
    pub(super) bound: LeastTime,
    #[serde(rename = "eachRound")]
    pub(super) rounds: Vec<Round>,
    /// From the beginning to the last peer's end.
    pub(super) seconds: f64,
    /// The exchange of all rounds over the least time; none for a peer alone.
    pub(super) over_bound: Option<f64>,
    /// Peers whose updates travelled as one.
    pub(super) cohort: Option<u32>,
    /// The same without cohorts.
    pub(super) exact: Option<Exact>,
    /// Bytes of chunks that were received.
    pub(super) payload: u64,
    /// Bytes that all uplinks have carried.
    pub(super) wire: u64,
    pub(super) control: u64,
    pub(super) duplicate: u64,
    pub(super) chokes: u64,
    pub(super) packets_lost: u64,
    pub(super) events: u64,
    /// The link that was used most.
    pub(super) bottleneck: Option<Bottleneck>,
    /// What happened to peers, in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) churn: Vec<Happened>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lost: Vec<Lost>,
    #[serde(rename = "eachPeer")]
    pub(super) peers: Vec<Peer>,
    pub(super) notes: Vec<String>,
}

/// A run without cohorts, beside the one with them.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exact {
    pub(super) seconds: f64,
    pub(super) over_bound: Option<f64>,
    pub(super) events: u64,
    /// How much longer the exchange takes with cohorts, as a share of the time without.
    pub(super) error: f64,
}

/// A round: from the last peer's end of the one before to the last peer's end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Round {
    pub(super) round: u32,
    pub(super) seconds: f64,
    /// Without the longest training.
    pub(super) exchange: f64,
    pub(super) over_bound: Option<f64>,
    /// Who ended last.
    pub(super) last: u32,
    /// Share of its exchange in which nobody had anything for it.
    pub(super) nothing: f64,
    /// Share in which everybody that had something choked it.
    pub(super) choked: f64,
    /// What ended it.
    #[serde(skip_serializing_if = "Cause::is_all")]
    pub(super) cause: Cause,
    /// Peers of whose update nothing is in the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) missing: Vec<u32>,
}

/// Something that happened to a peer.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Happened {
    pub(super) peer: u32,
    pub(super) what: ChurnKind,
    pub(super) round: u32,
    pub(super) seconds: f64,
}

/// A peer that did not come to the end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lost {
    pub(super) peer: u32,
    pub(super) why: String,
    pub(super) seconds: f64,
}

/// A peer's link in the whole run.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    pub(super) peer: u32,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Share of the exchanges' time that its uplink was busy; none without a rate.
    pub(super) up_busy: Option<f64>,
    pub(super) down_busy: Option<f64>,
    /// Seconds of all rounds in which nobody had anything for it.
    pub(super) nothing: f64,
    /// Seconds of all rounds in which everybody that had something choked it.
    pub(super) choked: f64,
}

/// The link that was used most.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bottleneck {
    pub(super) peer: u32,
    /// Up- or downlink.
    pub(super) link: &'static str,
    /// Share of the exchanges' time.
    pub(super) busy: f64,
}

impl Simulated {
    pub(super) fn of(resolved: &Resolved, scenario: &Scenario, simulation: &Simulation) -> Self {
        let plan = &resolved.plan;
        let figures = simulation.figures();
        let access = |peer: u32| scenario.peers[peer as usize].access;
        let bound = optimum::least_time(plan, &analysis::wiring(plan), |peer| Rates {
            up: access(peer).up.map_or(f64::INFINITY, |lane| lane.rate),
            down: access(peer).down.map_or(f64::INFINITY, |lane| lane.rate),
        });
        let longest = scenario.peers.iter().map(|peer| peer.train).max();
        let rounds = rounds(&figures, longest.unwrap_or_default(), bound.seconds);
        let exchange: f64 = rounds.iter().map(|round| round.exchange).sum();
        let peers: Vec<Peer> = (0..)
            .zip(&figures)
            .map(|(index, figures)| peer(index, figures, scenario, exchange))
            .collect();
        let sum = |what: fn(&PeerFigures) -> u64| figures.iter().map(what).sum();
        let least = bound.seconds * rounds.len() as f64;
        let notes = notes(resolved, scenario, longest.unwrap_or_default());
        let lost = lost(&figures);
        let failure = failure(plan, lost.len());
        Self {
            event: "simulation",
            description: describe(&resolved.experiment, plan, None),
            seed: plan.seed,
            seconds: rounds.iter().map(|round| round.seconds).sum(),
            over_bound: (least > 0.0).then(|| exchange / least),
            rounds,
            cohort: None,
            exact: None,
            payload: sum(|peer| peer.stats.payload_received),
            wire: sum(|peer| peer.sent),
            control: sum(|peer| peer.control),
            duplicate: sum(|peer| peer.stats.duplicate),
            chokes: sum(|peer| peer.stats.chokes),
            packets_lost: sum(|peer| peer.lost),
            events: simulation.steps(),
            bottleneck: bottleneck(&peers),
            churn: churn(&figures),
            lost,
            peers,
            notes: failure.into_iter().chain(notes).chain(bound.note()).collect(),
            bound,
        }
    }
}

impl Simulated {
    /// Puts the run without cohorts beside this one.
    pub(super) fn compare(&mut self, exact: &Self) {
        let exchange = |of: &Self| of.rounds.iter().map(|round| round.exchange).sum::<f64>();
        self.exact = Some(Exact {
            seconds: exact.seconds,
            over_bound: exact.over_bound,
            events: exact.events,
            error: exchange(self) / exchange(exact) - 1.0,
        });
    }
}

fn rounds(figures: &[PeerFigures], train: Duration, bound: f64) -> Vec<Round> {
    let mut closed: BTreeMap<u32, Vec<(u32, RoundFigures)>> = BTreeMap::new();
    for (index, peer) in (0..).zip(figures) {
        for &round in &peer.rounds {
            closed.entry(round.round).or_default().push((index, round));
        }
    }
    let degraded = figures.iter().flat_map(|peer| &peer.degraded);
    // Of a round that ended in two ways, the first peer's.
    let degraded: BTreeMap<u32, _> = degraded
        .rev()
        .map(|(round, cause, missing)| (*round, (*cause, missing)))
        .collect();
    let mut before = Duration::ZERO;
    let of_round = |(number, peers): (u32, Vec<(u32, RoundFigures)>)| {
        // Of several the first.
        let last = peers
            .into_iter()
            .max_by_key(|&(index, round)| (round.completed, std::cmp::Reverse(index)));
        let (last, round) = last?;
        let seconds = round.completed.saturating_sub(before).as_secs_f64();
        before = before.max(round.completed);
        let exchange = (seconds - train.as_secs_f64()).max(0.0);
        let own = round.completed.saturating_sub(round.published).as_secs_f64();
        let share = |time: Duration| match own > 0.0 {
            true => time.as_secs_f64() / own,
            false => 0.0,
        };
        let (cause, missing) = degraded
            .get(&number)
            .map_or((EndCause::All, &[][..]), |(cause, missing)| (*cause, missing));
        Some(Round {
            round: number + 1,
            seconds,
            exchange,
            over_bound: (bound > 0.0).then(|| exchange / bound),
            last,
            nothing: share(round.nothing),
            choked: share(round.choked),
            cause: match cause {
                EndCause::All => Cause::All,
                EndCause::Quorum => Cause::Quorum,
                EndCause::Deadline => Cause::Deadline,
            },
            missing: missing.to_vec(),
        })
    };
    closed.into_iter().filter_map(of_round).collect()
}

fn churn(figures: &[PeerFigures]) -> Vec<Happened> {
    let of_peer = |(peer, figures): (u32, &PeerFigures)| {
        let happened = figures.churn.iter().map(move |&(what, round, at)| Happened {
            peer,
            what,
            round: round + 1,
            seconds: at.as_secs_f64(),
        });
        happened.collect::<Vec<_>>()
    };
    let mut all: Vec<Happened> = (0..).zip(figures).flat_map(of_peer).collect();
    all.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    all
}

fn lost(figures: &[PeerFigures]) -> Vec<Lost> {
    let ended = (0..).zip(figures).filter_map(|(peer, figures)| {
        let (why, at) = figures.ended_early.clone()?;
        let seconds = at.as_secs_f64();
        Some(Lost { peer, why, seconds })
    });
    ended.collect()
}

/// Why a run that loses so many peers fails; none where it does not.
fn failure(plan: &Plan, lost: usize) -> Option<String> {
    let (peers, needed) = (plan.peers.len(), plan.liveness.min_peers as usize);
    let left = peers.saturating_sub(lost);
    (left < needed).then(|| {
        format!(
            "this run fails: {left} of {peers} peers come to the end, and {needed} {} needed (liveness.minPeers)",
            are(needed)
        )
    })
}

fn peer(index: u32, figures: &PeerFigures, scenario: &Scenario, exchange: f64) -> Peer {
    let access = scenario.peers[index as usize].access;
    let busy = |bytes: u64, rate: Option<f64>| {
        let carried = rate? * exchange;
        // A fast peer's next exchange begins while others still end this one.
        (carried > 0.0).then(|| (bytes as f64 / carried).min(1.0))
    };
    let sum = |time: fn(&RoundFigures) -> Duration| figures.rounds.iter().map(time).sum::<Duration>().as_secs_f64();
    Peer {
        peer: index,
        sent: figures.sent,
        received: figures.received,
        up_busy: busy(figures.sent, access.up.map(|lane| lane.rate)),
        down_busy: busy(figures.received, access.down.map(|lane| lane.rate)),
        nothing: sum(|round| round.nothing),
        choked: sum(|round| round.choked),
    }
}

fn bottleneck(peers: &[Peer]) -> Option<Bottleneck> {
    let links = peers.iter().flat_map(|peer| {
        [("uplink", peer.up_busy), ("downlink", peer.down_busy)].map(|(link, busy)| {
            Some(Bottleneck {
                peer: peer.peer,
                link,
                busy: busy?,
            })
        })
    });
    // Of several the first.
    links.flatten().reduce(|most, link| match link.busy > most.busy {
        true => link,
        false => most,
    })
}

fn notes(resolved: &Resolved, scenario: &Scenario, train: Duration) -> Vec<String> {
    let mut notes = Vec::new();
    if train.is_zero() {
        notes.push(
            "training takes no time here, so this is the exchange alone; --train-time sets the training time"
                .to_owned(),
        );
    }
    if scenario.transport.unit.is_some() {
        notes.push(
            "chunks are simulated as a whole, which is a few per cent off; --detail packets is slower and more accurate"
                .to_owned(),
        );
    }
    if resolved.plan.transport.congestion_control == CongestionControl::NewReno {
        notes.push("every connection uses Cubic here; transport.congestionControl newReno is not modelled".to_owned());
    }
    if scenario.peers.iter().any(|peer| !peer.churn.is_empty()) {
        notes.push("the bound is that of a round with all peers; one without some may take less".to_owned());
    }
    if resolved.plan.early_stop.is_some() {
        notes.push("a simulation learns nothing, so training.earlyStop never ends it".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fltorrent_swarm::simulation::Simulation;
    use proptest::prelude::*;

    use super::*;
    use crate::commands::simulate::{
        LIMIT,
        scenario::{self, LinkOptions},
    };

    type Edges = BTreeSet<(u32, u32)>;

    /// One round over the manifest's links.
    fn simulated(edges: &Edges, rates: &[(u32, u32)], more: &str) -> Simulated {
        let groups: Vec<String> = (0..)
            .zip(rates)
            .map(|(peer, (up, down)): (u32, _)| {
                format!("{{name: p{peer}, count: 1, network: {{up: {up}Mbit, down: {down}Mbit}}}}")
            })
            .collect();
        let edges: Vec<String> = edges.iter().map(|(a, b)| format!("[{a}, {b}]")).collect();
        let text = format!(
            "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: bound}}
spec:
  groups: [{}]
  topology: {{type: custom, custom: {{edges: [{}]}}}}
  model: {{type: mlp, mlp: {{hidden: [400]}}}}
  data: {{type: digits, partition: {{type: iid}}}}
  training: {{rounds: 1}}
{more}",
            groups.join(", "),
            edges.join(", ")
        );
        let resolved = Resolved::from_text(&text, &[]).unwrap();
        let scenario = scenario::scenario(&resolved.plan, &LinkOptions::default()).unwrap();
        let mut simulation = Simulation::new(scenario.clone());
        while simulation.step(LIMIT).unwrap() {}
        Simulated::of(&resolved, &scenario, &simulation)
    }

    #[test]
    fn two_slow_peers_of_a_ring_are_the_limit_that_is_named() {
        let edges = (0..8).map(|peer| (peer, (peer + 1) % 8)).collect();
        let rates: Vec<(u32, u32)> = (0..8).map(|peer| (if peer % 4 == 0 { 1 } else { 50 }, 100)).collect();
        let it = simulated(&edges, &rates, "");
        // (n + 2)·S ÷ 2u, by hand; no closed form is above S ÷ u.
        let update = it.payload as f64 / 56.0;
        let expected = 5.0 * update * 8.0 / 1e6;
        assert!((it.bound.seconds / expected - 1.0).abs() < 1e-6, "{it:?}");
        assert_eq!(it.bound.limit.to_string(), "the uplinks of peers 0, 4");
        let text = super::super::text::text(&it);
        assert!(
            text.contains("per round at least: the uplinks of peers 0, 4 (the optimum)"),
            "{text}"
        );
        assert!(it.over_bound.unwrap() < 1.5, "{text}");
    }

    #[test]
    fn it_is_said_that_a_run_fails_whose_peers_are_lost() {
        let edges = BTreeSet::from([(0, 1), (1, 2), (2, 0)]);
        let notes = |lost: &str| {
            let more = format!("  churn: [{{event: crash, peers: [{lost}], round: 1}}]\n");
            simulated(&edges, &[(10, 10); 3], &more).notes
        };
        let said = "this run fails: 0 of 3 peers come to the end, and 2 are needed (liveness.minPeers)";
        assert!(notes("0, 1").iter().any(|note| note == said));
        assert!(!notes("0").iter().any(|note| note.contains("fails")));
    }

    #[test]
    fn what_is_not_modelled_is_said() {
        let edges = BTreeSet::from([(0, 1)]);
        let of = |control: &str| {
            let more = format!("  transport: {{congestionControl: {control}}}\n");
            let notes = simulated(&edges, &[(10, 10), (10, 10)], &more).notes;
            notes.iter().any(|note| note.contains("newReno"))
        };
        assert_eq!((of("newReno"), of("cubic")), (true, false));
    }

    /// A connected graph of two to six peers, megabits a second up and down, and upload slots.
    fn exchanges() -> impl Strategy<Value = (Edges, Vec<(u32, u32)>, u32)> {
        (2_u32..7).prop_flat_map(|peers| {
            let parents = (1..peers).map(|peer| 0..peer).collect::<Vec<_>>();
            let more = prop::collection::vec((0..peers, 0..peers), 0..6);
            let rates = prop::collection::vec((1_u32..=20, 1_u32..=20), peers as usize);
            (parents, more, rates, 1_u32..6).prop_map(|(parents, more, rates, slots)| {
                let mut edges: Edges = parents.into_iter().zip(1..).collect();
                let more = more.into_iter().filter(|(a, b)| a != b);
                edges.extend(more.map(|(a, b)| (a.min(b), a.max(b))));
                (edges, rates, slots)
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn nobody_beats_the_bound((edges, rates, slots) in exchanges()) {
            let it = simulated(&edges, &rates, &format!("  exchange: {{uploadSlots: {slots}}}\n"));
            prop_assert!(it.bound.is_optimum);
            prop_assert!(it.over_bound.unwrap() >= 1.0, "{:?}", it);
        }
    }
}
