//! What a simulation says, as `fltorrent simulate` shows it.

use std::time::Duration;

use fltorrent_crds::analysis::{self, Bound, Rates};
use fltorrent_swarm::simulation::{PeerFigures, Scenario, Simulation};
use serde::Serialize;

use crate::{
    manifest::Resolved,
    output::{Description, describe},
};

/// What a simulation says.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Simulated {
    event: &'static str,
    #[serde(flatten)]
    pub(super) description: Description,
    pub(super) seed: u64,
    /// Of a round's exchange.
    pub(super) bound: Bound,
    #[serde(rename = "eachRound")]
    pub(super) rounds: Vec<Round>,
    /// From the beginning to the last peer's end.
    pub(super) seconds: f64,
    /// The exchange of all rounds over the least time; none for a peer alone.
    pub(super) over_bound: Option<f64>,
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
    #[serde(rename = "eachPeer")]
    pub(super) peers: Vec<Peer>,
    pub(super) notes: Vec<String>,
}

/// A round: from the last peer's end of the one before to the last peer's end.
#[derive(Clone, Copy, Debug, Serialize)]
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
        let bound = analysis::exchange_bound(plan, &analysis::wiring(plan), |peer| Rates {
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
        Self {
            event: "simulation",
            description: describe(&resolved.experiment, plan, None),
            seed: plan.seed,
            bound,
            seconds: rounds.iter().map(|round| round.seconds).sum(),
            over_bound: (least > 0.0).then(|| exchange / least),
            rounds,
            payload: sum(|peer| peer.stats.payload_received),
            wire: sum(|peer| peer.sent),
            control: sum(|peer| peer.control),
            duplicate: sum(|peer| peer.stats.duplicate),
            chokes: sum(|peer| peer.stats.chokes),
            packets_lost: sum(|peer| peer.lost),
            events: simulation.steps(),
            bottleneck: bottleneck(&peers),
            peers,
            notes: notes(resolved, scenario, longest.unwrap_or_default()),
        }
    }
}

fn rounds(figures: &[PeerFigures], train: Duration, bound: f64) -> Vec<Round> {
    let count = figures.iter().map(|peer| peer.rounds.len()).min();
    let mut before = Duration::ZERO;
    (0..count.unwrap_or(0))
        .filter_map(|at| {
            let (last, round) = (0..)
                .zip(figures)
                .map(|(index, peer)| (index, peer.rounds[at]))
                // Of several the first.
                .max_by_key(|&(index, round)| (round.completed, std::cmp::Reverse(index)))?;
            let seconds = round.completed.saturating_sub(before).as_secs_f64();
            before = before.max(round.completed);
            let exchange = (seconds - train.as_secs_f64()).max(0.0);
            let own = round
                .completed
                .saturating_sub(round.published)
                .as_secs_f64();
            let share = |time: Duration| match own > 0.0 {
                true => time.as_secs_f64() / own,
                false => 0.0,
            };
            Some(Round {
                round: at as u32 + 1,
                seconds,
                exchange,
                over_bound: (bound > 0.0).then(|| exchange / bound),
                last,
                nothing: share(round.nothing),
                choked: share(round.choked),
            })
        })
        .collect()
}

fn peer(index: u32, figures: &PeerFigures, scenario: &Scenario, exchange: f64) -> Peer {
    let access = scenario.peers[index as usize].access;
    let busy = |bytes: u64, rate: Option<f64>| {
        let carried = rate? * exchange;
        // A fast peer's next exchange begins while others still end this one.
        (carried > 0.0).then(|| (bytes as f64 / carried).min(1.0))
    };
    let sum = |time: fn(&fltorrent_swarm::simulation::RoundFigures) -> Duration| {
        figures
            .rounds
            .iter()
            .map(time)
            .sum::<Duration>()
            .as_secs_f64()
    };
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
    links
        .flatten()
        .reduce(|most, link| match link.busy > most.busy {
            true => link,
            false => most,
        })
}

fn notes(resolved: &Resolved, scenario: &Scenario, train: Duration) -> Vec<String> {
    let mut notes = Vec::new();
    if train.is_zero() {
        notes.push(
            "training takes no time here, so this is the exchange alone; --train-time says how long a peer trains"
                .to_owned(),
        );
    }
    if scenario.transport.unit.is_some() {
        notes.push(
            "chunks travel as a whole here, which puts times a few hundredths off; --detail packets is slower and nearer"
                .to_owned(),
        );
    }
    if resolved.plan.early_stop.is_some() {
        notes.push(
            "nothing is learned in a simulation, so that training.earlyStop never ends it"
                .to_owned(),
        );
    }
    notes
}
