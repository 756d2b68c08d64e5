//! What the peers measured, read back from their metrics files: complete even when reports did not arrive.

mod catching_up;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::{Not, Range},
};

use fltorrent_crds::Plan;
use fltorrent_records::{
    classes::{ClassFigures, Classes, by_class},
    file,
    line::{Converged, Event, InRound, Line},
    progress::{Progress, RoundSummary},
    report::RoundReport,
    survival::{Cause, Churned, EndsSaid, RoundEnd},
    verdict::Verdict,
};
use serde::Serialize;

use super::results::Results;
use catching_up::CatchingUp;

/// Evaluations by class that are kept of a peer.
const KEPT: usize = 2;

/// A finished round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundFigures {
    /// Over all peers that reported it.
    #[serde(flatten)]
    pub summary: RoundSummary,
    /// What ended it, as most peers say.
    #[serde(skip_serializing_if = "Cause::is_all")]
    pub cause: Cause,
    /// Peers of whose update nothing is in the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u32>,
    /// Most peers that ended it say that no more than half of all have signed that they ended the round before alike.
    #[serde(skip_serializing_if = "Not::not")]
    pub uncertified_before: bool,
    /// From the end of the round before, or the beginning of the first training since the run was started or resumed, to the end of this one on the last
    /// peer, in seconds.
    pub wall_seconds: Option<f64>,
    /// `wall_seconds` without the longest training of any peer. A peer may begin to train while another one still
    /// finishes the round before, so it can be a little below 0; the sum over the rounds is exact.
    pub beyond_training_seconds: Option<f64>,
}

impl RoundFigures {
    /// True if the model lacks something of the round.
    pub fn is_degraded(&self) -> bool {
        !self.cause.is_all() || !self.missing.is_empty()
    }
}

/// Metrics of a run, from the peers' files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// When the last peer began to train, in seconds since 1970; of a resumed run, the last time.
    pub training_began: Option<f64>,
    /// Rounds that all peers have finished, without those that were lost before, in order.
    pub rounds: Vec<RoundFigures>,
    /// Finished rounds of each peer.
    pub rounds_by_peer: Vec<u32>,
    /// Rounds of each peer that it has no figures of, since it was away.
    pub passed_over: Vec<u32>,
    /// Processes of each peer that took the place of one that had died, of earlier parts of the run too.
    pub restarts: Vec<u32>,
    /// The round that ended the run early, and why.
    pub converged: Option<(u32, String)>,
    /// Why no model of the run counts, when a peer has seen that since the run was last started or resumed.
    pub verdict: Option<Verdict>,
    /// Test samples that the accuracy of the last of these rounds is over.
    pub test_samples: u64,
    /// That accuracy by class, for the classes that have test samples.
    pub classes: Vec<ClassFigures>,
}

/// Times of one round, in seconds since 1970.
#[derive(Clone, Copy, Default)]
struct Span {
    end: f64,
    longest_training: f64,
    test_samples: u64,
}

impl Measured {
    /// Reads the metrics files of all peers; a file or line that cannot be read counts as not there. A round counts without the peers
    /// that are `lost` when as many as the plan needs have finished it.
    pub fn read(results: &Results, plan: &Plan, lost: impl IntoIterator<Item = u32>) -> Self {
        Sums::of_all(results, plan, lost).measured()
    }

    /// As [`Measured::read`], but of one peer only, as if there were no others.
    pub fn of(results: &Results, index: u32, rounds: u32) -> Self {
        Sums::of(results, index..index + 1, BTreeSet::new(), Progress::new(1, rounds), []).measured()
    }
}

