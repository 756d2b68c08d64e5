//! What is known of a run: lines of metrics files in, rows and totals out. No clock, no terminal.

use fltorrent_records::{
    line::Event,
    progress::{Outcome, Progress, RoundSummary},
    status::State,
};

use super::peer::{Peer, Trouble};
use crate::output::Description;

/// Finished rounds whose mean duration tells how long the others take.
const ETA_ROUNDS: usize = 10;

/// All that is known of a run. Times are in seconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// One line about the run.
    pub(super) title: String,
    pub(super) began: f64,
    /// The peers in index order.
    pub(super) peers: Vec<Peer>,
    /// Peers that listen, while the run starts.
    pub(super) ready: usize,
    progress: Progress,
    /// When the first peer began to train.
    training_began: Option<f64>,
    /// The rounds that all peers have finished, and when the last of them did.
    pub(super) finished: Vec<(f64, RoundSummary)>,
    /// The number of them that finished before the run resumed.
    finished_before: usize,
}

/// The order of the rows; troubled peers come first in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Index,
    /// Those that are least far first.
    Slowest,
}

/// Sums over the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    /// Peers by state: starting, training, exchanging, aggregating, finished.
    pub(super) states: [usize; 5],
    /// Bytes received and sent a second.
    pub(super) rates: (f64, f64),
    /// Bytes received, sent and wasted in the run.
    pub(super) bytes: (u64, u64, u64),
    /// Directions of links that are unchoked, and all of them.
    pub(super) unchoked: (u32, u32),
}

impl Board {
    /// `degrees` are the peers' neighbours in the plan, in index order; a round is finished once `least` peers and all that are left have
    /// finished it.
    pub(super) fn new(description: &Description, degrees: &[u32], least: u32, began: f64) -> Self {
        let Description {
            name,
            peers,
            topology,
            model,
            data,
            ..
        } = description;
        Self {
            title: format!("{name}  {peers} peers, {topology}, {model}, {data}"),
            began,
            peers: (0..)
                .zip(degrees)
                .map(|(index, &degree)| Peer::new(index, degree))
                .collect(),
            ready: 0,
            progress: Progress::new(u32::try_from(degrees.len()).unwrap_or(u32::MAX), description.rounds)
                .with_least(least)
                .in_order(),
            training_began: None,
            finished: Vec::new(),
            finished_before: 0,
        }
    }

    /// A peer has ended before the run, and its neighbours are without it.
    pub(super) fn lose(&mut self, peer: u32, neighbours: &[u32], now: f64) {
        if let Some(place) = self.peers.get_mut(peer as usize) {
            place.is_lost = true;
        }
        for &neighbour in neighbours {
            if let Some(place) = self.peers.get_mut(neighbour as usize) {
                place.degree = place.degree.saturating_sub(1);
            }
        }
        let finished = self.progress.lose(peer);
        self.finished.extend(finished.into_iter().map(|summary| (now, summary)));
    }

    /// A peer joins later: until it has finished a round, none waits for it.
    pub(super) fn begin_without(&mut self, peer: u32) {
        self.progress.leave(peer);
    }

    /// Another process takes the place of a peer's that died.
    pub(super) fn restart(&mut self, peer: u32, now: f64) {
        if let Some(place) = self.peers.get_mut(peer as usize) {
            place.is_restarted = true;
        }
        let finished = self.progress.leave(peer);
        self.finished.extend(finished.into_iter().map(|summary| (now, summary)));
    }

    /// A line of a peer's file.
    pub(super) fn take(&mut self, peer: u32, time: f64, event: &Event) {
        let Some(place) = self.peers.get_mut(peer as usize) else {
            return;
        };
        place.take(time, event);
        match event {
            Event::Training(_) => {
                self.training_began = Some(self.training_began.map_or(time, |began| began.min(time)));
            }
            Event::Round(report) if report.peer == peer => {
                // A report that cannot be counted is shown in its row all the same.
                if let Ok(Outcome::New) = self.progress.handle_report(report)
                    && let Some(summary) = self.progress.round_summary(report.round)
                {
                    self.finished.push((time, *summary));
                }
            }
            Event::Restarted(_) => self.restart(peer, time),
            // What was before tells nothing about the pace.
            Event::Resumed(_) => {
                self.finished_before = self.finished.len();
                self.training_began = None;
            }
            Event::Round(_)
            | Event::Status(_)
            | Event::Exchange(_)
            | Event::Classes(_)
            | Event::Converged(_)
            | Event::Verdict(_)
            | Event::RoundEnd(_)
            | Event::Absence(_)
            | Event::Hang(_)
            | Event::Pause(_)
            | Event::Churn(_)
            | Event::Repair(_)
            | Event::Other => {}
        }
    }

    pub(super) fn rounds(&self) -> u32 {
        self.progress.rounds()
    }

