//! What the peers measured, read back from their metrics files: complete even when reports did not arrive.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    io::{BufRead, BufReader, Read},
    ops::Range,
};

use fltorrent_coordinator::{
    ending::Verdict,
    progress::{Progress, RoundSummary},
    report::RoundReport,
};
use fltorrent_peer::journal::{exchange::Exchange, status::Status};
use serde::Serialize;
use serde_json::Value;

use super::results::Results;

/// Longest line that is read, in bytes; a report has at most 1 KiB, an exchange 12 KiB.
const LONGEST_LINE: u64 = 16 * 1024;
/// Classes of any data.
const MOST_CLASSES: u32 = 256;
/// Evaluations by class that are kept of a peer.
const KEPT: usize = 2;

/// A finished round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundFigures {
    /// Over all peers.
    #[serde(flatten)]
    pub summary: RoundSummary,
    /// From the end of the round before, or the beginning of the first training since the run was started or resumed, to the end of this one on the last
    /// peer, in seconds.
    pub wall_seconds: Option<f64>,
    /// `wall_seconds` without the longest training of any peer. A peer may begin to train while another one still
    /// finishes the round before, so it can be a little below 0; the sum over the rounds is exact.
    pub beyond_training_seconds: Option<f64>,
}

/// What the peers measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// When the last peer began to train, in seconds since 1970; of a run that went on, the last time.
    pub training_began: Option<f64>,
    /// Rounds that all peers have finished, in order.
    pub rounds: Vec<RoundFigures>,
    /// Finished rounds of each peer.
    pub rounds_by_peer: Vec<u32>,
    /// The round that ended the run early, and why.
    pub converged: Option<(u32, String)>,
    /// Why no model of the run counts, when a peer has seen that since the run was last started or resumed.
    pub verdict: Option<Verdict>,
    /// Test samples that the accuracy of the last of these rounds is over.
    pub test_samples: u64,
    /// That accuracy by class, for the classes that have test samples.
    pub classes: Vec<ClassFigures>,
}

/// How well a model classifies the test samples of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassFigures {
    /// The class.
    pub class: u32,
    /// Share of its test samples that are classified rightly.
    pub accuracy: f64,
    /// Its test samples.
    pub samples: u64,
}

/// A class, its test samples that are classified rightly, and all of them.
pub(crate) type OfClass = (u32, u64, u64);
/// A round, and what was counted by class.
pub(crate) type OfRound = (u32, Vec<OfClass>);

/// Right answers and test samples by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByClass(BTreeMap<u32, (u64, u64)>);

impl ByClass {
    pub(crate) fn add(&mut self, counts: &[OfClass]) {
        for &(class, correct, total) in counts {
            let sum = self.0.entry(class).or_default();
            sum.0 = sum.0.saturating_add(correct);
            sum.1 = sum.1.saturating_add(total);
        }
    }

    pub(crate) fn figures(&self) -> Vec<ClassFigures> {
        let figures = self
            .0
            .iter()
            .map(|(&class, &(correct, samples))| ClassFigures {
                class,
                accuracy: correct as f64 / samples as f64,
                samples,
            });
        figures.filter(|figures| figures.samples > 0).collect()
    }
}

/// Times of one round, in seconds since 1970.
#[derive(Clone, Copy, Default)]
struct Span {
    end: f64,
    longest_training: f64,
    test_samples: u64,
}

impl Measured {
    /// Reads the metrics files of all peers; a file or line that cannot be read counts as not there.
    pub fn read(results: &Results, peers: u32, rounds: u32) -> Self {
        Self::of(results, 0..peers, rounds)
    }