/// What the lines of metrics files add up to.
struct Sums {
    progress: Progress,
    /// Peers that joined when the run had begun.
    late: BTreeSet<u32>,
    converged: Option<(u32, String)>,
    verdict: Option<Verdict>,
    /// By the round that a start or a resumption begins with: how many peers began, and when the last of them did.
    began: BTreeMap<u32, (u32, f64)>,
    spans: BTreeMap<u32, Span>,
    /// Peers are at most one round apart, so that the last one of all is one of these.
    classes: Vec<Classes>,
    ends: BTreeMap<u32, EndsSaid>,
    /// Peers that ended before the run.
    lost: BTreeSet<u32>,
    /// Peers and rounds that they reported.
    reported: BTreeSet<(u32, u32)>,
    /// Peers of which a process died and another one took its place, and how often.
    restarted: BTreeMap<u32, u32>,
    /// Peers that took over a model of the others, and the last round of which they did.
    taken_over: BTreeMap<u32, u32>,
    /// Peers and rounds that they have no figures of, since they were away.
    passed_over: BTreeSet<(u32, u32)>,
}

impl Sums {
    fn of_all(results: &Results, plan: &Plan, lost: impl IntoIterator<Item = u32>) -> Self {
        let peers = u32::try_from(plan.peers.len()).unwrap_or(u32::MAX);
        let progress = Progress::new(peers, plan.training.rounds).with_least(plan.liveness.min_peers);
        let late = plan.late(0).map(|(peer, _)| peer).collect();
        Self::of(results, 0..peers, late, progress, lost)
    }

    fn of(
        results: &Results,
        indices: Range<u32>,
        late: BTreeSet<u32>,
        progress: Progress,
        lost: impl IntoIterator<Item = u32>,
    ) -> Self {
        let lost: BTreeSet<u32> = lost.into_iter().collect();
        let mut sums = Self {
            progress: progress.with_early_ends(lost.clone()),
            late,
            converged: None,
            verdict: None,
            began: BTreeMap::new(),
            spans: BTreeMap::new(),
            classes: Vec::new(),
            ends: BTreeMap::new(),
            lost,
            reported: BTreeSet::new(),
            restarted: BTreeMap::new(),
            taken_over: BTreeMap::new(),
            passed_over: BTreeSet::new(),
        };
        for (place, index) in (0..).zip(indices) {
            sums.add(results, place, index);
        }
        sums.pass_over();
        for peer in &sums.lost {
            sums.progress.lose(*peer);
        }
        sums
    }

    /// Takes note of rounds of which a peer has no figures since it was away.
    fn pass_over(&mut self) {
        let (of_itself, of_others) = (self.away_by_own_words(), self.away_by_others_words());
        for &(peer, round) in of_itself.difference(&self.reported) {
            self.progress.take_over(peer, round);
        }
        // It has told of the round all the same, where it is by mistake that others miss it.
        for &(peer, round) in of_others.difference(&self.reported) {
            self.progress.pass_over(peer, round);
        }
        // Whose figures are lost has not been away: it needs others that have finished the round.
        let is_over = |&(_, round): &(u32, u32)| self.progress.enough_finished(round);
        let of_itself = of_itself.into_iter().filter(is_over);
        let away: BTreeSet<(u32, u32)> = of_itself.chain(of_others).collect();
        self.passed_over = away.difference(&self.reported).copied().collect();
    }

    /// Rounds that a peer has gone on from a later model of, by its own file.
    fn away_by_own_words(&self) -> BTreeSet<(u32, u32)> {
        let last_round = self.progress.rounds().saturating_sub(1);
        let until = |peer: u32, last: u32| (0..=last.min(last_round)).map(move |round| (peer, round));
        let caught_up = self.taken_over.iter().flat_map(|(&peer, &model)| until(peer, model));
        // What a process had not reported by its end, the next one does not report, nor anybody what was before it joined.
        let next_processes = self.restarted.keys().chain(&self.late).filter_map(|&peer| {
            let own = self.reported.range((peer, 0)..=(peer, u32::MAX));
            own.last().map(|&(_, round)| until(peer, round))
        });
        caught_up.chain(next_processes.flatten()).collect()
    }

