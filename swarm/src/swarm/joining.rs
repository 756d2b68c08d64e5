//! A peer that the others went on without: it takes over the model of a round, and takes part again from the next one on.
//!
//! While it catches up, its current round is one of a single origin: the model. Neighbours make the model of a round once more
//! when somebody asks for it, and the next round's metainfos certify it before this peer signs anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{Action, Adoption, Failure, Notice, RoundEnd, Swarm, Violation, new_round};
use crate::{
    Time,
    bitfield::Bitfield,
    early_stop::StopRecord,
    message::{Message, State},
    metainfo::{EvaluationCounts, KnownMetainfo, Metainfo},
    neighbour::{Neighbour, NeighbourState},
    round::Round,
    signed::Signed,
};

/// Votes that a peer passes on while it catches up, at most.
const MOST_RELAYED: usize = 4096;

/// A peer's way back.
#[derive(Debug)]
pub(super) struct Joining {
    since: Time,
    /// As far as it knows the others may be in the first round yet.
    begins: bool,
    /// Models of rounds before this are of no use.
    least: u32,
    /// The last model that each neighbour has offered, by its position.
    offers: BTreeMap<usize, State>,
    /// The one that is asked for.
    offer: Option<State>,
    /// BLAKE3 of votes that were passed on.
    relayed: BTreeSet<[u8; 32]>,
}

impl Swarm {
    /// Whether this peer catches up with the others.
    pub fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    /// The model that [`Action::Adopt`] named has another hash: whoever gave it lied.
    pub fn refuse_model(&mut self, now: Time, round: u32) {
        if self.adopted.take_if(|adopted| adopted.round == round).is_some() {
            if let Some(offer) = self.offer.clone() {
                self.refused.insert(hash_of(&offer));
            }
            // It has not been back: a liar would keep it out for longer and longer.
            self.returns = self.returns_before;
            self.actions.push_back(Action::Notice(Notice::WrongModel { round }));
            self.rejoin(self.current.number, 0);
            self.settle(now);
        }
    }

    /// All neighbours have finished and left, and this peer cannot.
    pub(super) fn end_when_left_alone(&mut self) {
        let is_there =
            |neighbour: &Neighbour| !matches!(neighbour.state, NeighbourState::Departed | NeighbourState::Unused);
        if self.goes_on_without() && !self.has_finished() && !self.neighbours.iter().any(is_there) {
            let round = self.current.number;
            self.fail(Failure::LeftBehind { round });
        }
    }

    /// A neighbour has said something of itself: it catches up, or it has done so and knows nothing of the rounds that matter.
    pub(super) fn catches_up(&mut self, now: Time, at: usize, was_joining: bool) {
        let peer = self.neighbours[at].peer;
        let is_joining = self.view.is_joining(peer);
        if is_joining {
            self.neighbours[at].behind = false;
            self.tell_state(at);
        } else if (was_joining || self.neighbours[at].catches_up) && self.joining.is_some() {
            self.neighbours[at].catches_up = false;
            self.others_are_in(now, self.view.takes_part_from(peer));
        } else if was_joining && self.neighbours[at].is_open() {
            self.tell_everything_again(at);
        }
    }

    /// Whether this peer has passed on a vote while it catches up.
    pub(super) fn has_relayed(&self, signed: &Signed) -> bool {
        let hash = blake3::hash(&signed.body);
        let joining = self.joining.as_ref();
        joining.is_some_and(|joining| joining.relayed.contains(hash.as_bytes()))
    }

    /// Passes on a vote that holds, on a round that this peer is not in.
    pub(super) fn relay(&mut self, from: usize, signed: &Signed) {
        if let Some(joining) = &mut self.joining {
            if joining.relayed.len() >= MOST_RELAYED {
                joining.relayed.pop_first();
            }
            joining.relayed.insert(*blake3::hash(&signed.body).as_bytes());
        }
        self.flood(Some(from), signed);
    }

    /// A neighbour is more than a round ahead. Where more than half of them are, the others have gone on without this peer.
    pub(super) fn note_ahead(&mut self, at: usize, round: u32) {
        let ahead = &mut self.neighbours[at].ahead;
        *ahead = Some(ahead.map_or(round, |known| known.max(round)));
        let counted = self.neighbours.iter().filter(|neighbour| self.is_wired_to(neighbour));
        let rounds: Vec<u32> = counted.clone().filter_map(|neighbour| neighbour.ahead).collect();
        // Those that were not met yet may be where this peer is.
        let all = counted.filter(|neighbour| self.may_be_there(neighbour));
        if 2 * rounds.len() > all.count() {
            self.rejoin_those_in(&rounds);
        }
    }

