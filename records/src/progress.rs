//! How far a run is, from the peers' reports. Time, input and output stay outside.
//!
//! [`Progress::new`] keeps the figures of every round, for who reads the files of its own run. [`Progress::recent`] is for reports that come
//! over a network: however many rounds peers report, it keeps so many of each peer and so many finished ones, and totals of the rest.

mod summary;
mod unfinished;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use fltorrent_crds::status::RoundEnds;

use crate::{
    bottleneck::Bottleneck,
    report::{Missing, ReportError, RoundReport},
    survival::Cause,
};
pub use summary::{RoundSummary, Spread};
use unfinished::Unfinished;

/// Why a report is not counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ProgressError {
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("peer: found {found}; the run has {peers} peers, from 0")]
    Peer { found: u32, peers: u32 },
    #[error("round: found {found}; the run has {rounds} rounds, from 0")]
    Round { found: u32, rounds: u32 },
    #[error(
        "peer {peer}, attempt {attempt} reported round {round} before, with other figures; the earlier ones are kept"
    )]
    Contradiction { peer: u32, attempt: u32, round: u32 },
}

/// The effect of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    New,
    /// It was known, or a later attempt of the peer has reported the round, or the round is finished, or so long ago that only totals are
    /// kept of it. Of such rounds nothing is compared.
    Repeated,
}

/// Reports of unfinished rounds of a run that [`in_flight`] makes room for, 1 MB, as far as two rounds a peer allow.
const REPORTS: u32 = 4096;

/// How many rounds of each peer a coordinator of so many peers keeps while others have not reported them. Peers are never more than two
/// rounds apart, but their reports may be: where rounds are short, that is where peers are few, they come several at a time.
pub fn in_flight(peers: u32) -> usize {
    let rounds = REPORTS / peers.max(1);
    rounds.clamp(2, 16) as usize
}

/// How far a run is, in a few words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The last round that all peers have reported.
    pub last: Option<RoundSummary>,
    /// Payload bytes received in all rounds that were reported, in sum.
    pub bytes_received: u64,
    /// How the rounds ended that are known here.
    pub ends: RoundEnds,
    /// The last round that lacks the updates of some peers, and of which.
    pub missing: Option<(u32, Missing)>,
    /// The last round in which most of those who waited did so for one peer, and for which.
    pub bottleneck: Option<(u32, Bottleneck)>,
}

/// The state of one run.
#[derive(Clone, Debug)]
pub struct Progress {
    peers: u32,
    rounds: u32,
    /// How many unfinished rounds of each peer are kept, and how many finished ones; none: all of them.
    kept: Option<usize>,
    /// Peers that are not waited for.
    lost: BTreeSet<u32>,
    /// Peers that are not waited for until they report again.
    away: BTreeSet<u32>,
    /// Peers and rounds that they passed over.
    passed_over: BTreeSet<(u32, u32)>,
    /// By round, how many of these have the model that it led to.
    taken_over: BTreeMap<u32, usize>,
    /// Peers that are known to end before the run, but have reported rounds.
    ends_early: BTreeSet<u32>,
    /// Whether a peer that has reported a round will report none before it.
    in_order: bool,
    /// Whether a peer is not waited for that the others say they went on without.
    by_ends: bool,
    /// Reports without which no round is summed up.
    least: usize,
    /// Empty until a report counts: whoever asks for a run makes room for one.
    by_peer: Vec<Reported>,
    unfinished: BTreeMap<u32, Unfinished>,
    finished: BTreeMap<u32, RoundSummary>,
    /// Those of which nothing else is known any more included.
    rounds_finished: usize,
    /// Of rounds before this one nothing is kept any more.
    kept_from: u32,
    bytes_received: u64,
    ends: RoundEnds,
    missing: Option<(u32, Missing)>,
    bottleneck: Option<(u32, Bottleneck)>,
}

#[derive(Clone, Debug, Default)]
struct Reported {
    rounds: u32,
    /// The rounds that it has done by its own word: one more than the last that it has reported.
    done: u32,
    /// Of these the reports are kept until others have reported them too; in ascending order.
    unfinished: VecDeque<u32>,
}

impl Progress {
    /// A run of so many peers and rounds, of which nothing is known yet.
    pub fn new(peers: u32, rounds: u32) -> Self {
        Self::keeping(peers, rounds, None)
    }

