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
            NeighbourState::Open => self.current.neighbour(at).done || self.cannot_help(at),
            NeighbourState::Departed | NeighbourState::Unused => true,
            NeighbourState::Away { .. } | NeighbourState::Greeting { .. } => false,
        };
        if self.has_finished() && (0..self.neighbours.len()).all(done) {
            self.ended = true;
            self.actions.push_back(Action::Leave);
        }
    }

    /// Whether this peer needs nothing more of the last round.
    pub(super) fn has_finished(&self) -> bool {
        self.is_last() && self.current.is_closed()
    }

    /// The current round is closed: whether it is the last one follows from what the origins signed that are folded.
    pub(super) fn decide(&mut self, missing: &[u32]) {
        // Nothing was evaluated before the first round of a run.
        let Some(evaluated) = self.current.number.checked_sub(1) else {
            return;
        };
        let Some(stop) = &mut self.early_stop else {
            return;
        };
        let metainfos = self.current.metainfos().map(|known| &known.parsed);
        let folded = metainfos.filter(|metainfo| missing.binary_search(&metainfo.origin).is_err());
        let counts = folded.map(|metainfo| metainfo.evaluation);
        self.convergence = stop.add_round(evaluated, counts);
    }

    /// The first peer that trained the current round from another model than this one although both folded the same. They have
    /// the same model then, unless somebody lied to them or a machine computes something else.
    pub(super) fn models_differ(&self) -> Option<Failure> {
        let own = self.current.metainfo(self.config.me())?;
        let (folded, ours) = (own.parsed.folded, own.parsed.base);
        let mut known = self.current.metainfos();
        // Where a loss ends the run, all rounds end alike.
        let is_alike = |theirs: [u8; 32]| !self.goes_on_without() || theirs == folded;
        let other = known.find(|known| is_alike(known.parsed.folded) && known.parsed.base != ours)?;
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
        // Whoever comes back in the last round goes on from the model of the one before it. One who is wired to this peer next may lack what
        // all neighbours have, and so may the next process of a neighbour that others have everything from.
        let lacks_model = over.is_some_and(|previous| self.kept_model != Some(previous.number));
        let may_be_wanted =
            self.is_last() && lacks_model || self.somebody_catches_up() || self.repairs() || self.may_fall_apart;
        if self.goes_on_without() && may_be_wanted {
            return;
        }
        if over.is_some_and(|previous| previous.all_neighbours_done()) {
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
        // It can be made again.
        if let Some(offer) = self.offer.take_if(|offer| offer.round == round) {
            self.made = None;
            self.offered = Some(offer);
        }
        for neighbour in &mut self.neighbours {
            neighbour.queue.retain(|(_, chunk)| chunk.round > round);
        }
        self.actions.push_back(Action::Release { round });
    }

    /// When a neighbour that is of no use is given up.
    pub(super) fn give_up_at(&self, at: usize) -> Option<Time> {
        let goes_on = self.goes_on_without();
        if goes_on && self.has_finished() && self.neighbours[at].is_open() {
            // It asks for nothing, and does not say that it needs nothing.
            let asked = self.neighbours[at].last_request_at;
            let since = asked
                .max(self.suspicions.spoken_at())
                .max(self.deadline().unwrap_or_default());
            // It may wait for somebody whom others have yet to suspect.
            return Some(since + self.config.lost_after + 2 * self.config.pause_limit);
        }
        let patience = if self.has_finished() && (goes_on || self.current.neighbour(at).done) {
            LINGER.min(self.config.lost_after)
        } else if goes_on {
            return None;
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
            if !self.current.neighbour(at).done {
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
        let state = match self.neighbours[at].is_extra {
            true => NeighbourState::Unused,
            false => NeighbourState::Away { since, why },
        };
        self.drop_neighbour(now, at, state);
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        if !self.ended {
            self.ended = true;
            self.actions.push_back(Action::Fail(failure));
        }
    }
}