    /// Peers that have not ended before the run.
    fn left(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| !peer.is_lost)
    }

    /// Rounds that all peers have finished, with those before the first that was seen.
    pub(super) fn rounds_finished(&self) -> u32 {
        let rounds = || self.left().filter_map(|peer| Some(peer.status?.round));
        self.finished
            .last()
            .map_or_else(|| rounds().min().unwrap_or(0), |(_, last)| last.round + 1)
    }

    /// True if no peer has begun to work.
    pub(super) fn is_starting(&self) -> bool {
        self.peers.iter().all(|peer| peer.status.is_none())
    }

    /// Share of the run that is over: finished rounds, and of the next one the chunks that are held.
    pub(super) fn share(&self) -> f64 {
        let finished = self.rounds_finished();
        let of_round = |peer: &Peer| match peer.status {
            Some(status) if status.round > finished => 1.0,
            Some(status) if status.round == finished => {
                status.held.min(status.total) as f64 / status.total.max(1) as f64
            }
            _ => 0.0,
        };
        let begun = if finished < self.rounds() {
            self.left().map(of_round).sum::<f64>() / self.left().count().max(1) as f64
        } else {
            0.0
        };
        ((f64::from(finished) + begun) / f64::from(self.rounds().max(1))).min(1.0)
    }

    /// Seconds until the last round is over, at the pace of the last finished ones; none before the first is.
    pub(super) fn remaining(&self, now: f64) -> Option<f64> {
        let finished = self.finished.get(self.finished_before..)?;
        let (last, _) = *finished.last()?;
        let count = finished.len().min(ETA_ROUNDS);
        let from = match finished.len() - count {
            0 => self.training_began?,
            before => finished[before - 1].0,
        };
        let pace = (last - from).max(0.0) / count as f64;
        let left = self.rounds().saturating_sub(self.rounds_finished());
        // A round that takes longer than the others is about to end.
        let current = (pace - (now - last)).max(0.0);
        Some(match left {
            0 => 0.0,
            _ => f64::from(left - 1) * pace + current,
        })
    }

    /// How long the last training took on the slowest peer.
    fn longest_training(&self) -> Option<f64> {
        let seconds = self.peers.iter().filter_map(|peer| Some(peer.report?.train.seconds));
        seconds.reduce(f64::max)
    }

    /// The rows: places in `peers`, and what is wrong there.
    pub(super) fn rows(&self, order: Order, now: f64) -> Vec<(usize, Option<Trouble>)> {
        let training = self.longest_training();
        let mut rows: Vec<_> = self
            .peers
            .iter()
            .enumerate()
            .map(|(at, peer)| (at, peer.trouble(now, training)))
            .collect();
        let how_far = |at: usize| {
            let status = self.peers.get(at)?.status?;
            Some((status.round, stage(status.state), status.held))
        };
        rows.sort_by_key(|(at, trouble)| {
            let far = (order == Order::Slowest).then(|| how_far(*at)).flatten();
            (trouble.is_none(), far, *at)
        });
        rows
    }

    /// Sums over the peers.
    pub(super) fn totals(&self, now: f64) -> Totals {
        let mut totals = Totals::default();
        for peer in &self.peers {
            if !peer.is_lost {
                totals.states[peer.state().map_or(0, stage)] += 1;
            }
            let (down, up) = peer.rates(now);
            totals.rates = (totals.rates.0 + down, totals.rates.1 + up);
            if let Some(status) = peer.status {
                let (received, sent, wasted) = totals.bytes;
                totals.bytes = (
                    received.saturating_add(status.bytes_received),
                    sent.saturating_add(status.bytes_sent),
                    wasted.saturating_add(status.bytes_wasted),
                );
                let (unchoked, all) = totals.unchoked;
                totals.unchoked = (
                    unchoked.saturating_add(status.unchoked),
                    all.saturating_add(status.neighbours),
                );
            }
        }
        totals
    }
}