    /// As [`new`](Self::new), but of each peer only the last `kept` rounds that not all have reported are kept, at least one, and as many
    /// finished ones. What a peer says of an earlier round is taken for known: peers report their rounds in order.
    pub fn recent(peers: u32, rounds: u32, kept: usize) -> Self {
        Self::keeping(peers, rounds, Some(kept.max(1)))
    }

    fn keeping(peers: u32, rounds: u32, kept: Option<usize>) -> Self {
        Self {
            peers,
            rounds,
            kept,
            lost: BTreeSet::new(),
            away: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            taken_over: BTreeMap::new(),
            ends_early: BTreeSet::new(),
            in_order: false,
            by_ends: false,
            least: peers as usize,
            by_peer: Vec::new(),
            unfinished: BTreeMap::new(),
            finished: BTreeMap::new(),
            rounds_finished: 0,
            kept_from: 0,
            bytes_received: 0,
            ends: RoundEnds::default(),
            missing: None,
            bottleneck: None,
        }
    }

    /// As it is, but a round counts as finished without the peers that are [lost](Self::lose), once so many others have reported it.
    #[must_use]
    pub fn with_least(self, least: u32) -> Self {
        let least = least.min(self.peers) as usize;
        Self { least, ..self }
    }

    /// As it is, but these peers are known to end before the run: their models count for less than those of as many others.
    #[must_use]
    pub fn with_early_ends(self, peers: BTreeSet<u32>) -> Self {
        Self {
            ends_early: peers,
            ..self
        }
    }

    /// As it is, but peers report their rounds in order: one that was away and has reported a later round passed this one over.
    #[must_use]
    pub fn in_order(self) -> Self {
        Self { in_order: true, ..self }
    }

    /// As it is, but whom more than half of a round's reports call missing is waited for neither in that round nor in the one before, in
    /// which it may have gone: for who does not know otherwise which peers are there.
    #[must_use]
    pub fn by_ends(self) -> Self {
        Self { by_ends: true, ..self }
    }

    /// A peer was away in a round, and will not report it.
    pub fn pass_over(&mut self, peer: u32, round: u32) {
        self.passed_over.insert((peer, round));
        self.finish(round);
    }

    /// As [`pass_over`](Self::pass_over), but the peer has taken over the model of this round or a later one: it counts as one that has
    /// finished the round, though it has no figures of it.
    pub fn take_over(&mut self, peer: u32, round: u32) {
        if self.passed_over.insert((peer, round)) {
            *self.taken_over.entry(round).or_default() += 1;
        }
        self.finish(round);
    }

    /// Whether as many peers as are needed have finished a round, whose figures may be lost with those that have reported it.
    pub fn enough_finished(&self, round: u32) -> bool {
        let reports = self.unfinished.get(&round).map_or(0, |it| it.reports().len());
        self.finished.contains_key(&round) || self.have_it(round, reports) >= self.least
    }

    /// Peers that have finished a round, so many of which have reported it.
    fn have_it(&self, round: u32, reports: usize) -> usize {
        reports + self.taken_over.get(&round).copied().unwrap_or(0)
    }

    /// A peer is not waited for any more: what it has not reported will not come. Gives the rounds that are finished by that, in order.
    pub fn lose(&mut self, peer: u32) -> Vec<RoundSummary> {
        match peer < self.peers && self.lost.insert(peer) {
            true => self.finish_all(),
            false => Vec::new(),
        }
    }

    /// As [`lose`](Self::lose), until the peer reports a round again: its process has died, and another one takes its place.
    pub fn leave(&mut self, peer: u32) -> Vec<RoundSummary> {
        match peer < self.peers && self.away.insert(peer) {
            true => self.finish_all(),
            false => Vec::new(),
        }
    }

    /// Gives the rounds that nobody else is waited for in.
    fn finish_all(&mut self) -> Vec<RoundSummary> {
        let waiting: Vec<u32> = self.unfinished.keys().copied().collect();
        let summaries = waiting.into_iter().filter_map(|round| {
            self.finish(round);
            self.finished.get(&round).copied()
        });
        summaries.collect()
    }