    /// As [`Measured::read`], but of these peers only, as if there were no others.
    pub fn of(results: &Results, indices: Range<u32>, rounds: u32) -> Self {
        let peers = indices.len() as u32;
        let mut progress = Progress::new(peers, rounds);
        let (mut converged, mut verdict) = (None, None);
        // By the round that a start or a resumption begins with: how many peers began, and when the last of them did.
        let mut began: BTreeMap<u32, (u32, f64)> = BTreeMap::new();
        let mut spans: BTreeMap<u32, Span> = BTreeMap::new();
        // Peers are at most one round apart, so that the last one of all is one of these.
        let mut classes: Vec<OfRound> = Vec::new();
        for (place, index) in (0..).zip(indices) {
            let Ok(file) = File::open(results.of_peer(index, "jsonl")) else {
                continue;
            };
            let (mut starts, mut own) = (true, None);
            let mut newest = VecDeque::new();
            for (time, line) in lines(file).flatten() {
                match line {
                    Line::Training { round } if starts => {
                        let (peers, last) = began.entry(round).or_default();
                        *peers += 1;
                        *last = last.max(time);
                        starts = false;
                    }
                    Line::Training { .. } => {}
                    Line::Classes { round, counts } => {
                        newest.push_back((round, counts));
                        if newest.len() > KEPT {
                            newest.pop_front();
                        }
                    }
                    Line::Resumed => (starts, own) = (true, None),
                    Line::Verdict(found) => own = Some(found),
                    Line::Converged { round, reason } => converged = Some((round, reason)),
                    Line::Round(report) if report.peer == index => {
                        let here = RoundReport {
                            peer: place,
                            ..*report
                        };
                        if progress.handle_report(&here).is_ok() {
                            let span = spans.entry(report.round).or_default();
                            span.end = span.end.max(time);
                            span.longest_training = span.longest_training.max(report.train.seconds);
                            span.test_samples =
                                span.test_samples.saturating_add(report.evaluation.total);
                        }
                    }
                    Line::Round(_) | Line::Status(_) | Line::Exchange(_) | Line::Other => {}
                }
            }
            classes.extend(newest);
            verdict = verdict.or(own);
        }
        let all_began = |round| match began.get(&round) {
            Some(&(count, last)) if count == peers => Some(last),
            _ => None,
        };
        let training_began = began.keys().next_back().and_then(|&round| all_began(round));
        let mut before = None;
        let rounds = progress
            .summaries()
            .map(|summary| {
                let span = spans.get(&summary.round).copied().unwrap_or_default();
                let wall = all_began(summary.round)
                    .or(before)
                    .map(|before| span.end - before);
                before = Some(span.end);
                RoundFigures {
                    summary: *summary,
                    wall_seconds: wall,
                    beyond_training_seconds: wall.map(|wall| wall - span.longest_training),
                }
            })
            .collect();
        let last = progress.summaries().last().map(|summary| summary.round);
        let mut by_class = ByClass::default();
        for (_, counts) in classes.iter().filter(|(round, _)| Some(*round) == last) {
            by_class.add(counts);
        }
        Self {
            training_began,
            converged,
            verdict,
            test_samples: last
                .and_then(|round| spans.get(&round))
                .map_or(0, |span| span.test_samples),
            classes: by_class.figures(),
            rounds,
            rounds_by_peer: (0..peers)
                .map(|peer| progress.rounds_reported(peer).unwrap_or(0))
                .collect(),
        }
    }
}

/// How many of the first `rounds` rounds a peer's metrics file has the figures of. One that cannot be read has none.
pub(crate) fn rounds_of(results: &Results, peer: u32, rounds: u32) -> u32 {
    let Ok(file) = File::open(results.of_peer(peer, "jsonl")) else {
        return 0;
    };
    let own = lines(file).flatten().filter_map(|(_, line)| match line {
        Line::Round(report) if report.peer == peer && report.round < rounds => Some(report.round),
        _ => None,
    });
    // A round that was made again may be there twice.
    own.collect::<BTreeSet<_>>().len() as u32
}

/// A line of a peer's metrics file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// A training begins.
    Training {
        /// Which round's.
        round: u32,
    },
    /// The run goes on from a checkpoint.
    Resumed,
    /// The round is the last one, by a rule of early stop.
    Converged {
        /// Which.
        round: u32,
        /// Why.
        reason: String,
    },
    /// No model of the run counts.
    Verdict(Verdict),
    /// What the peer is doing.
    Status(Status),
    /// All chunks of a round are held.
    Exchange(Box<Exchange>),
    /// A round is over.
    Round(Box<RoundReport>),
    /// Its evaluation by class: class, right answers, samples.
    Classes {
        /// Which round's.
        round: u32,
        /// Class, right answers, samples.
        counts: Vec<OfClass>,
    },
    /// One of a later version.
    Other,
}

