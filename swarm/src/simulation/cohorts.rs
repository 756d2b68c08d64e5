//! Fewer and larger updates, for simulations of very many peers.

use std::sync::Arc;

use thiserror::Error;

use super::{PeerScenario, Scenario};
use crate::chunk::ChunkLayout;

/// Why updates cannot be put together.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum CohortError {
    #[error("chunks of {size} updates together have 4 GiB or more; take smaller cohorts or more chunks")]
    Chunk { size: u32 },
    #[error("in a cohort nothing can happen to a peer alone; remove churn")]
    Churn,
    #[error("cohorts of {size} leave fewer than two of {peers} peers with an update; take smaller ones")]
    Size { size: u32, peers: u32 },
    #[error("a cohort's update has no supplier; add --set exchange.chunkSelection=rarestFirst")]
    Suppliers,
}

impl Scenario {
    /// The same peers, links and wiring, with the updates of `size` peers in one, as many times as long: the first peer of each
    /// cohort has it from the start and the others have none. What all peers receive stays the same but for less than a part in
    /// as many as there are cohorts; state and events become fewer by as many times as a cohort has peers.
    ///
    /// # Errors
    /// A chunk would be too large, or there would be one cohort.
    pub fn in_cohorts(mut self, size: u32) -> Result<Self, CohortError> {
        let peers = self.peers.len() as u32;
        let cohorts = peers.div_ceil(size.max(1));
        if size <= 1 {
            return Ok(self);
        }
        if self.peers.iter().any(|peer| !peer.churn.is_empty()) {
            return Err(CohortError::Churn);
        }
        if self.peers.iter().any(|peer| peer.config.forest.is_some()) {
            return Err(CohortError::Suppliers);
        }
        if cohorts < 2 {
            return Err(CohortError::Size { size, peers });
        }
        // Those with an update come first: an update is named by its peer's index.
        let (first, others): (Vec<u32>, Vec<u32>) = (0..peers).partition(|at| at % size == 0);
        let order = [first, others].concat();
        let mut index = vec![0; order.len()];
        for (new, &old) in (0..).zip(&order) {
            index[old as usize] = new;
        }
        for peer in &mut self.peers {
            let config = &mut peer.config;
            let elements = config.layout.elements() * u64::from(size);
            config.layout = ChunkLayout::new(elements, config.layout.chunks()).ok_or(CohortError::Chunk { size })?;
            config.peers = cohorts;
            // Nobody is lost here, and those without an update are in no view.
            config.topology = Arc::new([]);
            config.round_rules.quorum = cohorts;
            config.hello.peer = index[config.hello.peer as usize];
            for neighbour in &mut config.neighbours {
                *neighbour = index[*neighbour as usize];
            }
            config.neighbours.sort_unstable();
        }
        self.transport.unit = self.transport.unit.map(|unit| unit.saturating_mul(size));
        let mut old: Vec<Option<PeerScenario>> = self.peers.into_iter().map(Some).collect();
        self.peers = order.iter().filter_map(|&at| old[at as usize].take()).collect();
        self.order = order;
        Ok(self)
    }
}
