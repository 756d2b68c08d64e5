//! Peers that take part and owe the others something without which a round cannot end: a vote, or chunks that they have voted to
//! hold. Their links live, so that no other clock runs out for them.
//!
//! Whoever waits for that says so in its link state. Whom more than half of the others suspect is in no view, so that a view without it
//! votes; fewer may lie, or wait for something that only they lack.

use std::collections::BTreeMap;

use super::{Action, Notice, Owed, Swarm, flapping::Returns};
use crate::{Time, round::Round};

/// Whom this peer suspects, or has suspected.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    of: BTreeMap<u32, Suspicion>,
    /// When this peer last voted, or the votes last agreed, or the last round was closed.
    spoken_at: Time,
}

#[derive(Debug, Default)]
struct Suspicion {
    /// It is suspected since this round.
    since: Option<u32>,
    /// That process of it. Another one owes nothing.
    incarnation: u32,
    /// It is not trusted before this one.
    until: u32,
    /// Whoever is trusted again and owes something again stays out for longer.
    returns: Returns,
}

impl Suspicions {
    /// This peer has said what it has to say.
    pub(super) fn speak(&mut self, now: Time) {
        self.spoken_at = now;
    }

    pub(super) fn spoken_at(&self) -> Time {
        self.spoken_at
    }

    /// Whether nobody was ever suspected.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Whoever was away itself is no judge.
    pub(super) fn forget(&mut self) {
        self.of.values_mut().for_each(|suspicion| suspicion.since = None);
    }

    /// Whether somebody was waited for in vain in a round.
    pub(super) fn began_in(&self, round: u32) -> bool {
        self.of.values().any(|suspicion| suspicion.since == Some(round))
    }

    fn active(&self) -> impl Iterator<Item = (u32, u32, &Suspicion)> {
        let of = self.of.iter();
        of.filter_map(|(&peer, suspicion)| Some((peer, suspicion.since?, suspicion)))
    }
}

impl Swarm {
    /// Peers that this one suspects, ascending.
    pub(super) fn suspects(&self) -> Vec<u32> {
        self.suspicions.active().map(|(peer, ..)| peer).collect()
    }

    fn is_suspected(&self, peer: u32) -> bool {
        self.suspicions.of.get(&peer).is_some_and(|it| it.since.is_some())
    }

    /// Suspects those from whom something is overdue, and trusts those who are in step again.
    pub(super) fn suspect(&mut self, now: Time) {
        self.trust_again();
        for owed in [Owed::Vote, Owed::Chunks] {
            let Some(due) = self.owed_until(owed).filter(|due| *due <= now) else {
                continue;
            };
            for (peer, round) in self.owing(owed) {
                let is_waited_for = now < due + self.config.pause_limit && !self.can_do_without(peer);
                if !is_waited_for && !self.is_suspected(peer) {
                    self.suspect_of(peer, owed, round);
                }
            }
        }
    }

    fn suspect_of(&mut self, peer: u32, owed: Owed, round: u32) {
        let (current, next) = (self.current.number, self.next_number());
        let suspicion = self.suspicions.of.entry(peer).or_default();
        suspicion.since = Some(current);
        suspicion.incarnation = self.view.incarnation_of(peer);
        suspicion.until = next.saturating_add(suspicion.returns.note(next));
        let notice = Notice::Suspected { peer, owed, round };
        self.actions.push_back(Action::Notice(notice));
    }

    /// In most rounds nobody votes, and nobody owes anything.
    fn is_spoken_of(&self) -> bool {
        let mut rounds = self.previous.iter().chain([&self.current]);
        rounds.any(|round| !round.votes.is_empty())
    }

    /// When [`Self::suspect`] has to be called at the latest.
    pub(super) fn next_suspicion(&self) -> Option<Time> {
        let due = [Owed::Vote, Owed::Chunks].map(|owed| self.owed_until(owed));
        let due = due.into_iter().flatten();
        let due = due.flat_map(|due| [due, due + self.config.pause_limit]);
        due.filter(|&due| due > self.settled_at).min()
    }

    /// How long something is waited for, where this peer is one that waits: a while past the deadline, and where there is none as long as
    /// for peers that are missing. Whoever is suspected itself sees another view than the others, and is no judge.
    fn owed_until(&self, owed: Owed) -> Option<Time> {
        if !self.is_spoken_of() {
            return None;
        }
        let (round, spoken_at) = (&self.current, self.suspicions.spoken_at);
        let is_agreed = round.agreed().is_some() && !round.is_closed();
        let is_awaited = match owed {
            Owed::Vote => self.voted_on().next().is_some(),
            Owed::Chunks => is_agreed,
        };
        let is_no_judge = self.joining.is_some() || self.paused_since.is_some() || !self.goes_on_without();
        if !is_awaited || is_no_judge || self.view.is_suspected(round.number) {
            return None;
        }
        // Whoever has come back has to have its time; where somebody comes and goes without an end, that must not put it off for ever.
        let seen_at = self.view_changed_at.min(spoken_at + self.config.pause_limit);
        let since = spoken_at.max(seen_at);
        // While chunks come, those who give them may have closed the round, and vote no more.
        let since = if is_agreed { since.max(self.last_news) } else { since };
        let since = match self.deadline() {
            Some(deadline) => since.max(deadline),
            None => since + self.config.pause_limit,
        };
        Some(since + self.config.lost_after)
    }

