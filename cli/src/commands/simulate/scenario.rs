//! From a plan to what is simulated.

use std::time::Duration;

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::{
    BitRate, Plan,
    plan::{CongestionControl, LinkPlan, PeerPlan, RatePlan},
};
use fltorrent_peer::{
    process::config::{self, RunIdentity, Wiring},
    worker::Start,
};
use fltorrent_swarm::{
    ChunkLayout,
    simulation::{Access, Lane, PeerScenario, Scenario, TransportModel},
};
use thiserror::Error;

use crate::arguments::{Detail, SimulateArguments};

/// Waiting time of a full queue in front of a link of the command line.
const QUEUE: Duration = Duration::from_millis(50);
/// Bytes that such a queue holds at least: twenty packets.
const LEAST_QUEUED: f64 = 20.0 * 1500.0;
/// Packets of a run that are simulated one by one unless it is asked for: minutes.
const MOST_PACKETS: f64 = 5e7;

/// Why a plan cannot be simulated.
#[derive(Debug, Error)]
pub(super) enum ScenarioError {
    #[error(
        "the links have no rates, so the simulation would take no time; set --up or --down, such as --up 20Mbit, or network.default in the manifest"
    )]
    NoRates,
    #[error("exchange.numChunks: the model cannot be split into {0} chunks")]
    Chunks(u32),
}

/// Options of the command line for links and training.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkOptions {
    up: Option<BitRate>,
    down: Option<BitRate>,
    delay: Option<Duration>,
    train: Duration,
    detail: Option<Detail>,
}

impl From<&SimulateArguments> for LinkOptions {
    fn from(arguments: &SimulateArguments) -> Self {
        Self {
            up: arguments.up,
            down: arguments.down,
            delay: arguments.delay.map(|delay| delay.get()),
            train: arguments.train_time.map_or(Duration::ZERO, |time| time.get()),
            detail: arguments.detail,
        }
    }
}

/// The same state machines as `fltorrent run` has, over the links asked for.
pub(super) fn scenario(plan: &Plan, options: &LinkOptions) -> Result<Scenario, ScenarioError> {
    let chunks = plan.exchange.num_chunks;
    let layout = ChunkLayout::new(plan.model.parameters, chunks).ok_or(ScenarioError::Chunks(chunks))?;
    let identity = RunIdentity {
        run: RunId::from_bytes([0; 16]),
        attempt: 0,
        incarnation: 0,
        plan: plan.hash(),
        data: [0; 32],
    };
    let wiring = Wiring::of(plan);
    let is_rate_aware = |peer: &PeerPlan| is_rate_aware(plan, peer.link.unwrap_or_default());
    let peer = |peer: &PeerPlan| PeerScenario {
        config: config::swarm(plan, &wiring, peer.index, &identity, layout, &Start::default()),
        access: access(peer.link.unwrap_or_default(), options),
        is_rate_aware: is_rate_aware(peer),
        // A host's queue does not show what a process emulates.
        is_paced: plan.exchange.chunk_selection.has_suppliers() && is_rate_aware(peer),
        train: options.train.mul_f64(peer.compute_slowdown),
        churn: peer.churn.clone(),
    };
    let peers: Vec<PeerScenario> = plan.peers.iter().map(peer).collect();
    let has_rate = |peer: &PeerScenario| peer.access.up.is_some() || peer.access.down.is_some();
    if !peers.iter().any(has_rate) {
        return Err(ScenarioError::NoRates);
    }
    Ok(Scenario {
        peers,
        transport: TransportModel {
            unit: (detail(plan, options) == Detail::Chunks).then(|| layout.longest()),
            ..TransportModel::emulated()
        },
        seed: plan.seed,
        order: Vec::new(),
    })
}

