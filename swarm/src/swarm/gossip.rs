//! Announcements: metainfos, haves, completion, interest.

use std::time::Duration;

use super::{Action, Failure, Swarm, Violation, metainfos::Hearers, settle::Follows};
use crate::{
    Time,
    equivocation::Equivocation,
    message::Message,
    metainfo::{KnownMetainfo, Metainfo, Miscount, Signed},
    neighbour::AHEAD,
    round::Round,
};

/// Announcements to a neighbour that is being served follow each other no sooner, so that some share a message.
const COALESCE: Duration = Duration::from_millis(10);
/// To one that knows of plenty which it lacks and could ask for here they are not urgent.
const COALESCE_PLENTY: Duration = Duration::from_millis(40);
const PLENTY: usize = 64;
/// Where chunks come from suppliers, announcements matter to those only whose supplier is late.
const COALESCE_SUPPLIED: Duration = Duration::from_millis(200);

impl Swarm {
    /// A neighbour has just been greeted: everything that it may not know.
    pub(super) fn tell_everything(&mut self, at: usize) {
        self.tell_statements(at);
        self.tell_state(at);
        for number in self.window() {
            // What is released nobody can have, and where the run goes on nobody needs it: there is a model instead.
            if self.goes_on_without() && number < self.released {
                self.send(at, Message::Closed { round: number });
                continue;
            }
            self.tell_metainfos(at, number, Hearers::All);
            for message in self
                .round_mut(number)
                .map(|round| state_of(round))
                .into_iter()
                .flatten()
            {
                self.send(at, message);
            }
        }
    }

    /// A neighbour speaks of a round. Who is more than a round behind can take nothing of this peer's round, and is told once more when it can.
    pub(super) fn tell_what_it_missed(&mut self, at: usize, round: u32) {
        if round.saturating_add(1) < self.current.number {
            self.neighbours[at].missed = true;
        } else if std::mem::take(&mut self.neighbours[at].missed) && self.joining.is_none() {
            self.tell_everything_again(at);
        }
    }

    /// A neighbour has lost what it was told, or could not take it.
    pub(super) fn tell_everything_again(&mut self, at: usize) {
        self.rounds_mut().for_each(|round| round.forget_told(at));
        self.tell_everything(at);
    }

    /// The transport has taken everything that was handed over for a neighbour before [`Action::Fence`].
    pub fn handle_drained(&mut self, now: Time, peer: u32) {
        let Some(at) = self.find(peer) else { return };
        let neighbour = &mut self.neighbours[at];
        if !neighbour.fenced {
            return;
        }
        neighbour.fenced = false;
        neighbour.handed_over = 0;
        for number in self.window() {
            self.tell_metainfos(at, number, Hearers::Further);
        }
        let neighbour = &mut self.neighbours[at];
        if !neighbour.fenced && !neighbour.haves.is_empty() {
            neighbour.haves_due = Some(now);
        }
        self.settle(now);
    }

    /// Whether a neighbour is far enough to take what is said of a round: nobody takes anything of the next one before it has completed
    /// the one before this. An update of the next round that is true comes after that; a liar's may come sooner.
    pub(super) fn may_hear(&self, at: usize, number: u32) -> bool {
        let Some(previous) = &self.previous else {
            return true;
        };
        number <= self.current.number || previous.neighbour(at).done || self.current.neighbour(at).done
    }

    /// Sends what there may be much of.
    pub(super) fn announce_to(&mut self, at: usize, message: Message) {
        let neighbour = &mut self.neighbours[at];
        neighbour.handed_over += u64::from(message.length());
        let to = neighbour.peer;
        let is_full = neighbour.handed_over >= AHEAD && !neighbour.fenced;
        neighbour.fenced |= is_full;
        self.send(at, message);
        if is_full {
            self.actions.push_back(Action::Fence { to });
        }
    }

    pub(super) fn got_haves(
        &mut self,
        at: usize,
        round: u32,
        positions: impl Iterator<Item = u32>,
    ) -> Result<(), Violation> {
        self.check_round(round)?;
        self.check_incomplete(at, round)?;
        let chunks = self.config.layout.chunks();
        let Some(round) = self.round_mut(round) else {
            return Ok(());
        };
        for position in positions {
            round.add_have(at, position);
            // Nobody has a chunk of which it does not know the hash.
            round.mark_metainfo(at, position / chunks);
        }
        Ok(())
    }

    /// Who has said that it is complete neither tells of chunks of that round nor asks for them, unless it died and began
    /// anew. What is still kept it can have again; what is released nobody can give it.
    pub(super) fn check_incomplete(&mut self, at: usize, number: u32) -> Result<(), Violation> {
        let is_kept = number >= self.released;
        match self.round_mut(number) {
            Some(round) if round.neighbour(at).complete => {
                if is_kept {
                    round.forget_complete(at);
                }
                Err(Violation::Restarted { round: number })
            }
            _ => Ok(()),
        }
    }