    /// Rounds on which this peer has voted and others may have to. One that is closed here need not be so elsewhere.
    fn voted_on(&self) -> impl Iterator<Item = &Round> {
        let rounds = self.previous.iter().chain([&self.current]);
        let is_open = |round: &&Round| round.agreed().is_none() || !round.is_closed();
        let has_voted = |round: &&Round| {
            let members = &self.view.members_of(round.number);
            let epoch = self.view.epoch_of(members);
            round.votes.has_voted(self.config.me(), members, epoch)
        };
        rounds.filter(move |round| !round.votes.is_empty() && is_open(round) && has_voted(round))
    }

    /// Members that owe something, and the round of which.
    fn owing(&self, owed: Owed) -> Vec<(u32, u32)> {
        match owed {
            Owed::Vote => self.voted_on().flat_map(|round| self.owing_votes(round)).collect(),
            Owed::Chunks => self.claiming_what_is_lacking(),
        }
    }

    fn owing_votes(&self, round: &Round) -> Vec<(u32, u32)> {
        // Whoever has closed it by votes votes on it no more.
        if round.is_closed() && self.decided(round).is_some() {
            return Vec::new();
        }
        // Neither does who has closed the round after it.
        let next = self.next.as_ref();
        let says_so = |at| self.current.neighbour(at).says_done;
        let has_next = |peer| next.is_some_and(|next| next.metainfo(peer).is_some());
        let is_further = |peer| round.is_closed() && (has_next(peer) || self.find(peer).is_some_and(says_so));
        let members = self.view.members_of(round.number);
        let epoch = self.view.epoch_of(&members);
        let silent = members
            .iter()
            .filter(|&peer| !round.votes.has_voted(peer, &members, epoch) && !is_further(peer));
        silent.map(|peer| (peer, round.number)).collect()
    }

    /// Members that have voted to hold something that is to be folded and that this peer lacks.
    fn claiming_what_is_lacking(&self) -> Vec<(u32, u32)> {
        let (round, chunks) = (&self.current, self.config.layout.chunks());
        let agreed = round.agreed().into_iter().flat_map(|agreed| agreed.iter());
        let lacking: Vec<u32> = agreed.filter(|&position| !round.held().contains(position)).collect();
        let claims = |&peer: &u32| {
            let vote = round.votes.last_of(peer);
            let mut lacking = lacking.iter().map(|position| (position / chunks, position % chunks));
            vote.is_some_and(|vote| lacking.any(|(origin, index)| vote.holds(origin, index)))
        };
        let others = self.view.members().iter().filter(|&peer| peer != self.config.me());
        others.filter(claims).map(|peer| (peer, round.number)).collect()
    }

    /// Whether enough are left without a peer. With fewer no round ends in any case, and it may yet do what it owes: they give it as much
    /// time as one that is missing, before they pause.
    fn can_do_without(&self, peer: u32) -> bool {
        let members = self.view.members().iter();
        let left = members.filter(|&other| other != peer && !self.is_suspected(other));
        self.are_enough(left.count() as u32)
    }

    /// Trusts those again who have shown in a later round that they are in step or catch up, sooner where too few take part, and whoever
    /// has begun anew.
    fn trust_again(&mut self) {
        if self.joining.is_some() || self.suspicions.of.is_empty() {
            return;
        }
        let (round, is_paused) = (&self.current, self.paused_since.is_some());
        let previous = self.previous.as_ref();
        let is_in_step = |peer: u32, until: u32| {
            let speaks = |at| round.count(at) > 0 || round.neighbour(at).says_done;
            let has_voted = |round: &Round| round.number >= until && round.votes.last_of(peer).is_some();
            let has_spoken = round.metainfo(peer).is_some() || has_voted(round) || previous.is_some_and(has_voted);
            has_spoken || self.find(peer).is_some_and(speaks) || self.view.is_joining(peer)
        };
        let may_be_trusted = |since: u32, until: u32| round.number >= until || is_paused && round.number > since;
        let trusted = self.suspicions.active().filter(|&(peer, since, it)| {
            let is_another = self.view.incarnation_of(peer) > it.incarnation;
            is_another || may_be_trusted(since, it.until) && is_in_step(peer, since + 1)
        });
        let trusted: Vec<u32> = trusted.map(|(peer, ..)| peer).collect();
        for peer in trusted {
            self.suspicions.of.entry(peer).or_default().since = None;
        }
    }
}