/// States in the order in which a peer passes them.
const fn stage(state: State) -> usize {
    match state {
        State::Connecting => 0,
        State::Training => 1,
        State::Exchanging => 2,
        State::Aggregating => 3,
        State::Serving | State::Finished | State::Failed => 4,
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_records::{line::InRound, status::Status, survival::Restarted};

    use super::*;
    use crate::live::samples::{START, board, report, status};

    #[test]
    fn progress_and_time_left_follow_from_finished_rounds() {
        let mut board = board(2, 0);
        let finish = |board: &mut Board, round: u32, time| {
            for peer in 0..2 {
                board.take(peer, time, &Event::Round(Box::new(report(peer, round))));
                let status = Status {
                    held: 0,
                    ..status(State::Training, round + 1)
                };
                board.take(peer, time, &Event::Status(status));
            }
        };
        assert_eq!(board.share(), 0.05, "half of the chunks of one round of ten");
        assert_eq!(board.remaining(START + 9.0), None);
        finish(&mut board, 0, START + 4.0);
        assert_eq!((board.rounds_finished(), board.share()), (1, 0.1));
        assert_eq!(board.remaining(START + 4.0), Some(36.0));
        assert_eq!(board.remaining(START + 5.0), Some(35.0));
        assert_eq!(board.remaining(START + 50.0), Some(32.0), "the round is about to end");
        for round in 1..10 {
            finish(&mut board, round, START + 4.0 + 2.0 * f64::from(round));
        }
        assert_eq!((board.share(), board.remaining(START + 30.0)), (1.0, Some(0.0)));
        assert_eq!(board.finished.len(), 10);
    }

    #[test]
    fn the_pace_is_that_of_the_last_rounds() {
        let mut board = board(1, 0);
        for round in 0..9 {
            let time = START + 100.0 + f64::from(round);
            board.take(0, time, &Event::Round(Box::new(report(0, round))));
        }
        assert_eq!(board.remaining(START + 108.0), Some(12.0), "108 s for 9 rounds");
    }

    #[test]
    fn the_pace_of_a_run_that_goes_on_is_that_since_then() {
        let mut board = board(2, 3);
        let again = START + 9000.0;
        for peer in 0..2 {
            board.take(peer, again, &Event::Resumed(InRound { round: 3 }));
            board.take(peer, again, &Event::Training(InRound { round: 3 }));
        }
        assert_eq!(board.rounds_finished(), 3);
        assert_eq!(board.remaining(again + 1.0), None);
        for peer in 0..2 {
            board.take(peer, again + 3.0, &Event::Round(Box::new(report(peer, 3))));
        }
        assert_eq!(board.remaining(again + 3.0), Some(18.0), "3 s for each of 6");
    }

    #[test]
    fn a_report_under_another_name_is_not_counted() {
        let mut board = board(2, 0);
        for _ in 0..2 {
            board.take(0, START, &Event::Round(Box::new(report(1, 0))));
        }
        board.take(9, START, &Event::Training(InRound { round: 0 }));
        assert_eq!(board.rounds_finished(), 0);
    }

    #[test]
    fn a_lost_peer_is_told_of_and_not_waited_for() {
        let mut board = board(3, 2);
        for peer in 0..2 {
            board.take(peer, START + 12.0, &Event::Round(Box::new(report(peer, 2))));
        }
        assert_eq!(board.rounds_finished(), 2);
        board.lose(2, &[0, 1], START + 13.0);
        assert_eq!((board.rounds_finished(), board.finished[2].1.peers), (3, 2));
        let rows = board.rows(Order::Index, START + 13.0);
        assert_eq!(rows[0], (2, Some(Trouble::Lost)));
        assert_eq!(board.peers[0].degree, 1);
        assert_eq!(board.totals(START + 13.0).states, [0, 1, 1, 0, 0]);
        for round in 3..10 {
            for peer in 0..2 {
                board.take(peer, START + 20.0, &Event::Round(Box::new(report(peer, round))));
            }
        }
        assert_eq!(board.share(), 1.0);
    }

    #[test]
    fn a_peer_that_is_restarted_is_told_of_until_it_has_finished_a_round() {
        let mut board = board(3, 2);
        for peer in 0..2 {
            board.take(peer, START + 12.0, &Event::Round(Box::new(report(peer, 2))));
        }
        board.restart(2, START + 13.0);
        assert_eq!((board.rounds_finished(), board.finished[2].1.peers), (3, 2));
        let restarted = Restarted {
            round: 1,
            incarnation: 1,
        };
        board.take(2, START + 14.0, &Event::Restarted(restarted));
        let trouble = |board: &Board| board.rows(Order::Index, START + 14.0)[0];
        assert_eq!(trouble(&board), (2, Some(Trouble::Restarted)));
        board.take(2, START + 15.0, &Event::Round(Box::new(report(2, 4))));
        assert_eq!(trouble(&board), (0, None));
        for peer in 0..2 {
            board.take(peer, START + 16.0, &Event::Round(Box::new(report(peer, 4))));
        }
        assert_eq!(board.finished.last().unwrap().1.peers, 3);
    }

    #[test]
    fn troubled_peers_come_first() {
        let mut board = board(6, 2);
        let order =
            |board: &Board, order| -> Vec<usize> { board.rows(order, START + 8.0).iter().map(|(at, _)| *at).collect() };
        assert_eq!(order(&board, Order::Index), [0, 1, 2, 3, 4, 5]);
        assert_eq!(order(&board, Order::Slowest), [0, 3, 1, 4, 2, 5]);
        let bad = Status {
            faults: 1,
            ..status(State::Aggregating, 2)
        };
        board.take(5, START + 8.0, &Event::Status(bad));
        assert_eq!(order(&board, Order::Index), [5, 0, 1, 2, 3, 4]);
        assert_eq!(order(&board, Order::Slowest), [5, 0, 3, 1, 4, 2]);
    }

    #[test]
    fn totals_are_sums() {
        let totals = board(3, 1).totals(START + 100.0);
        assert_eq!(totals.states, [0, 1, 1, 1, 0]);
        assert_eq!(totals.rates, (0.0, 0.0));
        assert_eq!(totals.bytes, (6 << 20, 9 << 20, 3072));
        assert_eq!(totals.unchoked, (6, 6));
        let empty = Board::new(&crate::live::samples::description(2), &[1, 1], 2, START);
        assert_eq!(empty.totals(START).states, [2, 0, 0, 0, 0]);
        assert_eq!(empty.share(), 0.0);
    }
}