    /// The neighbour needs nothing more of a round: it has everything, or what it has said.
    pub(super) fn got_end(&mut self, now: Time, at: usize, round: u32, has_everything: bool) -> Result<(), Violation> {
        self.check_round(round)?;
        self.got_offers(now, at, round);
        match (self.round_mut(round), has_everything) {
            (Some(round), true) => round.add_complete(at),
            (Some(round), false) => round.add_closed(at),
            (None, _) => {}
        }
        if let Some(round) = self.round_mut(round) {
            round.drop_wants(at);
        }
        if self.next.is_some() {
            self.tell_metainfos(at, self.next_number(), Hearers::Further);
        }
        Ok(())
    }

    pub(super) fn got_metainfo(&mut self, now: Time, at: usize, signed: Signed) -> Result<Follows, Violation> {
        let read = self.verifier.read(signed, self.config.layout.chunks())?;
        let (parsed, signed) = (&read.parsed, &read.signed);
        let (origin, number) = (parsed.origin, parsed.round);
        let bad = |why: &str| Violation::Metainfo {
            origin,
            why: why.to_owned(),
        };
        if origin >= self.config.peers {
            return Err(bad("there is no such peer"));
        }
        if parsed.run != self.config.hello.run || parsed.attempt != self.config.hello.attempt {
            return Err(bad("it belongs to another run"));
        }
        if let Err(future) = self.check_round(number) {
            if self.may_be_ahead(origin, number) {
                self.verifier.verify(parsed.signer(), signed).map_err(|why| bad(&why))?;
                self.note_origin_ahead(origin, number);
            }
            return Err(future);
        }
        let Some(round) = self.round_mut(number) else {
            return Ok(Follows::Nothing);
        };
        round.mark_metainfo(at, origin);
        // That an origin lies is proven once. Two of its processes may not know of each other, and the first update that is known counts.
        let is_nothing_new = |known: &KnownMetainfo| {
            round.is_disputed(origin) || known.signed.body == signed.body || known.parsed.signer() != parsed.signer()
        };
        let known = round.metainfo(origin).map(is_nothing_new);
        if known == Some(true) || known.is_none() && self.is_unbelievable(parsed) {
            return Ok(Follows::Nothing);
        }
        self.verifier.verify(parsed.signer(), signed).map_err(|why| bad(&why))?;
        if known == Some(false) {
            self.dispute(at, (number, origin), signed.clone());
            return Ok(Follows::Nothing);
        }
        let counts = self.config.counts.as_deref();
        let counts = counts.and_then(|counts| counts.get(origin as usize));
        if let Some(Err(what)) = counts.map(|counts| counts.check(parsed)) {
            self.convict_of_miscount(at, what, &read);
            return Ok(Follows::Nothing);
        }
        Ok(match self.adopt_metainfo(now, read, Some(at)) {
            true => Follows::OnlyRequests,
            false => Follows::Nothing,
        })
    }

    /// Whether an update comes from where it should not: of this process from a neighbour, or of an earlier process than the one that
    /// gives that round's.
    fn is_unbelievable(&self, parsed: &Metainfo) -> bool {
        let Metainfo {
            origin,
            incarnation,
            round,
            ..
        } = *parsed;
        let is_own = origin == self.config.me() && incarnation >= self.config.hello.incarnation;
        is_own || incarnation < self.view.incarnation_of(origin) && self.view.gives(origin, round)
    }

    /// An origin has signed two updates for one round: the neighbours get the second one, and the first where they may lack it, so that
    /// everybody holds the proof. Whose model would count cannot be told any more.
    fn dispute(&mut self, from: usize, (round, origin): (u32, u32), second: Signed) {
        let neighbours = self.neighbours.len();
        let Some(of) = self.round_mut(round) else {
            return;
        };
        let Some(first) = of.dispute(origin).map(|known| known.signed.clone()) else {
            return;
        };
        // A neighbour that had no room was not told of the first one, and whoever speaks of the second may know that one only.
        let lack: Vec<usize> = (0..neighbours)
            .filter(|&at| of.mark_metainfo(at, origin) || at == from)
            .collect();
        let proof = Box::new(Equivocation::new(first.clone(), second.clone()));
        self.show(lack, round, &first);
        self.show((0..neighbours).filter(|&at| at != from), round, &second);
        self.fail(Failure::Equivocation { origin, round, proof });
    }

