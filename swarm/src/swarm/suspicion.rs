//! Peers that take part and owe the others something without which a round cannot end: a vote, or chunks that they have voted to
//! hold. Their links live, so that no other clock runs out for them.
//!
//! Whoever waits for that says so in its link state. Whom more than half of the others suspect is in no view, so that a view without it
//! votes; fewer may lie, or wait for something that only they lack.

use std::{collections::BTreeMap, fmt};

use super::{Action, Notice, Swarm, flapping::Returns};
use crate::{Time, round::Round};

/// What is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Its word on the end of a round.
    Vote,
    /// Chunks of which it has said in its vote that it holds them.
    Chunks,
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vote => "has not voted on the end",
            Self::Chunks => "gives nobody what it has voted to hold",
        })
    }
}

/// Whom this peer suspects, or has suspected.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    of: BTreeMap<u32, Suspicion>,
    /// When this peer has voted last, or the votes have agreed, or the round was closed.
    spoken_at: Time,
}

#[derive(Debug, Default)]
struct Suspicion {
    /// It is suspected since this round.
    since: Option<u32>,
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

    /// Whoever was away itself is no judge.
    pub(super) fn forget(&mut self) {
        self.of.values_mut().for_each(|suspicion| suspicion.since = None);
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
            let members: Vec<u32> = self.view.members().iter().collect();
            for peer in members {
                let is_waited_for = now < due + self.config.pause_limit && !self.can_do_without(peer);
                if self.owes(peer, owed) && !is_waited_for {
                    self.suspect_of(peer, owed);
                }
            }
        }
    }

    fn suspect_of(&mut self, peer: u32, owed: Owed) {
        let (round, next) = (self.current.number, self.next_number());
        let suspicion = self.suspicions.of.entry(peer).or_default();
        suspicion.since = Some(round);
        suspicion.until = next.saturating_add(suspicion.returns.note(next));
        let notice = Notice::Suspected { peer, owed, round };
        self.actions.push_back(Action::Notice(notice));
    }

    /// When [`Self::suspect`] has to be called at the latest.
    pub(super) fn next_suspicion(&self) -> Option<Time> {
        let due = [Owed::Vote, Owed::Chunks].map(|owed| self.owed_until(owed));
        let due = due.into_iter().flatten();
        let due = due.flat_map(|due| [due, due + self.config.pause_limit]);
        due.filter(|&due| due > self.settled_at).min()
    }

    /// How long something is waited for, where this peer is one that waits: a while past the deadline, and where there is none as long as
    /// for peers that are missing.
    fn owed_until(&self, owed: Owed) -> Option<Time> {
        let is_no_judge = self.joining.is_some() || self.paused_since.is_some() || !self.goes_on_without();
        if is_no_judge {
            return None;
        }
        let since = match owed {
            Owed::Vote => {
                self.voted_on().next()?;
                self.view_changed_at
            }
            Owed::Chunks => {
                let round = &self.current;
                round.agreed().filter(|_| !round.is_closed())?;
                self.last_news
            }
        };
        let since = since.max(self.suspicions.spoken_at);
        Some(match self.deadline() {
            Some(deadline) => since.max(deadline) + self.config.lost_after,
            None => since + self.config.pause_limit,
        })
    }

    /// Rounds on which this peer has voted and others may have to. One that is closed here need not be so elsewhere.
    fn voted_on(&self) -> impl Iterator<Item = &Round> {
        let rounds = self.previous.iter().chain([&self.current]);
        let is_open = |round: &&Round| round.agreed().is_none() || !round.is_closed();
        let me = self.config.me();
        rounds.filter(move |round| !round.votes.is_empty() && is_open(round) && self.has_voted(round, me))
    }

    /// Whether a peer has voted in the view that this peer sees.
    fn has_voted(&self, round: &Round, peer: u32) -> bool {
        let members = &self.view.members_of(round.number);
        round.votes.has_voted(peer, members, self.view.epoch_of(members))
    }

    fn owes(&self, peer: u32, owed: Owed) -> bool {
        if peer == self.config.me() || self.is_suspected(peer) {
            return false;
        }
        match owed {
            Owed::Vote => self.voted_on().any(|round| self.owes_vote(peer, round)),
            Owed::Chunks => self.claims_what_is_lacking(peer),
        }
    }

    fn owes_vote(&self, peer: u32, round: &Round) -> bool {
        if !self.view.members_of(round.number).contains(peer) || self.has_voted(round, peer) {
            return false;
        }
        if !round.is_closed() {
            return true;
        }
        // Whoever has closed the round after it votes on this one no more, and neither does who has closed it by votes.
        let next = self.next.as_ref().and_then(|next| next.metainfo(peer));
        let says_so = |at| self.current.neighbour(at).says_done;
        let is_further = next.is_some() || self.find(peer).is_some_and(says_so);
        let least = self.config.min_peers.saturating_sub(self.finished()).max(1);
        !is_further && round.votes.decided(self.config.layout.chunks(), least).is_none()
    }

    /// Whether a peer has voted to hold something that is to be folded and that this peer lacks.
    fn claims_what_is_lacking(&self, peer: u32) -> bool {
        let round = &self.current;
        let (Some(agreed), Some(vote)) = (round.agreed(), round.votes.last_of(peer)) else {
            return false;
        };
        let chunks = self.config.layout.chunks();
        let mut lacking = agreed.iter().filter(|&position| !round.held().contains(position));
        lacking.any(|position| vote.holds(position / chunks, position % chunks))
    }

    /// Whether enough are left without a peer. With fewer no round ends in any case, and it may yet do what it owes: they give it as much
    /// time as one that is missing, before they pause.
    fn can_do_without(&self, peer: u32) -> bool {
        let members = self.view.members().iter();
        let left = members.filter(|&other| other != peer && !self.is_suspected(other));
        left.count() as u32 + self.finished() >= self.config.min_peers
    }

    /// Trusts those again who have shown in a later round that they are in step, or who catch up; at once where too few take part.
    fn trust_again(&mut self) {
        if self.joining.is_some() || self.suspicions.of.is_empty() {
            return;
        }
        let (round, is_paused) = (&self.current, self.paused_since.is_some());
        let is_in_step = |peer: u32| {
            let speaks = |at| round.count(at) > 0 || round.neighbour(at).says_done;
            let has_spoken = round.metainfo(peer).is_some() || round.votes.last_of(peer).is_some();
            has_spoken || self.find(peer).is_some_and(speaks) || self.view.is_joining(peer)
        };
        let may_be_trusted = |since: u32, until: u32| round.number >= until || is_paused && round.number > since;
        let active = self.suspicions.active();
        let trusted = active.filter(|&(peer, since, it)| may_be_trusted(since, it.until) && is_in_step(peer));
        let trusted: Vec<u32> = trusted.map(|(peer, ..)| peer).collect();
        for peer in trusted {
            self.suspicions.of.entry(peer).or_default().since = None;
        }
    }
}
