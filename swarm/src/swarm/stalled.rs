//! Rounds that this peer cannot end any more, since others have left them.

use super::Swarm;
use crate::{Time, neighbour::Neighbour};

impl Swarm {
    /// Nobody will ever give what this peer still needs of the round: its neighbours are done with it.
    pub(super) fn rejoin_when_stuck(&mut self) {
        let round = &self.current;
        let waits_for_chunks = round.in_flight() > 0 || round.is_recalling();
        if round.is_closed() || waits_for_chunks || self.joining.is_some() {
            return;
        }
        let is_spoken_of = !round.votes.is_empty();
        if is_spoken_of && self.may_be_decided() || round.is_full() && !(is_spoken_of && self.is_bound_in_vain()) {
            return;
        }
        // Those that were not met yet may have it.
        let is_there = |neighbour: &Neighbour| self.is_wired_to(neighbour) && self.may_be_there(neighbour);
        let there = (0..self.neighbours.len()).filter(|&at| is_there(&self.neighbours[at]));
        let open: Vec<usize> = there.collect();
        // Who is further does not say so of this round any more.
        let is_done = |&at: &usize| round.neighbour(at).says_done || self.neighbours[at].ahead.is_some();
        // Who is done and does not have what was folded has taken a model over, and can give that. Others may say so without having it.
        let has_joined_since = |at: &&usize| self.view.takes_part_from(self.neighbours[**at].peer) > round.number;
        let is_stuck = match round.agreed() {
            _ if self.is_over_for_others() => open.iter().any(is_done),
            Some(_) if open.iter().filter(has_joined_since).any(is_done) => true,
            _ => !open.is_empty() && open.iter().all(is_done),
        };
        let is_stuck = is_stuck && open.iter().all(|&at| !round.is_interesting(at));
        if is_stuck {
            let over = round.number;
            // The model of the round before would lead to the same place.
            self.rejoin(over + 1, over);
        }
    }

    /// Whether votes may say how the round ends that have not done so yet.
    fn may_be_decided(&self) -> bool {
        let round = &self.current;
        // A view that this peer is in comes to no end without its vote.
        let votes = round.votes.last_of(self.config.me()).is_some() || self.vote_due(round.number).is_some();
        round.agreed().is_none() && votes && self.enough_may_vote() && !self.somebody_is_past_it()
    }

    /// Whoever has everything and has voted is bound by votes, which cannot come where too few may vote.
    fn is_bound_in_vain(&self) -> bool {
        self.current.votes.last_of(self.config.me()).is_some() && !self.enough_may_vote()
    }

    fn enough_may_vote(&self) -> bool {
        let members = self.view.members_of(self.current.number);
        self.are_enough(members.count())
    }

    /// Whether so many peers, with those that have finished, are as many as a round needs.
    pub(super) fn are_enough(&self, peers: u32) -> bool {
        peers + self.finished() >= self.config.min_peers
    }

    /// Whether somebody takes part who is in a round after the next one: it votes on this one no more, so that no view comes to an end.
    fn somebody_is_past_it(&self) -> bool {
        let takes_part = |peer: u32| self.view.members().contains(peer);
        let mut neighbours = self.neighbours.iter().filter(|neighbour| neighbour.ahead.is_some());
        neighbours.any(|neighbour| takes_part(neighbour.peer))
            || self.origins_ahead.keys().any(|&origin| takes_part(origin))
    }

    /// Whether so many have signed updates of the next round that one of them at least does not lie.
    fn is_over_for_others(&self) -> bool {
        let next = self.next.as_ref().map_or(0, |next| next.metainfos().count());
        3 * next as u32 > self.config.peers
    }

    /// Goes after the few who are further, once nothing has come of this peer's round for longer than a pause may last: too few to show that
    /// the round is over, and yet the only ones that go on. So it is after many processes have died at once, and some of them have taken over
    /// an older model than others had. Where it was a lie the others have not signed their model.
    pub(super) fn rejoin_when_stalled(&mut self, now: Time) {
        if self.stalled_at().is_some_and(|due| due <= now) {
            let rounds: Vec<u32> = self.open().filter_map(|neighbour| neighbour.ahead).collect();
            self.rejoin_those_in(&rounds);
        }
    }

    /// When [`Self::rejoin_when_stalled`] has to be called at the latest.
    pub(super) fn next_stall(&self) -> Option<Time> {
        self.stalled_at().filter(|&due| due > self.settled_at)
    }

    fn stalled_at(&self) -> Option<Time> {
        let waits = !self.current.is_closed() && self.joining.is_none() && self.goes_on_without();
        let is_signed = !self.origins_ahead.is_empty();
        if !waits || !is_signed || !self.open().any(|neighbour| neighbour.ahead.is_some()) {
            return None;
        }
        let since = self.last_news.max(self.view_changed_at);
        Some(since + self.config.pause_limit + self.config.lost_after)
    }

    fn open(&self) -> impl Iterator<Item = &Neighbour> {
        self.neighbours.iter().filter(|neighbour| neighbour.is_open())
    }
}