    /// An origin has signed counts that everybody can see to be wrong. Everybody gets to see them.
    fn convict_of_miscount(&mut self, from: usize, what: Miscount, known: &KnownMetainfo) {
        if self.ended {
            return;
        }
        let Metainfo { origin, round, .. } = known.parsed;
        let others = (0..self.neighbours.len()).filter(|&at| at != from);
        self.show(others, round, &known.signed);
        self.fail(Failure::Miscount {
            origin,
            round,
            what,
            proof: Box::new(known.signed.clone()),
        });
    }

    /// A metainfo of a round that convicts its origin, for those of these neighbours that take it.
    fn show(&mut self, neighbours: impl IntoIterator<Item = usize>, round: u32, signed: &Signed) {
        for at in neighbours {
            if self.neighbours[at].is_open() && self.may_hear(at, round) {
                self.send(at, Message::Metainfo(signed.clone()));
            }
        }
    }

    /// Remembers to tell every neighbour that lacks the chunk.
    pub(super) fn announce(&mut self, now: Time, position: u32) {
        // Nobody asks this peer for a model that it does not have as a whole.
        if self.joining.is_some() {
            return;
        }
        for at in 0..self.neighbours.len() {
            self.announce_chunk_to(now, at, position);
        }
    }

    /// Remembers to tell a neighbour, where it lacks the chunk and has not asked for it: what it asked for comes without a word.
    pub(super) fn announce_chunk_to(&mut self, now: Time, at: usize, position: u32) {
        let neighbour = &mut self.neighbours[at];
        if !neighbour.is_open() || self.current.has(at, position) || self.current.is_wanted_by(at, position) {
            return;
        }
        if let Err(place) = neighbour.haves.binary_search(&position) {
            neighbour.haves.insert(place, position);
        }
        if neighbour.haves_due.is_none() && !neighbour.fenced {
            let known = (self.current.ahead_of(at) as usize).saturating_sub(neighbour.haves.len());
            let pause = match neighbour.active.is_empty() {
                _ if self.current.count_wanted_by(at) > 0 && !neighbour.is_told_idle => COALESCE_SUPPLIED,
                _ if known >= PLENTY => COALESCE_PLENTY,
                false => COALESCE,
                true => Duration::ZERO,
            };
            let due = neighbour.haves_sent_at.map_or(now, |sent| sent + pause);
            neighbour.haves_due = Some(due.max(now));
        }
    }

    /// Nothing more of the current round is needed.
    pub(super) fn announce_end(&mut self) {
        for at in 0..self.neighbours.len() {
            self.neighbours[at].haves.clear();
            self.neighbours[at].haves_due = None;
            if self.neighbours[at].is_open() {
                for message in state_of(&self.current) {
                    self.send(at, message);
                }
            }
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn flush_haves(&mut self, now: Time) {
        for at in 0..self.neighbours.len() {
            let neighbour = &mut self.neighbours[at];
            if neighbour.haves_due.is_none_or(|due| due > now) {
                continue;
            }
            neighbour.haves_due = None;
            if neighbour.fenced {
                continue;
            }
            neighbour.haves_sent_at = Some(now);
            let positions = std::mem::take(&mut neighbour.haves).into_iter();
            let positions: Vec<u32> = positions.filter(|&position| !self.current.has(at, position)).collect();
            if positions.is_empty() {
                continue;
            }
            let round = self.current.number;
            // Deltas take a byte or more each; the whole bitfield is shorter when there are many.
            let message = if positions.len() > self.current.held().as_bytes().len() {
                Message::Bitfield {
                    round,
                    held: self.current.held().clone(),
                }
            } else {
                Message::Have { round, positions }
            };
            self.announce_to(at, message);
        }
    }

    /// Tells neighbours whether they have something that this peer misses.
    pub(super) fn update_interest(&mut self) {
        for at in 0..self.neighbours.len() {
            self.update_interest_in(at);
        }
    }

    /// Whether a neighbour has something that this peer still needs.
    pub(super) fn is_interesting(&self, at: usize) -> bool {
        !self.current.is_closed() && (self.current.is_interesting(at) || self.current.count_asked_of(at) > 0)
    }

    pub(super) fn update_interest_in(&mut self, at: usize) {
        let interesting = self.is_interesting(at);
        let neighbour = &mut self.neighbours[at];
        if !neighbour.is_open() || neighbour.interested == interesting {
            return;
        }
        neighbour.interested = interesting;
        self.send(
            at,
            if interesting {
                Message::Interested
            } else {
                Message::NotInterested
            },
        );
    }
}

/// The messages about all that a peer holds of a round, for one that knows nothing of it.
fn state_of(round: &Round) -> Vec<Message> {
    let number = round.number;
    if round.is_full() {
        return vec![Message::Complete { round: number }];
    }
    let held = (!round.held().is_empty()).then(|| Message::Bitfield {
        round: number,
        held: round.held().clone(),
    });
    let closed = round.is_closed().then_some(Message::Closed { round: number });
    held.into_iter().chain(closed).collect()
}