    /// Takes a report, once for each (peer, attempt, round). When a replaced peer reports a round again, its latest attempt counts.
    ///
    /// # Errors
    /// When the report is not of this run, has a value that cannot be, or contradicts an earlier one of the same key. Nothing changes then.
    pub fn handle_report(&mut self, report: &RoundReport) -> Result<Outcome, ProgressError> {
        report.check()?;
        let &RoundReport {
            peer, attempt, round, ..
        } = report;
        let peers = self.peers;
        if peer >= peers {
            return Err(ProgressError::Peer { found: peer, peers });
        }
        if round >= self.rounds {
            return Err(ProgressError::Round {
                found: round,
                rounds: self.rounds,
            });
        }
        self.by_peer.resize(peers as usize, Reported::default());
        self.away.remove(&peer);
        let place = &mut self.by_peer[peer as usize];
        let earlier = self.unfinished.get(&round).and_then(|it| it.reports().get(&peer));
        let is_known = round < place.done && self.kept.is_some() && earlier.is_none() || round < self.kept_from;
        let done = place.done;
        place.done = done.max(round + 1);
        if is_known || self.finished.contains_key(&round) {
            return Ok(Outcome::Repeated);
        }
        match earlier {
            Some(earlier) if earlier.attempt > attempt || earlier == report => {
                return Ok(Outcome::Repeated);
            }
            Some(earlier) if earlier.attempt == attempt => {
                return Err(ProgressError::Contradiction { peer, attempt, round });
            }
            Some(_) => {}
            None => {
                place.rounds += 1;
                let after = place.unfinished.partition_point(|&it| it < round);
                place.unfinished.insert(after, round);
                self.bytes_received = self.bytes_received.saturating_add(report.bytes_received);
            }
        }
        self.unfinished.entry(round).or_default().insert(*report);
        if self.by_ends {
            round.checked_sub(1).into_iter().for_each(|before| self.finish(before));
        }
        self.finish(round);
        if self.in_order && done < round {
            let passed_over: Vec<u32> = self.unfinished.range(done..round).map(|(&it, _)| it).collect();
            passed_over.into_iter().for_each(|it| self.finish(it));
        }
        self.forget(peer);
        Ok(Outcome::New)
    }

    /// Sums a round up when all that are waited for have reported it.
    fn finish(&mut self, round: u32) {
        let Some(unfinished) = self.unfinished.get(&round) else {
            return;
        };
        let reports = unfinished.reports();
        let missing = self.missing_in(round);
        let is_waited_for = |(peer, place): (u32, &Reported)| {
            let is_over = self.lost.contains(&peer)
                || missing.iter().any(|missing| missing.may_have(peer))
                || self.away.contains(&peer)
                || self.in_order && place.done > round
                || self.passed_over.contains(&(peer, round));
            !is_over && !reports.contains_key(&peer)
        };
        let is_whole = reports.len() == self.peers as usize;
        if !is_whole && (self.have_it(round, reports.len()) < self.least || (0..).zip(&self.by_peer).any(is_waited_for))
        {
            return;
        }
        let summary = RoundSummary::of(round, unfinished.end(), reports.values(), |peer| {
            !self.lost.contains(&peer) && !self.ends_early.contains(&peer)
        });
        if let Some(summary) = summary {
            self.note_end(&summary);
            self.finished.insert(round, summary);
        }
        self.rounds_finished += 1;
        self.unfinished.remove(&round);
        for place in &mut self.by_peer {
            place.unfinished.retain(|&it| it != round);
        }
        while self.kept.is_some_and(|kept| self.finished.len() > kept) {
            let first = self.finished.pop_first();
            self.kept_from = first.map_or(0, |(round, _)| round + 1).max(self.kept_from);
        }
    }

    /// Who was missing in a round or the next one, as enough reports of each say.
    fn missing_in(&self, round: u32) -> Vec<Missing> {
        let said = |round: u32| {
            let round = self.unfinished.get(&round)?;
            (round.reports().len() >= self.least).then(|| round.end().missing)
        };
        // The next one may be over already, where it was the one before that was waited for.
        let over = |round: u32| self.finished.get(&round).map(|summary| summary.end.missing);
        let rounds = [Some(round), round.checked_add(1)].into_iter().flatten();
        let rounds = rounds.filter(|_| self.by_ends);
        rounds.filter_map(|round| said(round).or_else(|| over(round))).collect()
    }

    fn note_end(&mut self, summary: &RoundSummary) {
        let RoundSummary {
            round, end, bottleneck, ..
        } = summary;
        let is = |cause| u32::from(end.cause == cause);
        self.ends = self.ends.plus(RoundEnds {
            all: is(Cause::All),
            quorum: is(Cause::Quorum),
            deadline: is(Cause::Deadline),
            uncertified: end.uncertified_before.into(),
        });
        if !end.missing.is_none() {
            self.missing = self.missing.max(Some((*round, end.missing)));
        }
        let named = bottleneck.filter(|it| it.peer < self.peers);
        self.bottleneck = self.bottleneck.max(named.map(|it| (*round, it)));
    }

