//! When a round's figures are told: once, in order, and as soon as nobody is waited for who is there.

use std::collections::{BTreeMap, BTreeSet};

use fltorrent_records::{
    progress::RoundSummary,
    report::{ReportedEnd, RoundReport},
};

use super::{Event, Launcher};

/// Rounds that wait for reports at once. Peers that take part are at most two rounds apart, so that who is that far behind does not.
const WAITING: usize = 16;

/// The rounds that have yet to be told.
#[derive(Debug)]
pub(super) struct RoundLines {
    /// Reports without which no round is told, unless a later one has so many.
    least: usize,
    /// The first round that has not been told.
    next: u32,
    /// By peer, the rounds that it has done by its own word: one more than the last that it has reported.
    done: Vec<u32>,
    lost: BTreeSet<u32>,
    /// Peers whose reports are not waited for until one comes.
    away: BTreeSet<u32>,
    /// Reports by peer, of rounds that have not been told.
    reports: BTreeMap<u32, BTreeMap<u32, RoundReport>>,
}

impl RoundLines {
    pub(super) fn new(peers: usize, least: u32, first_round: u32) -> Self {
        Self {
            least: peers.min(least as usize),
            next: first_round,
            done: vec![0; peers],
            lost: BTreeSet::new(),
            away: BTreeSet::new(),
            reports: BTreeMap::new(),
        }
    }

    /// Takes a report, and gives the rounds that are told now.
    fn take(&mut self, report: RoundReport) -> Vec<RoundSummary> {
        let RoundReport { peer, round, .. } = report;
        self.away.remove(&peer);
        if let Some(done) = self.done.get_mut(peer as usize) {
            *done = (*done).max(round.saturating_add(1));
        }
        if round >= self.next {
            self.reports.entry(round).or_default().insert(peer, report);
        }
        self.told()
    }

    /// What a peer has not reported will not come.
    fn lose(&mut self, peer: u32) -> Vec<RoundSummary> {
        self.lost.insert(peer);
        self.told()
    }

    /// What a peer has not reported will not come before it is back.
    pub(super) fn leave(&mut self, peer: u32) -> Vec<RoundSummary> {
        self.away.insert(peer);
        self.told()
    }

    fn told(&mut self) -> Vec<RoundSummary> {
        let mut told = Vec::new();
        while self.is_over(self.next) {
            let reports = self.reports.remove(&self.next).unwrap_or_default();
            let is_left = |peer| !self.lost.contains(&peer);
            // Those who closed it may have died before they reported it: then there is nothing to tell.
            told.extend(RoundSummary::of(
                self.next,
                ReportedEnd::default(),
                reports.values(),
                is_left,
            ));
            self.next += 1;
        }
        told
    }

    fn is_over(&self, round: u32) -> bool {
        let reports = self.reports.get(&round);
        let later = || {
            let later = self.reports.range(round.saturating_add(1)..);
            later.map(|(_, reports)| reports).filter(|it| it.len() >= self.least)
        };
        // A round begins when the one before is closed, whoever could still tell of it.
        let is_closed = reports.is_some_and(|it| it.len() >= self.least) || later().next().is_some();
        let is_waited_for = |peer: u32| {
            let is_there = !self.lost.contains(&peer) && !self.away.contains(&peer);
            let has_reported = reports.is_some_and(|it| it.contains_key(&peer));
            let has_passed = self.done.get(peer as usize).is_some_and(|done| *done > round);
            is_there && !has_reported && !has_passed && !later().any(|reports| is_missing(peer, reports))
        };
        let is_overdue = self.reports.len() > WAITING;
        is_closed && (is_overdue || !(0..).take(self.done.len()).any(is_waited_for))
    }
}

/// Whether more than half of those who report a round say that nothing of this peer's update is in it.
fn is_missing(peer: u32, reports: &BTreeMap<u32, RoundReport>) -> bool {
    let say_so = reports.values().filter(|report| report.end.missing.may_have(peer));
    2 * say_so.count() > reports.len()
}

impl Launcher {
    /// A peer has finished a round.
    pub(super) fn reported(&mut self, report: RoundReport) {
        self.finished_round(report.round);
        let told = self.lines.take(report);
        self.tell_rounds(told);
    }

    /// A peer's process has died, and another one takes its place.
    pub(super) fn wait_not_for(&mut self, peer: u32) {
        self.take_what_came();
        let told = self.lines.leave(peer);
        self.tell_rounds(told);
    }

    /// A peer is not waited for any more.
    pub(super) fn wait_no_more_for(&mut self, peer: u32) {
        self.take_what_came();
        let told = self.lines.lose(peer);
        self.tell_rounds(told);
    }

    /// What a peer reported before its end counts, though its end may be seen first.
    fn take_what_came(&mut self) {
        while let Some(Ok(reported)) = self.reports.as_mut().map(tokio::sync::mpsc::Receiver::try_recv) {
            self.reported(reported.report);
        }
    }