/// The lines of a metrics file with their Unix times; none for a line that is cut or damaged.
pub(crate) fn lines(file: File) -> impl Iterator<Item = Option<(f64, Line)>> {
    let mut reader = BufReader::new(file);
    let next = move || {
        let mut line = Vec::new();
        match (&mut reader)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(1..) => Some(line),
            _ => None,
        }
    };
    std::iter::from_fn(next).map(|line| parse(&line))
}

/// A line and its time in seconds since 1970; none when it is not whole.
pub(crate) fn parse(line: &[u8]) -> Option<(f64, Line)> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(line) else {
        return None;
    };
    let time = fields.remove("time")?.as_f64()?;
    let event = fields.remove("event")?;
    let number = fields.get("round").and_then(Value::as_u64);
    let number = number.and_then(|round| u32::try_from(round).ok());
    let text = fields
        .get("reason")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let fields = Value::Object(fields);
    let line = match event.as_str()? {
        "training" => Line::Training { round: number? },
        "resumed" => Line::Resumed,
        "converged" => Line::Converged {
            round: number?,
            reason: text?,
        },
        "verdict" => Line::Verdict(serde_json::from_value(fields).ok()?),
        "status" => Line::Status(serde_json::from_value(fields).ok()?),
        "exchange" => Line::Exchange(Box::new(serde_json::from_value(fields).ok()?)),
        "classes" => Line::Classes {
            round: number?,
            counts: class_counts(fields)?,
        },
        "round" => Line::Round(Box::new(serde_json::from_value(fields).ok()?)),
        _ => Line::Other,
    };
    Some((time, line))
}

/// Counts that can be those of a run.
fn class_counts(mut fields: Value) -> Option<Vec<OfClass>> {
    let counts: Vec<OfClass> = serde_json::from_value(fields["counts"].take()).ok()?;
    let possible = counts
        .iter()
        .all(|&(class, correct, total)| class < MOST_CLASSES && correct <= total);
    possible.then_some(counts)
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

    #[test]
    fn figures_come_from_the_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let write =
            |peer, text: String| std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
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
        let measured = Measured::read(&results, 2, 5);
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
        let training =
            |time, round| format!("{{\"event\":\"training\",\"time\":{time},\"round\":{round}}}\n");
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
        let measured = Measured::read(&results, 2, 5);
        assert_eq!(measured.training_began, Some(1001.0));
        let walls: Vec<_> = measured
            .rounds
            .iter()
            .map(|round| round.wall_seconds)
            .collect();
        assert_eq!(walls, [Some(2.0), Some(3.0), Some(2.0)]);
        assert_eq!(measured.converged, Some((2, "why".to_owned())));
        assert_eq!(measured.rounds_by_peer, [3, 3]);
    }

    #[test]
    fn a_verdict_counts_until_the_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        let verdict = "{\"event\":\"verdict\",\"time\":4,\"offence\":\"modelsDiffer\",\"origin\":null,\"round\":2}\n";
        let write =
            |peer, text: &str| std::fs::write(results.of_peer(peer, "jsonl"), text).unwrap();
        write(0, "");
        write(1, verdict);
        let found = Measured::read(&results, 2, 5).verdict.unwrap();
        assert_eq!((found.origin, found.round), (None, 2));
        let again = "{\"event\":\"resumed\",\"time\":5,\"round\":2}\n";
        write(1, &(verdict.to_owned() + again));
        assert_eq!(Measured::read(&results, 2, 5).verdict, None);
    }

    #[test]
    fn a_peer_without_a_file_leaves_no_round_complete() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::at(folder.path()).unwrap();
        std::fs::write(results.of_peer(0, "jsonl"), round(0, 0, 103.0, 2.0, 7)).unwrap();
        let measured = Measured::read(&results, 2, 1);
        assert_eq!(measured.rounds, []);
        assert_eq!(measured.rounds_by_peer, [1, 0]);
        assert_eq!(measured.training_began, None);
    }
}