    /// Rounds in which a peer was missing. It may have gone in the one before, after its update was there.
    fn away_by_others_words(&self) -> BTreeSet<(u32, u32)> {
        let peers = self.progress.peers();
        let missing = self.ends.iter().flat_map(|(&round, said)| {
            let (_, missing) = said.of_most();
            let rounds = round.saturating_sub(1)..=round;
            missing
                .iter()
                .flat_map(move |&peer| rounds.clone().map(move |round| (peer, round)))
        });
        missing.filter(|&(peer, _)| peer < peers).collect()
    }

    /// Adds the lines of a peer, which is that of this place here.
    fn add(&mut self, results: &Results, place: u32, index: u32) {
        let (mut starts, mut own) = (!self.late.contains(&index), None);
        let (mut newest, mut catching_up) = (VecDeque::new(), CatchingUp::default());
        // A round that was made again ended as it did then.
        let mut ends: BTreeMap<u32, RoundEnd> = BTreeMap::new();
        for Line { time, event } in lines(results, index) {
            match event {
                Event::Training(InRound { round }) if starts => {
                    let (peers, last) = self.began.entry(round).or_default();
                    *peers += 1;
                    *last = last.max(time);
                    starts = false;
                }
                Event::Training(_) => {}
                Event::Classes(classes) => {
                    newest.push_back(classes);
                    if newest.len() > KEPT {
                        newest.pop_front();
                    }
                }
                Event::Resumed(_) => {
                    (starts, own) = (true, None);
                    catching_up.resume();
                }
                Event::Restarted(_) => {
                    *self.restarted.entry(place).or_default() += 1;
                    starts = false;
                }
                Event::Verdict(found) => own = Some(found),
                Event::Converged(Converged { round, reason }) => {
                    self.converged = Some((round, reason));
                }
                Event::Round(report) if report.peer == index => {
                    let here = RoundReport { peer: place, ..*report };
                    if self.progress.handle_report(&here).is_ok() {
                        self.reported.insert((place, report.round));
                        let span = self.spans.entry(report.round).or_default();
                        span.end = span.end.max(time);
                        span.longest_training = span.longest_training.max(report.train.seconds);
                        span.test_samples = span.test_samples.saturating_add(report.evaluation.total);
                    }
                }
                Event::RoundEnd(end) => drop(ends.insert(end.round, end)),
                Event::Absence(absence) if absence.peer == index => catching_up.note(&absence),
                Event::Round(_)
                | Event::Status(_)
                | Event::Exchange(_)
                | Event::Absence(_)
                | Event::Hang(_)
                | Event::Pause(_)
                | Event::Churn(_)
                | Event::Repair(_)
                | Event::Other => {}
            }
        }
        for (round, end) in ends {
            self.ends
                .entry(round)
                .or_default()
                .add(&end, !self.lost.contains(&place));
        }
        let taken_over = catching_up.model_of().map(|model| (place, model));
        self.taken_over.extend(taken_over);
        self.classes.extend(newest);
        self.verdict = self.verdict.or(own);
    }

    fn measured(mut self) -> Measured {
        let (peers, late) = (self.progress.peers(), self.late.len() as u32);
        let all_began = |round| match self.began.get(&round) {
            Some(&(count, last)) if count == peers || round == 0 && count == peers - late => Some(last),
            _ => None,
        };
        let training_began = self.began.keys().next_back().and_then(|&round| all_began(round));
        let mut before = None;
        let rounds = self
            .progress
            .summaries()
            .map(|summary| {
                let span = self.spans.get(&summary.round).copied().unwrap_or_default();
                let wall = all_began(summary.round).or(before).map(|before| span.end - before);
                before = Some(span.end);
                let said = self.ends.remove(&summary.round).unwrap_or_default();
                let (cause, missing) = said.of_most();
                RoundFigures {
                    summary: *summary,
                    cause,
                    missing: missing.to_vec(),
                    uncertified_before: said.is_uncertified_before(),
                    wall_seconds: wall,
                    beyond_training_seconds: wall.map(|wall| wall - span.longest_training),
                }
            })
            .collect();
        let last = self.progress.summaries().last().map(|summary| summary.round);
        let rounds_of = |peer| self.progress.rounds_reported(peer).unwrap_or(0);
        let passed_over = |peer| self.passed_over.range((peer, 0)..=(peer, u32::MAX)).count() as u32;
        let restarts = |peer| self.restarted.get(&peer).copied().unwrap_or(0);
        Measured {
            training_began,
            converged: self.converged,
            verdict: self.verdict,
            test_samples: last
                .and_then(|round| self.spans.get(&round))
                .map_or(0, |span| span.test_samples),
            classes: last.map_or_else(Vec::new, |round| by_class(round, &self.classes)),
            rounds,
            passed_over: (0..peers).map(passed_over).collect(),
            restarts: (0..peers).map(restarts).collect(),
            rounds_by_peer: (0..peers).map(rounds_of).collect(),
        }
    }
}