    /// Drops what a peer has reported too long ago.
    fn forget(&mut self, peer: u32) {
        let (Some(kept), Some(place)) = (self.kept, self.by_peer.get_mut(peer as usize)) else {
            return;
        };
        while place.unfinished.len() > kept {
            let Some(oldest) = place.unfinished.pop_front() else {
                return;
            };
            if let Some(reports) = self.unfinished.get_mut(&oldest) {
                reports.remove(peer);
                if reports.reports().is_empty() {
                    self.unfinished.remove(&oldest);
                }
            }
        }
    }

    /// Peers of the run.
    pub const fn peers(&self) -> u32 {
        self.peers
    }

    /// Rounds of the run.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The figures of a round that all peers that are waited for have reported, as long as they are kept.
    pub fn round_summary(&self, round: u32) -> Option<&RoundSummary> {
        self.finished.get(&round)
    }

    /// The figures of all such rounds, in order.
    pub fn summaries(&self) -> impl Iterator<Item = &RoundSummary> {
        self.finished.values()
    }

    /// How far the run is, in a few words.
    pub fn standing(&self) -> Standing {
        Standing {
            last: self.finished.values().next_back().copied(),
            bytes_received: self.bytes_received,
            ends: self.ends,
            missing: self.missing,
            bottleneck: self.bottleneck,
        }
    }

    /// Rounds that all peers that are waited for have reported.
    pub const fn rounds_finished(&self) -> usize {
        self.rounds_finished
    }

    /// Rounds that a peer has reported; none for a peer that the run does not have.
    pub fn rounds_reported(&self, peer: u32) -> Option<u32> {
        let place = self.by_peer.get(peer as usize);
        (peer < self.peers).then(|| place.map_or(0, |it| it.rounds))
    }

    /// The rounds that a peer has done by its own word: one more than the last that it has reported.
    pub fn rounds_done_by(&self, peer: u32) -> u32 {
        self.by_peer.get(peer as usize).map_or(0, |it| it.done)
    }

    /// Rounds that all peers have done. Peers report their rounds in order, so this holds for a coordinator too that began in mid-run
    /// and has seen no report of the first ones.
    pub fn rounds_done(&self) -> u32 {
        self.by_peer.iter().map(|it| it.done).min().unwrap_or(0)
    }

    /// Rounds that the peer which is furthest has done.
    pub fn rounds_done_first(&self) -> u32 {
        self.by_peer.iter().map(|it| it.done).max().unwrap_or(0)
    }

    /// Peers that have reported all rounds.
    pub fn peers_finished(&self) -> usize {
        // Who has reported nothing has not finished: a run has one round at least.
        let finished = self.by_peer.iter().filter(|it| it.rounds == self.rounds);
        finished.count()
    }

    /// True if all peers have reported all rounds.
    pub fn is_finished(&self) -> bool {
        self.peers_finished() == self.peers as usize
    }
}

#[cfg(any(test, feature = "test-utils"))]
impl Progress {
    /// Peers that room was made for.
    pub fn room(&self) -> usize {
        self.by_peer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        bottleneck::RoundPhase,
        report::{ReportedEnd, sample},
    };

