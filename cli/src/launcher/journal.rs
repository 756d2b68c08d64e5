//! What the peers measured, read back from their metrics files: complete even when reports did not arrive.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
};

use fltorrent_coordinator::{
    progress::{Progress, RoundSummary},
    report::RoundReport,
};
use fltorrent_peer::journal::{exchange::Exchange, status::Status};
use serde::Serialize;
use serde_json::Value;

use super::results::Results;

/// Longest line that is read, in bytes; a report has at most 1 KiB, an exchange 12 KiB.
const LONGEST_LINE: u64 = 16 * 1024;

/// A finished round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundFigures {
    /// Over all peers.
    #[serde(flatten)]
    pub summary: RoundSummary,
    /// From the end of the round before, or the beginning of the first training, to the end of this one on the last
    /// peer, in seconds.
    pub wall_seconds: Option<f64>,
    /// `wall_seconds` without the longest training of any peer. A peer may begin to train while another one still
    /// finishes the round before, so it can be a little below 0; the sum over the rounds is exact.
    pub beyond_training_seconds: Option<f64>,
}

/// What the peers measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// When the last peer began to train, in seconds since 1970.
    pub training_began: Option<f64>,
    /// Rounds that all peers have finished, in order.
    pub rounds: Vec<RoundFigures>,
    /// Finished rounds of each peer.
    pub rounds_by_peer: Vec<u32>,
}

/// Times of one round, in seconds since 1970.
#[derive(Clone, Copy, Default)]
struct Span {
    end: f64,
    longest_training: f64,
}

impl Measured {
    /// Reads the metrics files of all peers; a file or line that cannot be read counts as not there.
    pub fn read(results: &Results, peers: u32, rounds: u32) -> Self {
        let mut progress = Progress::new(peers, rounds);
        let mut began = Vec::new();
        let mut spans: BTreeMap<u32, Span> = BTreeMap::new();
        for index in 0..peers {
            let Ok(file) = File::open(results.of_peer(index, "jsonl")) else {
                continue;
            };
            let mut first_training = None;
            for (time, line) in lines(file).flatten() {
                match line {
                    Line::Training => first_training = first_training.or(Some(time)),
                    Line::Round(report) if report.peer == index => {
                        if progress.handle_report(&report).is_ok() {
                            let span = spans.entry(report.round).or_default();
                            span.end = span.end.max(time);
                            span.longest_training = span.longest_training.max(report.train.seconds);
                        }
                    }
                    Line::Round(_) | Line::Status(_) | Line::Exchange(_) | Line::Other => {}
                }
            }
            began.extend(first_training);
        }
        let training_began = (began.len() == peers as usize)
            .then(|| began.into_iter().reduce(f64::max))
            .flatten();
        let mut before = training_began;
        let rounds = progress
            .summaries()
            .map(|summary| {
                let span = spans.get(&summary.round).copied().unwrap_or_default();
                let wall = before.map(|before| span.end - before);
                before = Some(span.end);
                RoundFigures {
                    summary: *summary,
                    wall_seconds: wall,
                    beyond_training_seconds: wall.map(|wall| wall - span.longest_training),
                }
            })
            .collect();
        Self {
            training_began,
            rounds,
            rounds_by_peer: (0..peers)
                .map(|peer| progress.rounds_reported(peer).unwrap_or(0))
                .collect(),
        }
    }
}

/// A line of a peer's metrics file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// A training begins.
    Training,
    /// What the peer is doing.
    Status(Status),
    /// All chunks of a round are held.
    Exchange(Box<Exchange>),
    /// A round is over.
    Round(Box<RoundReport>),
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
    let fields = Value::Object(fields);
    let line = match event.as_str()? {
        "training" => Line::Training,
        "status" => Line::Status(serde_json::from_value(fields).ok()?),
        "exchange" => Line::Exchange(Box::new(serde_json::from_value(fields).ok()?)),
        "round" => Line::Round(Box::new(serde_json::from_value(fields).ok()?)),
        _ => Line::Other,
    };
    Some((time, line))
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
