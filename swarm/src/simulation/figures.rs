//! The measurements of a simulated peer.

use std::time::Duration;

use crate::{
    Time,
    churn::ChurnKind,
    swarm::{EndCause, Wait},
};

/// One peer's round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundFigures {
    /// The round, from 0.
    pub round: u32,
    /// When its own update was ready.
    pub published: Time,
    /// When it held all updates.
    pub completed: Time,
    /// Time in between in which no neighbour had anything that it missed.
    pub nothing: Duration,
    /// Time in between in which all that had something choked it.
    pub choked: Duration,
}

/// One peer's run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerFigures {
    /// Rounds that it has closed, in order.
    pub rounds: Vec<RoundFigures>,
    /// Those of them that lack an update or a part of one: what ended them, and who is missing.
    pub degraded: Vec<(u32, EndCause, Vec<u32>)>,
    /// What has happened to it: what, in which round, and when.
    pub churn: Vec<(ChurnKind, u32, Time)>,
    /// Why it did not come to the end, and when.
    pub ended_early: Option<(String, Time)>,
    /// Bytes that its uplink has carried, all headers included.
    pub sent: u64,
    /// Bytes that its downlink has carried.
    pub received: u64,
    /// Bytes of control messages that it has sent.
    pub control: u64,
    /// Packets that it counted as lost.
    pub lost: u64,
    /// Counts of the state machine.
    pub stats: crate::Stats,
}

/// A peer's waits since its update was ready.
#[derive(Debug)]
pub(super) struct Waiting {
    published: Option<Time>,
    since: Time,
    what: Wait,
    nothing: Duration,
    choked: Duration,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            published: None,
            since: Time::ZERO,
            what: Wait::Served,
            nothing: Duration::ZERO,
            choked: Duration::ZERO,
        }
    }

    pub(super) fn publish(&mut self, now: Time) {
        *self = Self {
            published: Some(now),
            since: now,
            ..Self::new()
        };
    }

    /// It waits for this from now on.
    pub(super) fn waits(&mut self, now: Time, what: Wait) {
        let passed = now.saturating_sub(self.since);
        match self.what {
            Wait::Nothing => self.nothing += passed,
            Wait::Choked => self.choked += passed,
            Wait::Served => {}
        }
        self.since = now;
        self.what = what;
    }

    pub(super) fn complete(&mut self, now: Time, round: u32) -> RoundFigures {
        self.waits(now, Wait::Served);
        RoundFigures {
            round,
            published: self.published.unwrap_or(now),
            completed: now,
            nothing: self.nothing,
            choked: self.choked,
        }
    }
}