/// The lines of a peer's metrics file that can be read; none when there is no file.
fn lines(results: &Results, peer: u32) -> impl Iterator<Item = Line> {
    let lines = file::lines(&results.of_peer(peer, "jsonl"));
    lines.into_iter().flatten().flatten()
}

/// Of how many of the first `rounds` rounds each peer has figures, or was away.
pub(crate) fn accounted_for(results: &Results, plan: &Plan, rounds: u32) -> Vec<u32> {
    let sums = Sums::of_all(results, plan, []);
    let known = |peer| {
        let all = (peer, 0)..(peer, rounds);
        (sums.reported.range(all.clone()).count() + sums.passed_over.range(all).count()) as u32
    };
    (0..sums.progress.peers()).map(known).collect()
}

/// How many of the first `rounds` rounds a peer's metrics file has the figures of. One that cannot be read has none.
pub(crate) fn rounds_of(results: &Results, peer: u32, rounds: u32) -> u32 {
    let own = lines(results, peer).filter_map(|line| match line.event {
        Event::Round(report) if report.peer == peer && report.round < rounds => Some(report.round),
        _ => None,
    });
    // A round that was made again may be there twice.
    own.collect::<BTreeSet<_>>().len() as u32
}

/// What the manifest had a peer's last process do to itself last.
pub(super) fn last_churn(results: &Results, peer: u32) -> Option<Churned> {
    lines(results, peer).fold(None, |last, line| match line.event {
        Event::Churn(churned) => Some(churned),
        Event::Restarted(_) => None,
        _ => last,
    })
}