    #[test]
    fn a_round_is_summed_up_when_all_have_reported() {
        let mut progress = Progress::new(3, 2);
        for peer in [2, 0] {
            assert_eq!(progress.handle_report(&sample(peer, 0, 1)).unwrap(), Outcome::New);
            assert_eq!(progress.handle_report(&sample(peer, 0, 1)).unwrap(), Outcome::Repeated);
        }
        assert_eq!(progress.round_summary(1), None);
        assert_eq!(progress.handle_report(&sample(1, 0, 1)).unwrap(), Outcome::New);
        let summary = progress.round_summary(1).unwrap();
        assert_eq!((summary.round, summary.peers, summary.samples), (1, 3, 303));
        assert_eq!((summary.accuracy, summary.loss), (Some(0.9), Some(0.5)));
        assert_eq!((summary.chunks_held, summary.chunks_total), (240, 240));
        assert_eq!(
            (summary.bytes_sent, summary.bytes_received, summary.bytes_wasted),
            (3000, 6000, 9)
        );
        assert_eq!(summary.train_seconds, Spread { mean: 11.0, max: 12.0 });
        assert_eq!(summary.exchange_seconds, Spread { mean: 5.5, max: 6.0 });
        assert!(summary.models_agree);
        assert_eq!(progress.unfinished.len(), 0);
        assert_eq!(
            (
                progress.rounds_finished(),
                progress.peers_finished(),
                progress.is_finished()
            ),
            (1, 0, false)
        );
        for peer in 0..3 {
            assert_eq!(progress.handle_report(&sample(peer, 0, 1)).unwrap(), Outcome::Repeated);
            assert_eq!(progress.handle_report(&sample(peer, 0, 0)).unwrap(), Outcome::New);
            assert_eq!(
                (progress.rounds_reported(peer), progress.peers_finished()),
                (Some(2), peer as usize + 1)
            );
        }
        assert!(progress.is_finished());
        assert_eq!(
            progress.summaries().map(|summary| summary.round).collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn a_round_does_not_wait_for_a_peer_that_is_lost() {
        let mut progress = Progress::new(3, 4).with_least(2);
        for (peer, round) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2)] {
            progress.handle_report(&sample(peer, 0, round)).unwrap();
        }
        let finished = progress.lose(2);
        assert_eq!(
            finished.iter().map(|it| (it.round, it.peers)).collect::<Vec<_>>(),
            [(1, 2)]
        );
        assert_eq!(progress.lose(2), []);
        progress.handle_report(&sample(1, 0, 2)).unwrap();
        assert_eq!(progress.round_summary(2).unwrap().peers, 2);
        // What it had said before its end comes late, and changes nothing.
        assert_eq!(progress.handle_report(&sample(2, 0, 1)).unwrap(), Outcome::Repeated);
        // One is too few.
        progress.handle_report(&sample(0, 0, 3)).unwrap();
        assert_eq!(progress.lose(1), []);
        assert_eq!(progress.rounds_finished(), 3);
    }

    #[test]
    fn a_peer_whose_process_died_is_waited_for_again_once_it_reports() {
        let mut progress = Progress::recent(3, 9, 4).with_least(2).in_order();
        let report = |progress: &mut Progress, peers: &[u32], round| {
            for &peer in peers {
                progress.handle_report(&sample(peer, 0, round)).unwrap();
            }
            progress.round_summary(round).map(|it| it.peers)
        };
        assert_eq!(report(&mut progress, &[0, 1, 2], 0), Some(3));
        assert_eq!(report(&mut progress, &[0, 1], 1), None);
        let finished = progress.leave(2);
        assert_eq!(finished.iter().map(|it| it.round).collect::<Vec<_>>(), [1]);
        assert_eq!(progress.leave(2), []);
        assert_eq!(report(&mut progress, &[0, 1], 2), Some(2));
        // The first report of the process that takes its place.
        assert_eq!(report(&mut progress, &[2, 0], 4), None);
        assert_eq!(report(&mut progress, &[1], 4), Some(3));
        assert_eq!(report(&mut progress, &[0, 1], 5), None);
        assert_eq!(progress.lose(2).len(), 1);
        // What comes late brings nobody back who is lost.
        report(&mut progress, &[2], 4);
        assert_eq!(report(&mut progress, &[0, 1], 6), Some(2));
    }