    /// Whether it would be news that an origin is more than a round ahead.
    pub(super) fn may_be_ahead(&self, origin: u32, round: u32) -> bool {
        let is_possible = self.goes_on_without() && round < self.config.rounds && self.joining.is_none();
        is_possible && !self.origins_ahead.contains_key(&origin)
    }

    /// An origin has signed an update of a round more than one ahead. Where more than a third of the peers have, one of them at least
    /// does not lie, and nobody gets there unless as many as are needed have closed the rounds before. Where fewer are needed, so few may
    /// have gone on apart.
    pub(super) fn note_origin_ahead(&mut self, origin: u32, round: u32) {
        self.origins_ahead.insert(origin, round);
        let enough = self.config.min_peers.min(self.config.peers / 3 + 1);
        if self.origins_ahead.len() as u32 >= enough {
            let rounds: Vec<u32> = self.origins_ahead.values().copied().collect();
            self.rejoin_those_in(&rounds);
        }
    }

    /// Whether a neighbour may know how far the run is: one that was not met yet may, but not one that has yet to join.
    pub(super) fn may_be_there(&self, neighbour: &Neighbour) -> bool {
        !neighbour.is_away_again() && !self.view.is_awaited(neighbour.peer)
    }

    /// Others are in these rounds, as many as count.
    pub(super) fn rejoin_those_in(&mut self, rounds: &[u32]) {
        let (Some(&first), Some(&last)) = (rounds.iter().min(), rounds.iter().max()) else {
            return;
        };
        self.rejoin(last, first.saturating_sub(1));
    }

    /// Leaves the round that this peer is in, to go on from the model that the others have in round `theirs`: that of round `least` or a
    /// later one.
    pub(super) fn rejoin(&mut self, theirs: u32, least: u32) {
        let round = self.current.number;
        if self.ended || self.joining.is_some() {
            return;
        }
        self.withdraw_all();
        for at in 0..self.neighbours.len() {
            let has_gone_on = self.current.neighbour(at).says_done;
            let neighbour = &mut self.neighbours[at];
            // Whoever was in step with this peer is left behind as well, unless it has said that it catches up.
            let is_in_step = neighbour.is_open() && neighbour.ahead.is_none() && !has_gone_on;
            neighbour.behind |= is_in_step && !self.view.is_joining(neighbour.peer);
            neighbour.ahead = None;
            neighbour.haves.clear();
            neighbour.haves_due = None;
            neighbour.queue.clear();
        }
        let offered = self.offer.take().map(|offer| offer.round);
        let rounds = [
            self.previous.take().map(|previous| previous.number),
            offered,
            Some(round),
        ];
        for round in rounds.into_iter().flatten() {
            self.actions.push_back(Action::Release { round });
        }
        (self.released, self.next) = (round, None);
        self.origins_ahead.clear();
        self.suspicions.forget();
        (self.published_at, self.unpublished, self.adopted) = (None, None, None);
        self.begin_to_join(round, false, least);
        // Nobody has anything of that model yet, and what neighbours asked for of the round is forgotten.
        self.update_interest();
        self.fill_slots(self.latest);
        let behind = Notice::Behind { round, theirs };
        self.actions.push_back(Action::Notice(behind));
    }

    /// Waits for the model of round `least` or a later one; it was in `round`. With `begins` the others may be in the first round yet.
    pub(super) fn begin_to_join(&mut self, round: u32, begins: bool, least: u32) {
        self.current = self.round_of_a_model(round);
        self.joining = Some(Joining {
            since: self.latest,
            begins,
            least,
            offers: BTreeMap::new(),
            offer: None,
            relayed: BTreeSet::new(),
        });
    }

    /// A neighbour takes part in a round. A peer that has closed none has nothing to catch up with where that is the first one.
    pub(super) fn others_are_in(&mut self, now: Time, round: u32) {
        let first = self.config.first_round();
        let may_begin = |joining: &mut Joining| joining.begins && joining.offer.is_none();
        if round != first || self.joining.take_if(may_begin).is_none() {
            return;
        }
        self.withdraw_all();
        self.take_part_from(first);
        self.current = new_round(&self.config, first, self.neighbours.len());
        (self.round_began_at, self.last_news) = (now, now);
        self.lease.begin(now);
        let gives_from = self.gives_from;
        self.actions.push_back(Action::Begin { gives_from });
    }

