//! Peers that were away when the others finished.

use std::time::Duration;

use fltorrent_crds::plan::OnPeerLoss;
use tokio::time::Instant;

use super::{Exit, Launcher, PeerFailure, journal::closed_by, rounds_of};

/// How long a process that took the place of another one, and has closed no round yet, may still take when all others have ended: to take
/// part it needs them.
const BACK_GRACE: Duration = Duration::from_secs(2);

impl Launcher {
    /// Once the others have finished, too few are left to close a round: they end when they notice what they missed, or not at all.
    pub(super) fn note_who_is_left_alone(&mut self) {
        if self.setup.plan.on_peer_loss != OnPeerLoss::Continue || self.finished() < self.needed() {
            return;
        }
        let left = self.running();
        let come_back = left.iter().all(|&index| self.is_coming_back(index));
        if !come_back && left.len() >= self.needed() {
            return;
        }
        let limit = self.setup.plan.liveness.heartbeat_timeout;
        let at = Instant::now() + if come_back { limit.min(BACK_GRACE) } else { limit };
        self.left_alone_at = Some(self.left_alone_at.map_or(at, |before| before.min(at)));
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
        let left = self.running().into_iter();
        let (coming, away): (Vec<u32>, Vec<u32>) = left.partition(|&index| closed_by(results, index) >= last);
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

    /// Peers with a process that has not ended.
    fn running(&self) -> Vec<u32> {
        let running = (0..).zip(&self.exits).filter(|(_, exit)| exit.is_none());
        running.map(|(index, _)| index).collect()
    }

    pub(super) fn is_given_up(&self, index: u32) -> bool {
        self.failures.iter().any(|(failure, _)| failure.index == index)
    }

    /// Peers that have come to the end.
    pub(super) fn finished(&self) -> usize {
        self.exits.iter().flatten().filter(|exit| exit.succeeded()).count()
    }
}
