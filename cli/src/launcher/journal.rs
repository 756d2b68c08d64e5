//! What the peers measured, read back from their metrics files: complete even when reports did not arrive.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
};

use fltorrent_crds::Plan;
use fltorrent_records::{
    classes::{ClassFigures, Classes, by_class},
    file,
    line::{Converged, Event, InRound, Line},
    progress::{Progress, RoundSummary},
    report::RoundReport,
    survival::{Cause, Churned, RoundEnd},
    verdict::Verdict,
};
use serde::Serialize;

use super::results::Results;

/// Evaluations by class that are kept of a peer.
const KEPT: usize = 2;

/// A finished round.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundFigures {
    /// Over all peers that reported it.
    #[serde(flatten)]
    pub summary: RoundSummary,
    /// What ended it.
    #[serde(skip_serializing_if = "Cause::is_all")]
    pub cause: Cause,
    /// Peers of whose update nothing is in the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u32>,
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
    /// Rounds of each peer in which it was away.
    pub passed_over: Vec<u32>,
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
        let peers = u32::try_from(plan.peers.len()).unwrap_or(u32::MAX);
        let progress = Progress::new(peers, plan.training.rounds).with_least(plan.liveness.min_peers);
        let late = plan.late(0).map(|(peer, _)| peer).collect();
        Sums::of(results, 0..peers, late, progress, lost).measured()
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
    /// All that end a round end it alike.
    ends: BTreeMap<u32, RoundEnd>,
    /// Peers and rounds that they reported.
    reported: BTreeSet<(u32, u32)>,
    /// Peers of which a process died and another one took its place.
    restarted: BTreeSet<u32>,
    passed_over: Vec<u32>,
}

impl Sums {
    fn of(
        results: &Results,
        indices: Range<u32>,
        late: BTreeSet<u32>,
        progress: Progress,
        lost: impl IntoIterator<Item = u32>,
    ) -> Self {
        let mut sums = Self {
            progress,
            late,
            converged: None,
            verdict: None,
            began: BTreeMap::new(),
            spans: BTreeMap::new(),
            classes: Vec::new(),
            ends: BTreeMap::new(),
            reported: BTreeSet::new(),
            restarted: BTreeSet::new(),
            passed_over: Vec::new(),
        };
        for (place, index) in (0..).zip(indices) {
            sums.add(results, place, index);
        }
        sums.pass_over();
        for peer in lost {
            sums.progress.lose(peer);
        }
        sums
    }

    /// Takes note of rounds of which a peer has no figures since it was away: it may have gone after its update was there.
    fn pass_over(&mut self) {
        self.passed_over = vec![0; self.progress.peers() as usize];
        let gone = |end: &RoundEnd| {
            let rounds = end.round.saturating_sub(1)..=end.round;
            let of = |&peer: &u32| rounds.clone().map(move |round| (peer, round));
            end.missing.iter().flat_map(of).collect::<Vec<_>>()
        };
        let mut gone: BTreeSet<(u32, u32)> = self.ends.values().flat_map(gone).collect();
        // What a process had not reported by its end, the next one does not report, nor anybody what was before it joined.
        for &peer in self.restarted.union(&self.late) {
            let own = self.reported.range((peer, 0)..=(peer, u32::MAX));
            let last = own.last().map_or(0, |&(_, round)| round);
            gone.extend((0..last).map(|round| (peer, round)));
        }
        for &(peer, round) in gone.difference(&self.reported) {
            if let Some(count) = self.passed_over.get_mut(peer as usize) {
                *count += 1;
                self.progress.pass_over(peer, round);
            }
        }
    }

    /// Adds the lines of a peer, which is that of this place here.
    fn add(&mut self, results: &Results, place: u32, index: u32) {
        let (mut starts, mut own) = (!self.late.contains(&index), None);
        let mut newest = VecDeque::new();
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
                Event::Resumed(_) => (starts, own) = (true, None),
                Event::Restarted(_) => {
                    self.restarted.insert(place);
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
                Event::RoundEnd(end) => {
                    self.ends.entry(end.round).or_insert(end);
                }
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
                let end = self.ends.remove(&summary.round);
                let (cause, missing) = end.map(|end| (end.cause, end.missing)).unwrap_or_default();
                RoundFigures {
                    summary: *summary,
                    cause,
                    missing,
                    wall_seconds: wall,
                    beyond_training_seconds: wall.map(|wall| wall - span.longest_training),
                }
            })
            .collect();
        let last = self.progress.summaries().last().map(|summary| summary.round);
        let rounds_of = |peer| self.progress.rounds_reported(peer).unwrap_or(0);
        Measured {
            training_began,
            converged: self.converged,
            verdict: self.verdict,
            test_samples: last
                .and_then(|round| self.spans.get(&round))
                .map_or(0, |span| span.test_samples),
            classes: last.map_or_else(Vec::new, |round| by_class(round, &self.classes)),
            rounds,
            passed_over: self.passed_over,
            rounds_by_peer: (0..peers).map(rounds_of).collect(),
        }
    }
}

/// The lines of a peer's metrics file that can be read; none when there is no file.
fn lines(results: &Results, peer: u32) -> impl Iterator<Item = Line> {
    let lines = file::lines(&results.of_peer(peer, "jsonl"));
    lines.into_iter().flatten().flatten()
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
        assert_eq!(closed_by(&results, 1), 0);
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