    /// A round whose only origin is nobody: its update is the model of the round.
    fn round_of_a_model(&self, round: u32) -> Round {
        let config = &self.config;
        let (chunks, neighbours) = (config.layout.chunks(), self.neighbours.len());
        Round::new(round, 1, chunks, neighbours, config.selection.rule(), config.seed)
    }

    /// A neighbour offers the model of a round. What most of them offer is asked for.
    pub(super) fn got_state(&mut self, at: usize, state: State) {
        // Of one round it signs one update.
        let least = self.released.saturating_sub(1).max(self.signed_round.unwrap_or(0));
        let is_of_use = state.round >= least && state.round < self.config.rounds - 1;
        let is_refused = self.refused.contains(&hash_of(&state));
        if let Some(joining) = self.joining.as_mut().filter(|_| is_of_use && !is_refused) {
            joining.offers.insert(at, state);
            self.choose_offer();
        }
    }

    /// A neighbour is gone, and so is what it has offered.
    pub(super) fn forget_offer(&mut self, at: usize) {
        let Some(joining) = &mut self.joining else { return };
        // It may have been the only one that had a newer model.
        joining.least = 0;
        if joining.offers.remove(&at).is_some() {
            self.choose_offer();
        }
    }

    /// What was offered is no model.
    pub(super) fn refuse_offer(&mut self) {
        let Some(joining) = &mut self.joining else { return };
        if let Some(offer) = joining.offer.take() {
            self.refused.insert(hash_of(&offer));
            joining.offers.retain(|_, other| *other != offer);
            let round = offer.round;
            self.actions.push_back(Action::Release { round });
            self.withdraw_all();
            self.current = self.round_of_a_model(round);
            self.choose_offer();
        }
    }

    /// Asks for the model that most neighbours offer.
    fn choose_offer(&mut self) {
        let Some(joining) = &mut self.joining else { return };
        let least = joining.least;
        let offers = joining.offers.values().filter(|offer| offer.round >= least);
        let alike = |state: &State| offers.clone().filter(|other| *other == state).count();
        // Of two that are offered as often, the one that a liar cannot have made up to be the newest.
        let best = offers
            .clone()
            .max_by_key(|state| (alike(state), u32::MAX - state.round));
        let Some(best) = best.cloned() else { return };
        if joining.offer.as_ref() != Some(&best) {
            let older = joining.offer.replace(best.clone()).map(|older| older.round);
            self.withdraw_all();
            let older = older.map(|round| Action::Release { round });
            self.actions.extend(older);
            self.next = None;
            self.current = self.round_of_a_model(best.round);
            self.current
                .set_metainfo(self.latest, 0, Arc::new(self.metainfo_of(&best)));
            self.recall(0);
        }
        let joining = self.joining.iter().flat_map(|joining| &joining.offers);
        let holders: Vec<usize> = joining
            .filter(|(_, offer)| **offer == best)
            .map(|(&at, _)| at)
            .collect();
        for at in holders.into_iter().filter(|&at| self.neighbours[at].is_open()) {
            self.current.add_complete(at);
        }
    }

    /// Whether the model that is here may be taken over: most neighbours offer it, or nobody has offered another one for long enough.
    pub(super) fn may_adopt(&self, now: Time) -> bool {
        let Some(joining) = &self.joining else { return false };
        let counted = self.neighbours.iter().filter(|neighbour| self.is_wired_to(neighbour));
        let open = counted.filter(|neighbour| neighbour.is_open());
        let could_offer = open.filter(|neighbour| !self.view.is_joining(neighbour.peer)).count();
        let offers = joining.offers.iter();
        let offers = offers.filter(|&(&at, _)| self.is_wired_to(&self.neighbours[at]));
        let alike = offers
            .filter(|&(_, offer)| joining.offer.as_ref() == Some(offer))
            .count();
        2 * alike > could_offer || now >= joining.since + self.config.round_rules.patience
    }

    /// When a model may be taken over that not most neighbours offer.
    pub(super) fn next_adoption(&self) -> Option<Time> {
        let joining = self.joining.as_ref().filter(|_| self.current.is_full())?;
        let due = joining.since + self.config.round_rules.patience;
        Some(due).filter(|&due| due > self.settled_at)
    }

