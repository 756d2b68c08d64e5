//! How rounds, neighbours and the run end.

use std::time::Duration;

use super::{Action, Failure, Notice, Swarm};
use crate::{Time, neighbour::NeighbourState};

/// How long a peer that has finished waits for a broken connection to a neighbour that has finished too: the neighbour
/// may not have heard yet that this peer is complete.
const LINGER: Duration = Duration::from_secs(2);

impl Swarm {
    /// Leaves when nobody needs this peer any more, and every neighbour could hear that this peer needs nobody.
    pub(super) fn leave_when_done(&mut self) {
        let done = |at: usize| match self.neighbours[at].state {
            NeighbourState::Open => self.current.neighbour(at).complete,
            NeighbourState::Departed => true,
            NeighbourState::Away { .. } | NeighbourState::Greeting { .. } => false,
        };
        if self.has_finished() && (0..self.neighbours.len()).all(done) {
            self.ended = true;
            self.actions.push_back(Action::Leave);
        }
    }

    /// Whether this peer holds everything of the last round.
    pub(super) fn has_finished(&self) -> bool {
        self.is_last() && self.current.is_complete()
    }

    /// The current round is complete: whether it is the last one follows from what all origins signed.
    pub(super) fn decide(&mut self) {
        // Nothing was evaluated before the first round of a run.
        let Some(evaluated) = self.current.number.checked_sub(1) else {
            return;
        };
        let Some(stop) = &mut self.early_stop else {
            return;
        };
        let counts = self.current.metainfos().map(|known| known.parsed.evaluation);
        self.convergence = stop.add_round(evaluated, counts);
    }

    /// The first peer that trained the current round from another model than this one. All peers that hold everything of the
    /// round before have the same model, unless somebody lied to them or a machine computes something else.
    pub(super) fn models_differ(&self) -> Option<Failure> {
        let own = self.current.metainfo(self.config.me())?;
        let ours = own.parsed.base;
        let mut known = self.current.metainfos();
        let other = known.find(|known| known.parsed.base != ours)?;
        Some(Failure::ModelsDiffer {
            origin: other.parsed.origin,
            round: other.parsed.round,
            theirs: other.parsed.base,
            ours,
            proof: Box::new([own.signed.clone(), other.signed.clone()]),
        })
    }

    /// Releases the previous round once no neighbour needs it.
    pub(super) fn release(&mut self) {
        let over = self.previous.as_ref();
        if over.is_some_and(|previous| previous.all_neighbours_complete()) {
            self.release_previous();
        }
    }

    pub(super) fn release_previous(&mut self) {
        let Some(previous) = &self.previous else {
            return;
        };
        let round = previous.number;
        if round < self.released {
            return;
        }
        self.released = round + 1;
        for neighbour in &mut self.neighbours {
            neighbour.queue.retain(|(_, chunk)| chunk.round > round);
        }
        self.actions.push_back(Action::Release { round });
    }

    /// When a neighbour that is of no use is given up.
    pub(super) fn give_up_at(&self, at: usize) -> Option<Time> {
        let patience = if self.has_finished() && self.current.neighbour(at).complete {
            LINGER.min(self.config.lost_after)
        } else {
            self.patience(at)
        };
        Some(self.neighbours[at].useless_since()? + patience)
    }

    /// How long this peer does without a neighbour. One that was never met is waited for longer, until the last round
    /// has shown that it is there and reached by others.
    fn patience(&self, at: usize) -> Duration {
        if self.neighbours[at].met || self.has_finished() {
            self.config.lost_after
        } else {
            self.config.join_within
        }
    }

    /// A neighbour that stays away ends the run; a peer that has finished goes without its goodbye.
    pub(super) fn give_up_neighbours(&mut self, now: Time) {
        for at in 0..self.neighbours.len() {
            if self.give_up_at(at).is_none_or(|due| due > now) {
                continue;
            }
            let peer = self.neighbours[at].peer;
            if !self.has_finished() {
                let why = match &self.neighbours[at].state {
                    NeighbourState::Away { why, .. } => why.clone(),
                    _ => "it was connected, but sent no hello".to_owned(),
                };
                let after = self.patience(at);
                return self.fail(Failure::Lost { peer, after, why });
            }
            if !self.current.neighbour(at).complete {
                self.actions.push_back(Action::Notice(Notice::NoGoodbye { peer }));
            }
            self.drop_neighbour(now, at, NeighbourState::Departed);
        }
    }

    /// The neighbour is of no use from now on; what is known of an earlier end stays.
    pub(super) fn went_away(&mut self, now: Time, at: usize, why: String) {
        if !self.neighbours[at].is_connected() {
            return;
        }
        let neighbour = &self.neighbours[at];
        let since = neighbour.useless_since().or(neighbour.at_fault_since);
        let since = since.unwrap_or(now);
        self.drop_neighbour(now, at, NeighbourState::Away { since, why });
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.ended {
            self.ended = true;
            self.actions.push_back(Action::Fail(failure));
        }
    }
}