    fn tell_rounds(&mut self, told: Vec<RoundSummary>) {
        let rounds = told.into_iter().map(Box::new);
        self.waiting.extend(rounds.map(Event::Round));
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_records::report::{Missing, sample};

    use super::*;

    /// Reports of rounds by these peers, which went on without others.
    fn report(lines: &mut RoundLines, round: u32, peers: &[u32], missing: &[u32]) -> Vec<(u32, usize)> {
        let reports = peers.iter().map(|&peer| {
            let mut report = sample(peer, 0, round);
            report.end.missing = Missing::of(missing);
            report
        });
        let told: Vec<RoundSummary> = reports.flat_map(|report| lines.take(report)).collect();
        shown(&told)
    }

    fn shown(told: &[RoundSummary]) -> Vec<(u32, usize)> {
        told.iter().map(|summary| (summary.round, summary.peers)).collect()
    }

    #[test]
    fn a_round_is_told_when_all_have_reported_it_and_those_before() {
        let mut lines = RoundLines::new(3, 2, 4);
        assert_eq!(report(&mut lines, 4, &[0, 1], &[]), []);
        assert_eq!(report(&mut lines, 5, &[0, 1], &[]), []);
        assert_eq!(report(&mut lines, 4, &[2], &[]), [(4, 3)]);
        assert_eq!(report(&mut lines, 5, &[2], &[]), [(5, 3)]);
        // One that resumes may report what was told before.
        assert_eq!(report(&mut lines, 5, &[2], &[]), []);
    }

    #[test]
    fn who_gave_no_update_to_a_round_may_report_it_all_the_same() {
        let mut lines = RoundLines::new(4, 3, 0);
        assert_eq!(report(&mut lines, 0, &[0, 1, 2], &[3]), []);
        assert_eq!(report(&mut lines, 0, &[3], &[3]), [(0, 4)]);
    }

    #[test]
    fn a_peer_that_is_away_holds_nothing_back_and_is_told_of_once_when_it_is_back() {
        let mut lines = RoundLines::new(4, 3, 0);
        assert_eq!(report(&mut lines, 0, &[0, 1, 2], &[]), []);
        assert_eq!(report(&mut lines, 1, &[0, 1, 2], &[]), []);
        // It stopped after its update of round 1. A single one that calls it missing is not believed.
        assert_eq!(report(&mut lines, 2, &[0, 1], &[3]), []);
        assert_eq!(report(&mut lines, 2, &[2], &[3]), [(0, 3), (1, 3)]);
        assert_eq!(report(&mut lines, 3, &[0, 1, 2], &[3]), [(2, 3)]);
        // What it reports late is told with a round that is not over, or not at all.
        assert_eq!(report(&mut lines, 1, &[3], &[]), []);
        assert_eq!(report(&mut lines, 3, &[3], &[]), [(3, 4)]);
    }

    #[test]
    fn a_peer_that_passed_rounds_over_lets_all_of_them_be_told_in_order() {
        let mut lines = RoundLines::new(4, 3, 0);
        for round in 0..3 {
            assert_eq!(report(&mut lines, round, &[0, 1, 2], &[]), []);
        }
        assert_eq!(report(&mut lines, 3, &[3], &[]), [(0, 3), (1, 3), (2, 3)]);
        assert_eq!(report(&mut lines, 3, &[0, 1, 2], &[]), [(3, 4)]);
    }

    #[test]
    fn who_is_lost_or_away_is_not_waited_for() {
        let mut lines = RoundLines::new(4, 2, 0);
        assert_eq!(report(&mut lines, 0, &[0, 1], &[]), []);
        assert_eq!(shown(&lines.lose(3)), []);
        assert_eq!(shown(&lines.leave(2)), [(0, 2)]);
        assert_eq!(report(&mut lines, 1, &[2, 0], &[3]), []);
        assert_eq!(report(&mut lines, 1, &[1], &[3]), [(1, 3)]);
    }

    #[test]
    fn a_round_that_few_could_report_is_told_once_a_later_one_shows_that_it_is_closed() {
        let mut lines = RoundLines::new(4, 3, 0);
        assert_eq!(report(&mut lines, 0, &[0], &[]), []);
        assert_eq!(report(&mut lines, 2, &[1, 2, 3], &[]), [(0, 1)]);
        // Of round 1 nobody tells, and nobody is waited for any more.
        assert_eq!(shown(&lines.lose(0)), [(2, 3)]);
    }

    #[test]
    fn too_few_reports_are_no_round() {
        let mut lines = RoundLines::new(4, 3, 0);
        assert_eq!(report(&mut lines, 0, &[0, 1], &[]), []);
        assert_eq!(shown(&lines.lose(2)), []);
        assert_eq!(shown(&lines.lose(3)), []);
    }

    #[test]
    fn nobody_whose_reports_do_not_come_holds_the_others_back_for_ever() {
        let mut lines = RoundLines::new(4, 3, 0);
        for round in 0..WAITING as u32 {
            assert_eq!(report(&mut lines, round, &[0, 1, 2], &[]), []);
        }
        assert_eq!(report(&mut lines, WAITING as u32, &[0, 1, 2], &[]), [(0, 3)]);
    }
}
