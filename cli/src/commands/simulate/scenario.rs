//! From a plan to what is simulated.

use std::time::Duration;

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::{Plan, plan::PeerPlan};
use fltorrent_peer::{
    process::config::{self, Occasion},
    worker::Start,
};
use fltorrent_swarm::{
    ChunkLayout,
    simulation::{Access, Lane, PeerScenario, Scenario, TransportModel},
};
use thiserror::Error;

use crate::{arguments::SimulateArguments, rate::BitRate};

/// Waiting time of a full queue in front of a link.
const QUEUE: Duration = Duration::from_millis(50);
/// Packets that a queue holds at least.
const LEAST_QUEUED: f64 = 20.0 * 1500.0;

/// Why a plan cannot be simulated.
#[derive(Debug, Error)]
pub(super) enum ScenarioError {
    /// Without rates the exchange takes no time.
    #[error(
        "nothing says how fast the links are, and everything would take no time; give --up or --down, such as --up 20Mbit"
    )]
    NoRates,
    /// A model without so many parameters.
    #[error("exchange.numChunks: the model cannot be cut into {0} chunks")]
    Chunks(u32),
}

/// What the command line says of links and training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    up: Option<BitRate>,
    down: Option<BitRate>,
    delay: Duration,
    train: Duration,
}

impl From<&SimulateArguments> for Asked {
    fn from(arguments: &SimulateArguments) -> Self {
        Self {
            up: arguments.up.or(arguments.down),
            down: arguments.down.or(arguments.up),
            delay: arguments.delay.map_or(Duration::ZERO, |delay| delay.get()),
            train: arguments
                .train_time
                .map_or(Duration::ZERO, |time| time.get()),
        }
    }
}

/// The same state machines as `fltorrent run` has, over the links that are asked for.
pub(super) fn scenario(plan: &Plan, asked: &Asked) -> Result<Scenario, ScenarioError> {
    let chunks = plan.exchange.num_chunks;
    let layout =
        ChunkLayout::new(plan.model.parameters, chunks).ok_or(ScenarioError::Chunks(chunks))?;
    let occasion = Occasion {
        run: RunId::from_bytes([0; 16]),
        attempt: 0,
        plan: plan.hash(),
        data: [0; 32],
    };
    let peer = |peer: &PeerPlan| {
        Ok(PeerScenario {
            config: config::swarm(plan, peer.index, &occasion, layout, &Start::default()),
            access: access(asked)?,
            train: asked.train,
        })
    };
    Ok(Scenario {
        peers: plan.peers.iter().map(peer).collect::<Result<_, _>>()?,
        transport: TransportModel::default(),
        seed: plan.seed,
    })
}

fn access(asked: &Asked) -> Result<Access, ScenarioError> {
    if asked.up.is_none() && asked.down.is_none() {
        return Err(ScenarioError::NoRates);
    }
    let lane = |rate: BitRate| {
        let rate = rate.bytes();
        Lane {
            rate,
            queue: (rate * QUEUE.as_secs_f64()).max(LEAST_QUEUED),
        }
    };
    Ok(Access {
        up: asked.up.map(lane),
        down: asked.down.map(lane),
        delay: asked.delay,
        ..Access::default()
    })
}
