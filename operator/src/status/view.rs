//! What is seen of peers, for the conditions.

use std::time::Duration;

use crate::{
    life::{self, Facts, Ledger, Replaced},
    pod_facts::Counts,
    validate::Validated,
};

/// Peers by state.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) counts: Counts,
    pub(super) peers: u32,
    pub(super) min_peers: u32,
    pub(super) pause_limit: Duration,
    /// How many peers take part, where they say that they are too few.
    pub(super) paused: Option<u32>,
    /// True if the others go on without a peer that is lost.
    pub(super) goes_on: bool,
    /// Pods that have to go before others come.
    pub(super) waits: usize,
    pub(super) trouble: Option<(&'a str, &'a str)>,
    pub(super) absent: Vec<Absent>,
    /// Peers that have yet to join.
    pub(super) to_join: u32,
}

/// A peer that was replaced and is not back, or that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    pub(super) index: u32,
    pub(super) peer: Replaced,
    pub(super) attempt: u32,
}

impl View<'_> {
    /// A view in which nobody is absent and nothing is wrong.
    pub(super) fn of(validated: &Validated, counts: Counts) -> Self {
        let plan = &validated.plan;
        Self {
            counts,
            peers: validated.peers(),
            min_peers: plan.min_peers,
            pause_limit: plan.pause_limit,
            paused: None,
            goes_on: plan.goes_on,
            waits: 0,
            trouble: None,
            absent: Vec::new(),
            to_join: 0,
        }
    }

    /// With those who are absent and those who have yet to join.
    pub(super) fn looked_at(self, ledger: &Ledger, facts: &Facts) -> Self {
        let to_join = life::to_join(ledger, facts);
        let absent = life::absent(ledger, facts).into_iter().filter_map(|index| {
            let peer = ledger.replaced.get(&index).filter(|_| !to_join.contains(&index))?;
            Some(Absent {
                index,
                peer: peer.clone(),
                attempt: ledger.attempt,
            })
        });
        Self {
            absent: absent.collect(),
            to_join: u32::try_from(to_join.len()).unwrap_or(u32::MAX),
            ..self
        }
    }
}
