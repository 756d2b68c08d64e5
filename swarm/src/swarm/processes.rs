//! The processes of a peer: one takes the place of another, and none signs what another one may have signed.

use super::{Swarm, Violation};
use crate::{
    config::Beginning,
    message::{HelloMismatch, Message},
};

impl Swarm {
    /// The first round of which this peer gives an update.
    pub fn gives_from(&self) -> u32 {
        self.gives_from
    }

    /// Whether this peer gives an update of the round that it is in.
    pub fn gives(&self) -> bool {
        self.current.number >= self.gives_from
    }

    /// Takes part from a round on. Updates that an earlier process of this peer may have signed are not signed again.
    pub(super) fn take_part_from(&mut self, round: u32) {
        self.takes_part_from = round;
        self.gives_from = match self.config.beginning {
            Beginning::Together => round,
            Beginning::CatchUp(earlier) => earlier.gives_from(round),
        };
    }

    /// Takes part again from a round on, and gives updates later where it comes back again and again.
    pub(super) fn take_part_again_from(&mut self, round: u32) {
        self.take_part_from(round);
        self.returns_before = self.returns;
        let flaps_until = round.saturating_add(self.returns.note(round));
        self.gives_from = self.gives_from.max(flaps_until);
    }

    /// A neighbour's next process has nothing of what the one before it had.
    pub(super) fn forget_process(&mut self, at: usize) {
        for number in self.window().collect::<Vec<u32>>() {
            if let Some(round) = self.round_mut(number) {
                round.forget_complete(at);
            }
        }
    }

    /// A neighbour has said which of its processes it is: one that has a successor gets to see that, and no more.
    pub(super) fn show_successor(&mut self, at: usize, found: u32) -> Result<(), Violation> {
        let peer = self.neighbours[at].peer;
        let Some(proof) = self.view.successor_of(peer, found).cloned() else {
            return Ok(());
        };
        let latest = self.view.incarnation_of(peer);
        self.send(at, Message::Statement(proof));
        Err(HelloMismatch::Superseded { found, latest }.into())
    }
}