    #[test]
    fn a_round_does_not_wait_for_a_peer_that_passed_it_over() {
        let mut live = Progress::new(3, 4).with_least(2).in_order();
        let mut read = Progress::new(3, 4).with_least(2);
        for (peer, round) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)] {
            live.handle_report(&sample(peer, 0, round)).unwrap();
            read.handle_report(&sample(peer, 0, round)).unwrap();
        }
        assert_eq!(live.round_summary(0).unwrap().peers, 2);
        assert_eq!(live.round_summary(1).unwrap().peers, 3);
        // Whoever reads files may read them peer by peer, and has to be told.
        assert_eq!(read.round_summary(0), None);
        read.pass_over(2, 0);
        assert_eq!(read.round_summary(0), live.round_summary(0));
    }

    #[test]
    fn whoever_has_taken_over_a_model_is_one_of_those_that_a_round_needs() {
        let mut progress = Progress::new(4, 2).with_least(3);
        for peer in [0, 3] {
            progress.handle_report(&sample(peer, 0, 0)).unwrap();
        }
        progress.take_over(1, 0);
        progress.take_over(1, 0);
        assert_eq!((progress.round_summary(0), progress.enough_finished(0)), (None, true));
        progress.pass_over(2, 0);
        assert_eq!(progress.round_summary(0).unwrap().peers, 2);
        // Of the other one all figures are lost.
        for peer in 0..3 {
            assert!(!progress.enough_finished(1));
            progress.take_over(peer, 1);
        }
        assert_eq!((progress.round_summary(1), progress.enough_finished(1)), (None, true));
    }

    #[test]
    fn the_model_of_most_peers_counts_and_of_as_many_that_of_those_who_are_left() {
        let model = |peer, hash| RoundReport {
            model_hash: crate::report::ModelHash::from_bytes([hash; 32]),
            ..sample(peer, 0, 0)
        };
        let summed = |hashes: &[u8], early_ends: &[u32]| {
            let mut progress =
                Progress::new(hashes.len() as u32, 1).with_early_ends(early_ends.iter().copied().collect());
            for (peer, &hash) in (0..).zip(hashes) {
                progress.handle_report(&model(peer, hash)).unwrap();
            }
            let summary = *progress.round_summary(0).unwrap();
            (summary.model_hash == model(0, 2).model_hash, summary.models_agree)
        };
        assert_eq!(summed(&[1, 2, 2, 2], &[]), (true, false));
        assert_eq!(summed(&[1, 2, 2, 2], &[0]), (true, true));
        assert_eq!(summed(&[1, 2], &[0]), (true, true));
        assert_eq!(summed(&[1, 2], &[]), (false, false));
        // The only one that is left has another model than most had.
        assert_eq!(summed(&[1, 2, 2], &[1, 2]), (true, false));
        assert_eq!(summed(&[2, 2], &[0, 1]), (true, true));
    }

    #[test]
    fn the_last_round_in_which_most_waited_for_one_peer_is_known() {
        let mut progress = Progress::recent(3, 4, 2);
        let mut report = |peer, round, waits_for: Option<u32>| {
            let bottleneck = waits_for.map(|peer| Bottleneck {
                peer,
                phase: RoundPhase::Training,
            });
            let report = RoundReport {
                bottleneck,
                ..sample(peer, 0, round)
            };
            progress.handle_report(&report).unwrap();
            progress.standing().bottleneck.map(|(round, it)| (round, it.peer))
        };
        report(0, 0, Some(2));
        report(1, 0, Some(2));
        assert_eq!(report(2, 0, None), Some((0, 2)));
        // Each waited for another one.
        report(0, 1, Some(1));
        report(1, 1, Some(2));
        assert_eq!(report(2, 1, Some(0)), Some((0, 2)));
        report(1, 2, None);
        report(2, 2, Some(1));
        assert_eq!(report(0, 2, Some(1)), Some((2, 1)));
    }

    /// Four peers of which two are enough, known by what they say only.
    #[test]
    fn a_round_does_not_wait_for_a_peer_that_the_others_call_missing() {
        let mut progress = Progress::recent(4, 9, 2).with_least(2).in_order().by_ends();
        let without = |missing: &[u32]| ReportedEnd {
            cause: if missing.is_empty() { Cause::All } else { Cause::Quorum },
            missing: Missing::of(missing),
            uncertified_before: !missing.is_empty(),
        };
        let mut report = |peer, round, missing: &[u32]| {
            let report = RoundReport {
                end: without(missing),
                ..sample(peer, 0, round)
            };
            progress.handle_report(&report).unwrap();
            let last = progress.standing().last;
            last.map(|last| (last.round, last.peers))
        };
        for peer in 0..3 {
            assert_eq!(report(peer, 0, &[]), None);
        }
        // It gave its update of round 0 and was not heard of again: what round 1 says counts once enough say so.
        assert_eq!(report(0, 1, &[3]), None);
        assert_eq!(report(1, 1, &[3]), Some((0, 3)));
        assert_eq!(report(2, 1, &[3]), Some((1, 3)));
        // A single peer is not believed.
        assert_eq!(report(0, 2, &[3]), Some((1, 3)));
        assert_eq!(report(1, 2, &[2, 3]), Some((1, 3)));
        assert_eq!(report(2, 2, &[3]), Some((2, 3)));
        // It is back, and what it was late with changes nothing.
        assert_eq!(report(3, 0, &[]), Some((2, 3)));
        for peer in 0..3 {
            assert_eq!(report(peer, 3, &[]), Some((2, 3)));
        }
        assert_eq!(report(3, 3, &[]), Some((3, 4)));
        let standing = progress.standing();
        let expected = RoundEnds {
            all: 2,
            quorum: 2,
            deadline: 0,
            uncertified: 2,
        };
        assert_eq!(standing.ends, expected);
        assert_eq!(standing.missing, Some((2, Missing::of(&[3]))));
        assert_eq!((progress.rounds_finished(), progress.rounds_done_by(3)), (4, 4));
        assert_eq!(progress.rounds_done_by(9), 0);
    }

    #[test]
    fn wrong_reports_change_nothing() {
        let mut progress = Progress::new(3, 2);
        progress.handle_report(&sample(1, 0, 0)).unwrap();
        let mut contradiction = sample(1, 0, 0);
        contradiction.evaluation.correct -= 1;
        let mut impossible = sample(0, 0, 0);
        impossible.chunks_held = 81;
        let error =
            |progress: &mut Progress, report: &RoundReport| progress.handle_report(report).unwrap_err().to_string();
        assert_eq!(
            error(&mut progress, &sample(3, 0, 0)),
            "peer: found 3; the run has 3 peers, from 0"
        );
        assert_eq!(
            error(&mut progress, &sample(0, 0, 2)),
            "round: found 2; the run has 2 rounds, from 0"
        );
        assert!(error(&mut progress, &contradiction).starts_with("peer 1, attempt 0 reported round 0 before"));
        assert!(error(&mut progress, &impossible).contains("chunksHeld"));
        assert_eq!(
            progress.unfinished[&0].reports(),
            &BTreeMap::from([(1, sample(1, 0, 0))])
        );
        assert_eq!(progress.rounds_reported(0), Some(0));
        assert_eq!(progress.rounds_reported(1), Some(1));
    }

    #[test]
    fn the_latest_attempt_counts() {
        let mut progress = Progress::new(2, 1);
        let replaced = RoundReport {
            bytes_sent: 7,
            ..sample(0, 1, 0)
        };
        assert_eq!(progress.handle_report(&sample(0, 0, 0)).unwrap(), Outcome::New);
        assert_eq!(progress.handle_report(&replaced).unwrap(), Outcome::New);
        assert_eq!(progress.handle_report(&sample(0, 0, 0)).unwrap(), Outcome::Repeated);
        assert_eq!(progress.rounds_reported(0), Some(1));
        progress.handle_report(&sample(1, 0, 0)).unwrap();
        assert_eq!(progress.round_summary(0).unwrap().bytes_sent, 1007);
    }

    #[test]
    fn a_coordinator_that_began_in_mid_run_knows_how_far_it_is() {
        let mut progress = Progress::new(2, 9);
        progress.handle_report(&sample(0, 0, 6)).unwrap();
        assert_eq!(progress.rounds_done(), 0);
        progress.handle_report(&sample(1, 0, 5)).unwrap();
        assert_eq!((progress.rounds_done(), progress.rounds_finished()), (6, 0));
        progress.handle_report(&sample(1, 0, 6)).unwrap();
        assert_eq!((progress.rounds_done(), progress.rounds_finished()), (7, 1));
        // A late report of an earlier round changes nothing of it.
        progress.handle_report(&sample(1, 0, 2)).unwrap();
        assert_eq!(progress.rounds_done(), 7);
    }

    #[test]
    fn peers_without_test_samples_and_models_that_differ_are_told() {
        let mut progress = Progress::new(2, 2);
        for peer in 0..2 {
            let mut report = sample(peer, 0, 0);
            report.evaluation = crate::report::EvaluationFigures {
                correct: 0,
                total: 0,
                loss_sum: Some(0.0),
                seconds: 0.0,
            };
            report.model_hash = crate::report::ModelHash::from_bytes([u8::try_from(peer).unwrap(); 32]);
            progress.handle_report(&report).unwrap();
            let mut report = sample(peer, 0, 1);
            report.evaluation.loss_sum = (peer == 0).then_some(1.0);
            progress.handle_report(&report).unwrap();
        }
        let none = progress.round_summary(0).unwrap();
        assert_eq!((none.accuracy, none.loss, none.models_agree), (None, None, false));
        let diverged = progress.round_summary(1).unwrap();
        assert_eq!(
            (diverged.accuracy, diverged.loss, diverged.models_agree),
            (Some(0.9), None, true)
        );
    }

    #[test]
    fn a_peer_that_reports_a_million_rounds_takes_no_more_room_than_any_other() {
        let (peers, rounds) = (3, 1_000_000);
        let mut progress = Progress::recent(peers, rounds, 2);
        for round in 0..rounds {
            let outcome = progress.handle_report(&sample(0, 0, round)).unwrap();
            assert_eq!(outcome, Outcome::New);
        }
        let kept: Vec<u32> = progress.unfinished.keys().copied().collect();
        assert_eq!(kept, [rounds - 2, rounds - 1]);
        assert_eq!(progress.by_peer[0].unfinished.len(), 2);
        // What is over for it is known, and the others go on.
        let again = progress.handle_report(&sample(0, 0, 7)).unwrap();
        assert_eq!(again, Outcome::Repeated);
        let standing = progress.standing();
        assert_eq!(standing.bytes_received, 2000 * u64::from(rounds));
        assert_eq!((progress.rounds_done(), standing.last), (0, None));
    }

    #[test]
    fn finished_rounds_take_no_room_but_count() {
        let mut progress = Progress::recent(2, 1000, 2);
        progress.handle_report(&sample(0, 0, 0)).unwrap();
        for round in 1..1000 {
            progress.handle_report(&sample(0, 0, round)).unwrap();
            progress.handle_report(&sample(1, 0, round - 1)).unwrap();
            let finished = progress.round_summary(round - 1).copied();
            assert_eq!(progress.standing().last, finished);
            assert!(finished.is_some() && progress.finished.len() <= 2);
        }
        progress.handle_report(&sample(1, 0, 999)).unwrap();
        assert!(progress.is_finished() && progress.unfinished.is_empty());
        assert_eq!(progress.rounds_finished(), 1000);
        assert_eq!(progress.standing().bytes_received, 2 * 1000 * 2000);
        let again = progress.handle_report(&sample(1, 0, 3)).unwrap();
        assert_eq!(again, Outcome::Repeated);
        assert!(progress.unfinished.is_empty());
    }

    #[test]
    fn small_swarms_may_report_further_apart_than_large_ones() {
        let expected = [(0, 16), (8, 16), (256, 16), (1000, 4), (2048, 2), (10_000, 2)];
        for (peers, rounds) in expected {
            assert_eq!(in_flight(peers), rounds, "{peers}");
        }
    }

    proptest! {
        /// Whatever the order and however often a report comes, the figures are the same.
        #[test]
        fn order_and_repetition_do_not_matter(
            order in Just((0..4_u32).flat_map(|peer| (0..5_u32).flat_map(move |round| [(peer, round); 2])).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let mut progress = Progress::new(4, 5);
            let mut new = 0;
            for (peer, round) in order {
                new += u32::from(progress.handle_report(&sample(peer, 0, round)).unwrap() == Outcome::New);
            }
            let mut in_order = Progress::new(4, 5);
            for round in 0..5 {
                for peer in 0..4 {
                    in_order.handle_report(&sample(peer, 0, round)).unwrap();
                }
            }
            prop_assert_eq!(new, 20);
            prop_assert!(progress.is_finished() && progress.unfinished.is_empty());
            prop_assert!(progress.summaries().eq(in_order.summaries()));
        }

        /// As long as no peer is further ahead of the last one than rounds are kept, nothing is missed.
        #[test]
        fn reports_in_order_finish_every_round(turns in prop::collection::vec(0..3_u32, 0..200)) {
            let (peers, rounds, kept) = (3, 12, 3);
            let mut progress = Progress::recent(peers, rounds, kept);
            let mut whole = Progress::new(peers, rounds);
            let mut next = [0; 3];
            for peer in turns {
                let round = next[peer as usize];
                let last = *next.iter().min().unwrap();
                if round == rounds || round >= last + kept as u32 {
                    continue;
                }
                next[peer as usize] += 1;
                for progress in [&mut progress, &mut whole] {
                    prop_assert_eq!(progress.handle_report(&sample(peer, 0, round)).unwrap(), Outcome::New);
                }
                prop_assert_eq!(progress.round_summary(round), whole.round_summary(round));
                prop_assert_eq!(progress.standing(), whole.standing());
                prop_assert_eq!(progress.rounds_finished(), whole.rounds_finished());
            }
        }
    }
}
