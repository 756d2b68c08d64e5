//! The end of a round: at once when every update is here, and else as the peers that take part agree by votes.

use super::{Action, Bottleneck, EndCause, RoundEnd, Swarm};
use crate::{
    Time,
    bitfield::Bitfield,
    early_stop::StopRecord,
    round::Round,
    rules::Deadline,
    statement::Statement,
    vote::{Cast, Vote},
};

/// Rounds whose last ballot is remembered.
const BALLOTS: usize = 4;

impl Swarm {
    /// The end of the round that was closed last.
    pub fn round_end(&self) -> Option<&RoundEnd> {
        self.round_end.as_ref()
    }

    /// Closes the round where nothing more of it is needed.
    pub(super) fn close_when_done(&mut self, now: Time) {
        let round = &self.current;
        if round.is_closed() {
            return;
        }
        if self.joining.is_some() {
            if round.is_full() && self.may_adopt(now) {
                self.adopt(now);
            }
            return;
        }
        // Whoever has voted is bound by what the votes give.
        let has_voted = round.votes.last_of(self.config.me()).is_some();
        if round.is_full() && !has_voted {
            return self.close(now, EndCause::All);
        }
        let held = round.held();
        if let Some(agreed) = round.agreed()
            && agreed.iter().all(|position| held.contains(position))
        {
            let cause = match (agreed.is_full(), round.votes.cut()) {
                (true, _) => EndCause::All,
                (false, true) if round.whole() < self.config.round_rules.quorum => EndCause::Deadline,
                (false, _) => EndCause::Quorum,
            };
            self.close(now, cause);
        }
    }

    fn close(&mut self, now: Time, cause: EndCause) {
        self.current.close();
        self.suspicions.speak(now);
        self.withdraw_all();
        self.update_interest();
        if let Some(published) = self.published_at {
            self.choker.set_round_length(now.saturating_sub(published));
        }
        if let Some(failure) = self.models_differ() {
            return self.fail(failure);
        }
        let mut end = self.end_of_round(now, cause);
        self.decide(&end.missing);
        end.stop = self.stop_record();
        end.digest = RoundEnd::digest_of(&end.set_hash, &end.stop);
        self.note_laggards(&end);
        // What was waited for in vain makes no later round wait longer.
        let in_vain = self.suspicions.began_in(self.current.number);
        let last = self.current.arrivals().last_whole().filter(|_| in_vain).unwrap_or(now);
        self.lengths.learn(last.saturating_sub(self.round_began_at));
        let round = end.round;
        self.end_before = self.round_end.replace(end);
        self.announce_end();
        self.actions.push_back(Action::Complete { round });
    }

    /// What is asked for is not needed any more.
    pub(super) fn withdraw_all(&mut self) {
        for at in 0..self.neighbours.len() {
            let requests: Vec<u32> = self.neighbours[at].outstanding.iter().map(|(id, _)| id).collect();
            for request in requests {
                if let Some(outstanding) = self.withdraw(at, request) {
                    self.current.give_up(outstanding.position, at);
                }
            }
            self.withdraw_all_standing(at);
        }
    }

    fn end_of_round(&self, now: Time, cause: EndCause) -> RoundEnd {
        let round = &self.current;
        let chunks = self.config.layout.chunks();
        let set = round.agreed().filter(|set| !set.is_full());
        let mut missing = Vec::new();
        let mut hasher = blake3::Hasher::new_derive_key("fltorrent what is folded of a round");
        hasher.update(&round.number.to_be_bytes());
        for origin in 0..self.config.peers {
            let folded = |index: u32| set.is_none_or(|set| set.contains(origin * chunks + index));
            let Some(known) = round.metainfo(origin).filter(|_| (0..chunks).any(folded)) else {
                missing.push(origin);
                continue;
            };
            hasher.update(&origin.to_be_bytes());
            hasher.update(&known.hash);
            for index in (0..chunks).filter(|&index| !folded(index)) {
                hasher.update(&index.to_be_bytes());
            }
            hasher.update(&chunks.to_be_bytes());
        }
        RoundEnd {
            round: round.number,
            cause,
            bottleneck: self.bottleneck(now, &missing),
            missing,
            set: set.cloned(),
            // Follows when it is known whether the run ends.
            digest: [0; 32],
            set_hash: *hasher.finalize().as_bytes(),
            stop: StopRecord::default(),
            certified_before: self.certified_before(),
        }
    }

