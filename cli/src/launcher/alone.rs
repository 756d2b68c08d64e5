//! Peers that were away when the others finished.

use fltorrent_crds::plan::OnPeerLoss;
use tokio::time::Instant;

use super::{Exit, Launcher, PeerFailure, journal::has_closed, rounds_of};

impl Launcher {
    /// Once the others have finished, too few are left to close a round: they end when they notice what they missed, or not at all.
    pub(super) fn note_who_is_left_alone(&mut self) {
        let left = self.exits.iter().filter(|exit| exit.is_none()).count();
        let goes_on = self.setup.plan.on_peer_loss == OnPeerLoss::Continue;
        let is_alone = goes_on && self.finished() >= self.needed() && left < self.needed();
        if is_alone && self.left_alone_at.is_none() {
            self.left_alone_at = Some(Instant::now() + self.setup.plan.liveness.heartbeat_timeout);
        }
    }

    /// Whoever has closed the last round comes to its end, however long it takes; nobody else does.
    pub(super) fn give_up_who_was_away(&mut self) {
        let (results, rounds) = (&self.setup.results, self.setup.plan.training.rounds);
        let ended = (0..)
            .zip(&self.exits)
            .filter(|(_, exit)| exit.as_ref().is_some_and(Exit::succeeded));
        let last = ended
            .map(|(index, _)| rounds_of(results, index, rounds))
            .max()
            .unwrap_or(rounds);
        let left = (0..)
            .zip(&self.exits)
            .filter(|(_, exit)| exit.is_none())
            .map(|(index, _)| index);
        let (coming, away): (Vec<u32>, Vec<u32>) = left.partition(|&index| has_closed(results, index, last));
        self.is_over = coming.is_empty();
        self.left_alone_at = (!self.is_over).then(|| Instant::now() + self.setup.plan.liveness.heartbeat_timeout);
        for index in away
            .into_iter()
            .filter(|&index| !self.is_given_up(index))
            .collect::<Vec<_>>()
        {
            let lost = self.lose(PeerFailure {
                index,
                reason: format!("peer {index} was away when the others finished"),
                last_lines: Vec::new(),
                log: self.setup.results.of_peer(index, "log"),
            });
            self.waiting.push_back(lost);
        }
    }

    fn is_given_up(&self, index: u32) -> bool {
        self.failures.iter().any(|(failure, _)| failure.index == index)
    }

    /// Peers that have come to the end.
    pub(super) fn finished(&self) -> usize {
        self.exits.iter().flatten().filter(|exit| exit.succeeded()).count()
    }
}
