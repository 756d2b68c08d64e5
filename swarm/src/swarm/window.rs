//! The rounds that matter: the one that this peer is in, the one before, and the one after.

use super::Swarm;
use crate::{config::Config, round::Round};

impl Swarm {
    /// The rounds that matter, as far as anything is known of them.
    pub(super) fn window(&self) -> impl Iterator<Item = u32> + use<> {
        let rounds = [self.previous.as_ref(), Some(&self.current), self.next.as_deref()];
        rounds.map(|round| round.map(|it| it.number)).into_iter().flatten()
    }

    /// Those rounds.
    pub(super) fn rounds_mut(&mut self) -> impl Iterator<Item = &mut Round> {
        let rounds = [
            self.previous.as_mut(),
            Some(&mut self.current),
            self.next.as_deref_mut(),
        ];
        rounds.into_iter().flatten()
    }

    pub(super) fn next_number(&self) -> u32 {
        self.current.number + 1
    }

    /// The round that a neighbour speaks of; the next one begins with that.
    pub(super) fn round_mut(&mut self, number: u32) -> Option<&mut Round> {
        if number == self.current.number && self.joining.is_some() {
            return None;
        }
        if number == self.next_number() {
            let new = || Box::new(new_round(&self.config, number, self.neighbours.len()));
            return Some(self.next.get_or_insert_with(new));
        }
        let window = [self.previous.as_mut(), Some(&mut self.current)];
        window.into_iter().flatten().find(|round| round.number == number)
    }
}

pub(super) fn new_round(config: &Config, number: u32, neighbours: usize) -> Round {
    Round::new(
        number,
        config.peers,
        config.layout.chunks(),
        neighbours,
        config.selection.rule(),
        config.seed,
    )
}
