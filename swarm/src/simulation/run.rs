//! A prediction from its start to its end.

use super::{PeerFigures, Scenario, SimulationError, access::AccessLinks, world::World};
use crate::Time;

/// A run in virtual time.
pub struct Simulation {
    world: World<AccessLinks>,
}

impl Simulation {
    /// All peers at the start of their first round; connections are being made.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            world: AccessLinks::new(scenario),
        }
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.world.now
    }

    /// Events that have happened.
    pub fn steps(&self) -> u64 {
        self.world.steps()
    }

    /// Chunks held of all that have to be held in the round that each peer is in, by all peers.
    pub fn progress(&self) -> (u64, u64) {
        let held = self.world.peers.iter().map(|peer| peer.swarm.held());
        held.fold((0, 0), |(held, all), chunks| {
            (held + u64::from(chunks.count()), all + u64::from(chunks.len()))
        })
    }

    /// Whether all peers have left.
    pub fn is_over(&self) -> bool {
        self.world.is_over()
    }

    /// The peers' measurements so far, in the order of their first indices.
    pub fn figures(&self) -> Vec<PeerFigures> {
        self.world.figures()
    }

    /// Lets everything happen until all runs are over.
    ///
    /// # Errors
    /// A peer fails, nothing happens any more, or it takes longer than `limit` of virtual time.
    pub fn run(&mut self, limit: Time) -> Result<(), SimulationError> {
        while self.step(limit)? {}
        Ok(())
    }

    /// Lets the next event happen; false when all runs are over.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn step(&mut self, limit: Time) -> Result<bool, SimulationError> {
        if let Some(error) = &self.world.links.failed {
            return Err(error.clone());
        }
        if self.is_over() {
            return Ok(false);
        }
        let Some((time, event)) = self.world.pop() else {
            return Err(SimulationError::Stuck {
                at: self.world.now,
                running: self.world.running(),
            });
        };
        if time > limit {
            return Err(SimulationError::TooLong { limit });
        }
        self.world.happen(time, event);
        Ok(true)
    }
}