/// The detail asked for; by default packets, unless there are too many.
fn detail(plan: &Plan, options: &LinkOptions) -> Detail {
    let peers = plan.peers.len() as f64;
    let bytes = peers * (peers - 1.0) * plan.model.bytes as f64 * f64::from(plan.training.rounds);
    let packets = bytes / f64::from(TransportModel::default().payload);
    options.detail.unwrap_or(match packets <= MOST_PACKETS {
        true => Detail::Packets,
        false => Detail::Chunks,
    })
}

/// True if the real peer would go by its link's rate.
fn is_rate_aware(plan: &Plan, link: LinkPlan) -> bool {
    plan.transport.congestion_control.over(&link) == CongestionControl::RateAware
}

/// The manifest's link, and over it what the command line says.
fn access(link: LinkPlan, options: &LinkOptions) -> Access {
    let declared = |rate: RatePlan| Lane {
        rate: rate.bytes(),
        queue: rate.queue as f64,
    };
    let given = |rate: BitRate| {
        let rate = rate.bytes();
        Lane {
            rate,
            queue: (rate * QUEUE.as_secs_f64()).max(LEAST_QUEUED),
        }
    };
    let delay = options.delay.unwrap_or(link.delay);
    Access {
        up: options.up.map(given).or_else(|| link.up.map(declared)),
        down: options.down.map(given).or_else(|| link.down.map(declared)),
        delay,
        jitter: link.jitter.min(delay),
        loss: f64::from(link.loss) / 1e6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICKSTART: &str = include_str!("../../../../examples/quickstart.yaml");

    fn first(sets: &[(&str, &str)], options: LinkOptions) -> PeerScenario {
        let sets: Vec<_> = sets
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        let plan = Plan::load(QUICKSTART, &sets).unwrap();
        scenario(&plan, &options).unwrap().peers.remove(0)
    }

    const NOTHING: LinkOptions = LinkOptions {
        up: None,
        down: None,
        delay: None,
        train: Duration::from_secs(2),
        detail: None,
    };

    #[test]
    fn links_and_slowness_come_from_the_manifest() {
        let sets = [
            (
                "network.default",
                "{up: 8Mbit, delay: 10ms, jitter: 1ms, loss: 1%, queue: 64Ki}",
            ),
            ("groups[0].network", "{down: 16Mbit}"),
            ("groups[0].computeSlowdown", "2.5"),
        ];
        let peer = first(&sets, NOTHING);
        let lane = |rate| Some(Lane { rate, queue: 65_536.0 });
        let expected = Access {
            up: lane(1e6),
            down: lane(2e6),
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(1),
            loss: 0.01,
        };
        assert_eq!(peer.access, expected);
        assert_eq!(peer.train, Duration::from_secs(5));
    }

    #[test]
    fn the_command_line_comes_first() {
        let options = LinkOptions {
            down: Some(BitRate::megabits(80)),
            delay: Some(Duration::ZERO),
            ..NOTHING
        };
        let sets = [("network.default", "{up: 8Mbit, down: 8Mbit, delay: 10ms, jitter: 1ms}")];
        let access = first(&sets, options).access;
        assert_eq!(access.up.unwrap().rate, 1e6);
        assert_eq!(access.down.unwrap().rate, 1e7);
        assert_eq!((access.delay, access.jitter), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn many_packets_travel_as_chunks_unless_packets_are_asked_for() {
        let unit = |rounds: &str, detail| {
            let options = LinkOptions {
                up: Some(BitRate::megabits(1)),
                detail,
                ..NOTHING
            };
            let sets = [("training.rounds".to_owned(), rounds.to_owned())];
            let plan = Plan::load(QUICKSTART, &sets).unwrap();
            scenario(&plan, &options).unwrap().transport.unit
        };
        assert_eq!(unit("10", None), None);
        // 56 updates of 19,240 bytes are 760 packets.
        assert_eq!(unit("100000", None), Some(481 * 4));
        assert_eq!(unit("100000", Some(Detail::Packets)), None);
        assert_eq!(unit("1", Some(Detail::Chunks)), Some(481 * 4));
    }
}