    /// A model as the update of a round's only origin. Nobody has signed it.
    fn metainfo_of(&self, state: &State) -> KnownMetainfo {
        let hello = &self.config.hello;
        let unsigned = Signed {
            body: Bytes::new(),
            certificate: Bytes::new(),
            signature: Bytes::new(),
        };
        KnownMetainfo {
            parsed: Metainfo {
                run: hello.run,
                attempt: hello.attempt,
                round: state.round,
                origin: 0,
                incarnation: 0,
                samples: 0,
                evaluation: EvaluationCounts::default(),
                base: state.model,
                folded: state.set_hash,
                hashes: state.hashes.clone(),
            },
            signed: unsigned,
            hash: state.model,
        }
    }

    /// The model is here: this peer is in the next round.
    pub(super) fn adopt(&mut self, now: Time) {
        let Some(offer) = self.joining.as_ref().and_then(|joining| joining.offer.clone()) else {
            return;
        };
        self.joining = None;
        self.released = offer.round + 1;
        self.take_part_again_from(offer.round + 1);
        let adoption = Adoption {
            round: offer.round,
            model: offer.model,
            folded: RoundEnd::digest_of(&offer.set_hash, &offer.stop),
            gives_from: self.gives_from,
        };
        if let Some(early_stop) = &mut self.early_stop {
            early_stop.record = offer.stop;
        }
        self.adopted = Some(adoption);
        self.actions.push_back(Action::Adopt(adoption));
        self.enter_next(now);
        // Votes on that round go on to others by way of this peer, which has none.
        let mut over = new_round(&self.config, offer.round, self.neighbours.len());
        over.agree(Bitfield::new(over.held().len()));
        over.close();
        self.previous = Some(over);
        self.publish_when_certified(now);
        if self.joining.is_some() {
            return;
        }
        // Others may catch up by way of this peer.
        self.made = Some(offer.round);
        self.actions
            .push_back(Action::Notice(Notice::Caught { round: offer.round }));
        let round = offer.round;
        self.offer = Some(offer);
        for at in 0..self.neighbours.len() {
            self.tell_state(at);
            if self.neighbours[at].is_open() {
                self.send(at, Message::Closed { round });
            }
        }
    }

    /// What this peer goes on from is certified once more than half of the others that take part have signed that they do so too.
    pub(super) fn publish_when_certified(&mut self, now: Time) {
        let (Some(adopted), false) = (self.adopted, self.joining.is_some()) else {
            return;
        };
        let me = self.config.me();
        let number = self.current.number;
        // Who has come back in this round as well waits for the others, too.
        let was_there = |&peer: &u32| {
            let gives = self.view.takes_part_from(peer) < number && self.view.gives(peer, number);
            peer != me && gives
        };
        let others = self.view.members().iter().filter(was_there).count();
        let metainfos = self.current.metainfos().map(|known| &known.parsed);
        let (alike, unlike): (Vec<&Metainfo>, Vec<&Metainfo>) =
            metainfos.partition(|it| (it.folded, it.base) == (adopted.folded, adopted.model));
        // Where all have spoken, and half of them against the other half, nobody will know better.
        let half = |said: &[&Metainfo]| 2 * said.iter().filter(|it| was_there(&it.origin)).count() == others;
        let is_even = half(&alike) && half(&unlike);
        if others == 0 || 2 * alike.len() > others || is_even {
            // Its own update shows that the model had the hash that the others have signed.
            if let Some(signed) = self.unpublished.take() {
                self.adopted = None;
                self.publish(now, signed);
            }
        } else if 2 * unlike.len() > others {
            self.refuse_model(now, adopted.round);
        }
    }

    /// What comes of a later round than this peer can take part in is no offence where the run goes on without lost peers.
    pub(super) fn is_left_behind(&mut self, at: usize, violation: &Violation) -> bool {
        let Violation::FutureRound { found, .. } = *violation else {
            return false;
        };
        if !self.goes_on_without() || found >= self.config.rounds {
            return false;
        }
        if self.joining.is_none() {
            self.note_ahead(at, found);
        }
        true
    }
}

fn hash_of(state: &State) -> [u8; 32] {
    *blake3::hash(&Message::State(state.clone()).encode()).as_bytes()
}

impl RoundEnd {
    /// BLAKE3 over what is folded of a round, and over the record of early stop after it.
    pub(super) fn digest_of(set_hash: &[u8; 32], stop: &StopRecord) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("fltorrent end of a round");
        hasher.update(set_hash);
        hasher.update(&stop.best.unwrap_or(-1.0).to_bits().to_be_bytes());
        hasher.update(&stop.stale.to_be_bytes());
        *hasher.finalize().as_bytes()
    }
}
