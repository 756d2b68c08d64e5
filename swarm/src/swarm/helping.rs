//! What a peer does for neighbours that catch up: it offers the model that they go on from.

use super::{Action, Swarm};
use crate::{
    Time,
    chunk::ChunkId,
    message::{Message, State},
};

impl Swarm {
    /// The model of a closed round is in the store, as the update of an origin that there is not (the first index after the peers').
    /// Those who catch up may have it, until the round is released; false where this peer is not in the next round any more.
    pub fn offer_model(&mut self, now: Time, round: u32, model: [u8; 32], hashes: Vec<[u8; 32]>) -> bool {
        let is_previous = self.previous.as_ref().is_some_and(|previous| previous.number == round);
        let ends = self.round_end.iter().chain(&self.end_before);
        let ends = ends.map(|end| (end.round, end.set_hash, end.stop));
        // One that was taken over was offered before.
        let offered = self.offered.iter().map(|it| (it.round, it.set_hash, it.stop));
        let mut known = offered.chain(ends).filter(|&(of, ..)| of == round && is_previous);
        let Some((_, set_hash, stop)) = known.next() else {
            return false;
        };
        self.offer = Some(State {
            round,
            set_hash,
            stop,
            model,
            hashes,
        });
        for at in 0..self.neighbours.len() {
            self.tell_state(at);
        }
        self.settle(now);
        true
    }

    /// The driver keeps the model of a round until it has another one, which is never that of the last round.
    pub fn keeps_model(&mut self, now: Time, round: u32) {
        self.kept_model = Some(round);
        self.settle(now);
    }

    /// A neighbour catches up when this peer has no model left from which it could go on.
    pub(super) fn cannot_help(&self, at: usize) -> bool {
        let can_help = self.offer.is_some() || self.previous.is_some();
        self.view.is_joining(self.neighbours[at].peer) && !can_help
    }

    /// Whether a chunk is of a model that this peer offers.
    pub(super) fn offers(&self, chunk: ChunkId) -> bool {
        let offer = self.offer.as_ref();
        chunk.origin == self.config.peers && offer.is_some_and(|offer| offer.round == chunk.round)
    }

    /// Asks for the model of the round before where a neighbour waits for it.
    pub(super) fn make_model_when_wanted(&mut self) {
        let Some(round) = self.previous.as_ref().map(|previous| previous.number) else {
            return;
        };
        if self.made != Some(round) && self.somebody_catches_up() {
            self.made = Some(round);
            self.actions.push_back(Action::MakeModel { round });
        }
    }

    /// Whether a neighbour catches up.
    pub(super) fn somebody_catches_up(&self) -> bool {
        if self.view.is_quiet() {
            return false;
        }
        let mut open = self.neighbours.iter().filter(|neighbour| neighbour.is_open());
        open.any(|neighbour| self.view.is_joining(neighbour.peer))
    }

    pub(super) fn tell_state(&mut self, at: usize) {
        let neighbour = &self.neighbours[at];
        let is_wanted = neighbour.is_open() && self.view.is_joining(neighbour.peer);
        if let Some(offer) = self.offer.as_ref().filter(|_| is_wanted).cloned() {
            self.send(at, Message::State(offer));
        }
    }
}