/// How many rounds were over when a peer had closed its last one.
pub(super) fn closed_by(results: &Results, peer: u32) -> u32 {
    let ends = lines(results, peer).filter_map(|line| match line.event {
        Event::RoundEnd(end) => Some(end.round.saturating_add(1)),
        _ => None,
    });
    ends.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(peer: u32, round: u32, time: f64, training: f64, hash: u8) -> String {
        let hash = format!("{hash:02x}").repeat(32);
        format!(
            "{{\"event\":\"round\",\"time\":{time},\"peer\":{peer},\"attempt\":0,\"round\":{round},\"samples\":10,\"chunksHeld\":20,\
             \"chunksTotal\":20,\"modelHash\":\"{hash}\",\"train\":{{\"loss\":1.0,\"seconds\":{training}}},\"exchangeSeconds\":0.5,\
             \"aggregateSeconds\":0.25,\"evaluation\":{{\"correct\":9,\"total\":10,\"lossSum\":5.0,\"seconds\":0.125}},\
             \"bytesSent\":1000,\"bytesReceived\":2000,\"wasted\":{{\"duplicate\":1,\"corrupt\":2}},\"peakRssBytes\":134217728}}\n"
        )
    }

    /// The figures of two peers.
    fn read(results: &Results, rounds: u32) -> Measured {
        Sums::of(results, 0..2, BTreeSet::new(), Progress::new(2, rounds), []).measured()
    }

    #[test]
    fn rounds_go_on_without_a_peer_that_is_lost_and_say_who_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let end = |round, cause, missing: &str| {
            format!(
                "{{\"event\":\"roundEnd\",\"time\":9,\"round\":{round},\"cause\":\"{cause}\",\"missing\":[{missing}],\"present\":2}}\n"
            )
        };
        for peer in 0..3 {
            let mut text = end(0, "all", "") + &round(peer, 0, 103.0, 2.0, 7);
            if peer != 1 {
                text += &(end(1, "quorum", "1") + &round(peer, 1, 106.0, 2.0, 8));
            }
            std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        }
        let of = |least, lost| {
            Sums::of(
                &results,
                0..3,
                BTreeSet::new(),
                Progress::new(3, 5).with_least(least),
                lost,
            )
            .measured()
        };
        assert_eq!(of(3, vec![1]).rounds.len(), 1, "too few finished the other");
        // That it was away is told by the others.
        assert_eq!(
            (of(2, Vec::new()).rounds.len(), &of(2, Vec::new()).passed_over[..]),
            (2, &[0, 1, 0][..])
        );
        let rounds = of(2, vec![1]).rounds;
        let ends: Vec<_> = rounds
            .iter()
            .map(|it| (it.summary.peers, it.cause, &it.missing[..]))
            .collect();
        assert_eq!(ends, [(3, Cause::All, &[][..]), (2, Cause::Quorum, &[1])]);
        let text = serde_json::to_value(&rounds).unwrap();
        assert!(text[0].get("missing").is_none() && text[0].get("cause").is_none());
        assert_eq!(
            (&text[1]["missing"][0], &text[1]["cause"]),
            (&1.into(), &"quorum".into())
        );
    }

    /// Of `peers`, `least` of which are enough.
    fn sums(results: &Results, peers: u32, least: u32, lost: &[u32]) -> Sums {
        let progress = Progress::new(peers, 5).with_least(least);
        Sums::of(results, 0..peers, BTreeSet::new(), progress, lost.iter().copied())
    }

    fn ended(round: u32, cause: &str, missing: &str, certified_before: bool) -> String {
        format!(
            "{{\"event\":\"roundEnd\",\"time\":9,\"round\":{round},\"cause\":\"{cause}\",\"missing\":[{missing}],\"present\":2,\
             \"certifiedBefore\":{certified_before}}}\n"
        )
    }

    /// What a peer writes that was behind in a round and took over the model of another one.
    fn caught_up(peer: u32, behind: u32, model: u32) -> String {
        let line = |round, absent| {
            format!("{{\"event\":\"absence\",\"time\":9,\"round\":{round},\"peer\":{peer},\"absent\":{absent}}}\n")
        };
        line(behind, true) + &line(behind, true) + &line(model, false) + &line(model + 1, false)
    }

    /// Files of peers with all figures of three rounds but those in `gaps`, which a peer had to catch up with.
    fn with_gaps(results: &Results, peers: u32, gaps: &[(u32, u32)]) {
        for peer in 0..peers {
            let mut text = String::new();
            for number in 0..3 {
                text += &match gaps.contains(&(peer, number)) {
                    true => caught_up(peer, number, number),
                    false => ended(number, "all", "", true) + &round(peer, number, 103.0, 2.0, 7),
                };
            }
            std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        }
    }

    #[test]
    fn a_peer_that_was_cut_off_as_it_closed_a_round_says_so_itself_and_nobody_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        with_gaps(&results, 3, &[(1, 1)]);
        let measured = sums(&results, 3, 2, &[]).measured();
        assert_eq!(
            (&measured.rounds_by_peer[..], &measured.passed_over[..]),
            (&[3, 2, 3][..], &[0, 1, 0][..])
        );
        let peers: Vec<_> = measured.rounds.iter().map(|round| round.summary.peers).collect();
        assert_eq!(peers, [3, 2, 3]);
    }

    #[test]
    fn whoever_took_over_the_model_of_a_round_is_one_of_those_who_have_finished_it() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        with_gaps(&results, 4, &[(1, 1), (2, 1)]);
        let passed_over = |least| {
            let measured = sums(&results, 4, least, &[]).measured();
            (measured.rounds.len(), measured.passed_over)
        };
        assert_eq!(passed_over(3), (3, vec![0, 1, 1, 0]));
        // Of another one the figures are lost.
        std::fs::write(results.of_peer(3, "jsonl"), "").unwrap();
        assert_eq!(passed_over(4), (0, vec![0, 0, 0, 0]));
    }

    #[test]
    fn a_file_that_tells_of_rounds_which_the_run_does_not_have_takes_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        std::fs::write(results.of_peer(0, "jsonl"), caught_up(0, 1, u32::MAX - 1)).unwrap();
        assert_eq!(sums(&results, 2, 1, &[]).measured().passed_over, [5, 0]);
    }

    #[test]
    fn most_peers_say_how_a_round_ended_and_not_the_one_that_died() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        for peer in 0..4 {
            let text = match peer {
                0 => ended(0, "all", "", true) + &round(peer, 0, 103.0, 2.0, 7),
                _ => {
                    let cause = if peer == 1 { "quorum" } else { "deadline" };
                    ended(0, cause, "2,3", true)
                        + &round(peer, 0, 103.0, 2.0, 8)
                        + &ended(1, "quorum", "0", peer == 3)
                        + &round(peer, 1, 103.0, 2.0, 9)
                }
            };
            std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        }
        let rounds = sums(&results, 4, 3, &[0]).measured().rounds;
        let first = &rounds[0];
        assert_eq!((first.cause, &first.missing[..]), (Cause::Deadline, &[2, 3][..]));
        assert_eq!(first.summary.model_hash.to_string(), "08".repeat(32));
        assert!(first.summary.models_agree, "those who are left have one model");
        let is_told: Vec<_> = rounds
            .iter()
            .map(|round| (round.is_degraded(), round.uncertified_before))
            .collect();
        assert_eq!(is_told, [(true, false), (true, true)]);
        // While it is there, it counts as the others do.
        assert!(!sums(&results, 4, 3, &[]).measured().rounds[0].summary.models_agree);
    }

    #[test]
    fn what_a_peer_was_away_for_is_not_missing_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(&folder.path().join("run")).unwrap();
        let sets = [
            ("groups[0].count", "3"),
            ("topology", "{type: mesh}"),
            ("liveness.minPeers", "2"),
        ];
        let sets = sets.map(|(path, value)| (path.to_owned(), value.to_owned()));
        let manifest = include_str!("../../../examples/quickstart.yaml");
        let plan = crate::manifest::Resolved::from_text(manifest, &sets).unwrap().plan;
        with_gaps(&results, 3, &[(1, 1)]);
        assert_eq!(accounted_for(&results, &plan, 3), [3, 3, 3]);
        assert_eq!(accounted_for(&results, &plan, 2), [2, 2, 2]);
        std::fs::write(results.of_peer(2, "jsonl"), round(2, 0, 103.0, 2.0, 7)).unwrap();
        assert_eq!(accounted_for(&results, &plan, 3), [3, 3, 1]);
    }

    #[test]
    fn a_peer_that_was_restarted_has_gaps_and_a_run_that_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let training = |round| format!("{{\"event\":\"training\",\"time\":100,\"round\":{round}}}\n");
        let restarted = "{\"event\":\"restarted\",\"time\":104,\"round\":1,\"incarnation\":1}\n";
        for peer in 0..3 {
            // The update of round 1 was there, but who made it died before that round was over.
            let text: String = (0..4)
                .map(|it| match (peer, it) {
                    (1, 1 | 2) => restarted.to_owned(),
                    _ => training(it) + &round(peer, it, 103.0 + f64::from(it), 2.0, 7),
                })
                .collect();
            std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        }
        let measured = Sums::of(&results, 0..3, BTreeSet::new(), Progress::new(3, 5).with_least(2), []).measured();
        assert_eq!((measured.rounds.len(), measured.training_began), (4, Some(100.0)));
        assert_eq!(
            (&measured.rounds_by_peer[..], &measured.passed_over[..]),
            (&[4, 2, 4][..], &[0, 2, 0][..])
        );
        assert_eq!((closed_by(&results, 1), &measured.restarts[..]), (0, &[0, 2, 0][..]));
    }

    #[test]
    fn figures_come_from_the_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let write = |peer, text: String| std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        write(
            0,
            "{\"event\":\"training\",\"time\":100.0,\"round\":0}\n".to_owned()
                + &round(0, 0, 103.0, 2.0, 7)
                + "{\"event\":\"training\",\"time\":103.5,\"round\":1}\n"
                + &round(0, 1, 106.0, 2.0, 8),
        );
        write(
            1,
            "{\"event\":\"training\",\"time\":100.5,\"round\":0}\nbroken\n".to_owned()
                + &round(1, 0, 104.0, 3.0, 7)
                + "{\"event\":\"round\",\"time\":1",
        );
        let measured = read(&results, 5);
        assert_eq!(measured.training_began, Some(100.5));
        assert_eq!(measured.rounds_by_peer, [2, 1]);
        assert_eq!(measured.rounds.len(), 1);
        let first = &measured.rounds[0];
        assert_eq!(first.wall_seconds, Some(3.5));
        assert_eq!(first.beyond_training_seconds, Some(0.5));
        assert_eq!(first.summary.accuracy, Some(0.9));
        assert!(first.summary.models_agree);
    }

    #[test]
    fn the_time_between_two_parts_of_a_run_counts_for_no_round() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let training = |time, round| format!("{{\"event\":\"training\",\"time\":{time},\"round\":{round}}}\n");
        for peer in 0..2 {
            let late = f64::from(peer);
            let text = training(100.0 + late, 0)
                + &round(peer, 0, 103.0, 2.0, 7)
                + "{\"event\":\"resumed\",\"time\":900,\"round\":1}\n"
                + &training(1000.0 + late, 1)
                + &round(peer, 1, 1004.0, 2.0, 8)
                + &training(1004.5, 2)
                + "{\"event\":\"converged\",\"time\":1005,\"round\":2,\"reason\":\"why\"}\n"
                + &round(peer, 2, 1006.0, 1.0, 9);
            std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        }
        let measured = read(&results, 5);
        assert_eq!(measured.training_began, Some(1001.0));
        let walls: Vec<_> = measured.rounds.iter().map(|round| round.wall_seconds).collect();
        assert_eq!(walls, [Some(2.0), Some(3.0), Some(2.0)]);
        assert_eq!(measured.converged, Some((2, "why".to_owned())));
        assert_eq!(measured.rounds_by_peer, [3, 3]);
    }

    #[test]
    fn a_verdict_counts_until_the_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let verdict = "{\"event\":\"verdict\",\"time\":4,\"offence\":\"modelsDiffer\",\"origin\":null,\"round\":2}\n";
        let write = |peer, text: &str| std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        write(0, "");
        write(1, verdict);
        let found = read(&results, 5).verdict.unwrap();
        assert_eq!((found.origin, found.round), (None, 2));
        let again = "{\"event\":\"resumed\",\"time\":5,\"round\":2}\n";
        write(1, &(verdict.to_owned() + again));
        assert_eq!(read(&results, 5).verdict, None);
    }

    #[test]
    fn a_peer_without_a_file_leaves_no_round_complete() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        std::fs::write(results.of_peer(0, "jsonl"), round(0, 0, 103.0, 2.0, 7)).unwrap();
        let measured = read(&results, 1);
        assert_eq!(measured.rounds, []);
        assert_eq!(measured.rounds_by_peer, [1, 0]);
        assert_eq!(measured.training_began, None);
    }
}