    /// Whom this peer waited for last, of those whose updates are folded; one that is folded in part was waited for to the end.
    fn bottleneck(&self, now: Time, missing: &[u32]) -> Option<Bottleneck> {
        let began = self.published_at.unwrap_or(self.round_began_at);
        let folded = |origin: &u32| missing.binary_search(origin).is_err();
        let origins = (0..self.config.peers).filter(folded);
        let last = self.current.arrivals().last(now, self.config.me(), origins)?;
        Some(Bottleneck {
            peer: last.origin,
            phase: last.phase_since(began),
        })
    }

    /// Whether more than half of all peers have said that they folded the round before as this one did, and got the same model.
    fn certified_before(&self) -> Option<bool> {
        let round = &self.current;
        if round.number == self.config.first_round() {
            return None;
        }
        // What an earlier process of this peer has folded and signed may be something else.
        let own = round.metainfo(self.config.me()).map(|known| &known.parsed);
        let own = own.filter(|own| own.incarnation == self.config.hello.incarnation);
        let before = self.round_end.as_ref().filter(|end| end.round + 1 == round.number);
        let folded = own.map(|own| own.folded).or_else(|| before.map(|end| end.digest))?;
        let alike = round.metainfos().filter(|known| {
            let theirs = &known.parsed;
            theirs.folded == folded && own.is_none_or(|own| own.base == theirs.base)
        });
        Some(2 * alike.count() as u32 > self.config.peers)
    }

    /// Whoever takes part and had nothing to give in time is not waited for until it has.
    fn note_laggards(&mut self, end: &RoundEnd) {
        let members = self.view.members();
        let missing = end.missing.iter().copied();
        let had_to_give = |&origin: &u32| members.contains(origin) && self.view.gives(origin, end.round);
        self.laggards = missing.filter(had_to_give).collect();
    }

    /// Votes on the rounds on which this peer has to.
    pub(super) fn vote_when_due(&mut self, now: Time) {
        if self.is_undisturbed(now) {
            return;
        }
        for number in self.window().collect::<Vec<u32>>() {
            if let Some(cuts) = self
                .vote_due(number)
                .filter(|&(due, _)| due <= now)
                .map(|(_, cuts)| cuts)
            {
                self.vote(now, number, cuts);
            }
        }
        self.close_when_done(now);
    }

    /// In most rounds nobody is absent, and nobody votes.
    fn is_undisturbed(&self, now: Time) -> bool {
        let previous = self.previous.as_ref();
        let all_are_there = self.view.is_quiet() && self.laggards.is_empty();
        let rules = &self.config.round_rules;
        all_are_there
            && self.current.votes.is_empty()
            && previous.is_none_or(|previous| previous.votes.is_empty())
            && rules.quorum >= self.config.peers
            && self.deadline().is_none_or(|at| at > now)
    }

    /// When the current round has taken too long.
    pub(super) fn deadline(&self) -> Option<Time> {
        let length = match self.config.round_rules.deadline {
            Deadline::None => None,
            Deadline::After(length) => Some(length),
            Deadline::Auto => self.lengths.longest(),
        };
        // Before anything is known of rounds, one waits as long as a pause may last while nothing comes, once anybody was missing.
        let is_unknown = self.config.round_rules.deadline == Deadline::Auto && !self.view.is_quiet();
        match length {
            Some(length) => Some(self.round_began_at + length),
            None => is_unknown.then(|| self.last_news.max(self.view_changed_at) + self.config.pause_limit),
        }
    }

    /// When [`Self::vote_when_due`] has to be called at the latest.
    pub(super) fn next_vote(&self) -> Option<Time> {
        if self.has_finished() || !self.goes_on_without() {
            return None;
        }
        let deadline = self.deadline().filter(|&at| at > self.latest);
        let is_undisturbed = self.is_undisturbed(self.latest);
        let due = (!is_undisturbed).then(|| self.vote_due(self.current.number)).flatten();
        due.map(|(due, _)| due).into_iter().chain(deadline).min()
    }

    /// When this peer votes on a round as things are, and whether it cuts; none while it has nothing to say, or has said it.
    pub(super) fn vote_due(&self, number: u32) -> Option<(Time, bool)> {
        let rounds = [self.previous.as_ref(), Some(&self.current)];
        let round = rounds.into_iter().flatten().find(|round| round.number == number)?;
        let members = &self.view.members_of(number);
        let epoch = self.view.epoch_of(members);
        let (me, rules) = (self.config.me(), &self.config.round_rules);
        let is_spoken_of = !round.votes.is_empty();
        if self.paused_since.is_some() || !members.contains(me) || round.votes.has_voted(me, members, epoch) {
            return None;
        }
        if round.is_closed() {
            // Votes that closed it here have gone to everybody already.
            return (is_spoken_of && round.agreed().is_none()).then_some((Time::ZERO, false));
        }
        // Those who suspect this peer have agreed without it: its vote in the view before would overturn that.
        if round.agreed().is_some() && self.view.is_suspected(number) {
            return None;
        }
        if round.is_full() {
            return Some((Time::ZERO, false));
        }
        let is_here = |peer: u32| round.has_whole(peer);
        let nothing_new = self.last_news.max(self.view_changed_at) + rules.patience;
        let mut due = Vec::new();
        let gives = |&peer: &u32| self.view.gives(peer, number);
        let is_degraded = members.count() < self.config.peers || !members.iter().all(|peer| gives(&peer));
        if is_degraded && members.iter().filter(gives).all(is_here) {
            due.push((self.view_changed_at + rules.patience, false));
        }
        if rules.quorum < self.config.peers && round.whole() >= rules.quorum {
            due.push((nothing_new, true));
        }
        // Who takes part and gives no update keeps nobody from the deadline; something has to be there.
        let owes_nothing = |peer: &u32| !gives(peer) && !is_here(*peer);
        let excused = members.iter().filter(owes_nothing).count() as u32;
        if round.whole() > 0 && round.whole() + excused >= self.config.min_peers {
            due.extend(self.deadline().map(|at| (at, true)));
            // Whoever has just come back does not know how long rounds take.
            if 2 * round.votes.cutters(members, epoch) > members.count() {
                due.push((Time::ZERO, true));
            }
            let is_waited_for = |peer: &u32| gives(peer) && !self.laggards.contains(peer);
            if !self.laggards.is_empty() && members.iter().filter(is_waited_for).all(is_here) {
                due.push((nothing_new, true));
            }
        }
        due.into_iter().min()
    }

    fn vote(&mut self, now: Time, number: u32, cuts: bool) {
        let (me, incarnation) = (self.config.me(), self.config.hello.incarnation);
        let members = self.view.members_of(number);
        let epoch = self.view.epoch_of(&members);
        let peers = self.config.peers;
        let last = self.last_ballots.entry(number).or_default();
        *last += 1;
        let ballot = *last;
        // It votes on two rounds at a time, and may come back to the last one.
        while self.last_ballots.len() > BALLOTS {
            self.last_ballots.pop_first();
        }
        // What is released nobody can have from here, so that nobody shall wait for it.
        let (chunks, is_released) = (self.config.layout.chunks(), number < self.released);
        let Some(round) = self.round_mut(number) else {
            return;
        };
        let lacking = (0..peers).filter(|&origin| is_released || !round.has_whole(origin));
        let held_of = |origin| match is_released {
            true => Bitfield::new(chunks),
            false => round.held_of(origin),
        };
        let vote = Vote {
            round: number,
            ballot,
            epoch,
            cuts,
            is_closed: round.is_closed() && !is_released,
            members,
            lacks: lacking.map(|origin| (origin, held_of(origin))).collect(),
        };
        let Some(signed) = self.sign(&Statement::Vote(vote.clone())) else {
            return;
        };
        if let Some(round) = self.round_mut(number)
            && round.votes.add(me, incarnation, vote, signed.clone()) == Cast::News
        {
            self.suspicions.speak(now);
            self.flood(None, &signed);
            self.agree(now, number);
        }
    }

    /// What the votes that are here say of a round's end.
    pub(super) fn decided(&self, round: &Round) -> Option<Bitfield> {
        let least = self.config.min_peers.saturating_sub(self.finished()).max(1);
        round.votes.decided(self.config.layout.chunks(), least)
    }

    /// What the votes on a round give, where all of a view have voted.
    pub(super) fn agree(&mut self, now: Time, number: u32) {
        if number != self.current.number || self.current.is_closed() || self.joining.is_some() {
            return;
        }
        if let Some(set) = self.decided(&self.current) {
            if self.current.agreed() != Some(&set) {
                self.suspicions.speak(now);
            }
            self.current.agree(set);
            self.close_when_done(now);
        }
    }
}
