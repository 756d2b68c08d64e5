//! What the metrics files of a run say of a peer that was killed.

use std::collections::BTreeMap;

use fltorrent_crds::Plan;
use fltorrent_records::{
    line::{Event, Line},
    report::RoundReport,
    survival::RoundEnd,
};

/// A peer is lost, and the others go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Loss {
    /// Seconds of a round with all peers, median.
    pub(super) round: f64,
    /// Seconds from the kill to the end of the first round without it, at the last survivor.
    pub(super) seconds: f64,
    /// Seconds that this may take: until a silent peer counts as absent, until nothing new comes, and a round.
    pub(super) limit: f64,
    /// Seconds of a round without it, median.
    pub(super) after: f64,
}

/// A peer's next process takes its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Return {
    /// Seconds of a round with all peers, median.
    pub(super) round: f64,
    /// Seconds from the kill until its next process runs.
    pub(super) restarted: f64,
    /// Seconds from then to the end of the first round that has an update of it, at the last survivor.
    pub(super) seconds: f64,
    /// Rounds that end after it runs and have no update of it.
    pub(super) rounds_without: f64,
    /// Payload that it received before that round, and twice, in models.
    pub(super) models: f64,
}

/// When a round ended at the last of the survivors, and who was missing.
type Ends = BTreeMap<u32, (f64, Vec<u32>)>;

impl Loss {
    /// Of what all peers have written; none where no round lacks the victim.
    pub(super) fn of(plan: &Plan, peers: &[Vec<Line>], victim: u32, killed: f64) -> Option<Self> {
        let ends = ends(peers, victim);
        let round = median_round(&ends, |end, _| end <= killed)?;
        let lacks = |missing: &[u32]| missing.contains(&victim);
        let first = ends.values().find(|(end, missing)| *end > killed && lacks(missing))?;
        let rules = &plan.exchange.round;
        Some(Self {
            round,
            seconds: first.0 - killed,
            limit: plan.liveness.heartbeat_timeout.as_secs_f64() + rules.patience.as_secs_f64() + round,
            after: median_round(&ends, |_, missing| lacks(missing))?,
        })
    }
}

impl Return {
    /// Of what all peers have written; none where the peer does not come back.
    pub(super) fn of(plan: &Plan, peers: &[Vec<Line>], victim: u32, killed: f64) -> Option<Self> {
        let ends = ends(peers, victim);
        let own = peers.get(victim as usize)?;
        let again = own.iter().position(|line| matches!(line.event, Event::Restarted(_)))?;
        let (started, next) = (own[again].time, &own[again..]);
        let gives = next.iter().find_map(|line| match line.event {
            Event::Training(training) => Some(training.round),
            _ => None,
        })?;
        let has = |missing: &[u32]| !missing.contains(&victim);
        let (first, counted) = ends.range(gives..).find(|(_, (_, missing))| has(missing))?;
        let without = ends.range(..first).filter(|(_, (end, _))| *end > started);
        let report = next.iter().find_map(|line| match &line.event {
            Event::Round(report) => Some(report),
            _ => None,
        })?;
        Some(Self {
            round: median_round(&ends, |end, _| end <= killed)?,
            restarted: started - killed,
            seconds: counted.0 - started,
            rounds_without: without.count() as f64,
            models: fetched(report, gives, plan) / plan.model.bytes as f64,
        })
    }
}

/// Payload beyond one copy of each chunk that others made in the round of a process's first report. Its own it has made itself, if it gives
/// an update of that round already.
fn fetched(report: &RoundReport, gives: u32, plan: &Plan) -> f64 {
    let update = plan.model.bytes as f64;
    let held = report.chunks_held as f64 / report.chunks_total.max(1) as f64 * plan.peers.len() as f64;
    let own = f64::from(u8::from(report.round >= gives));
    report.bytes_received as f64 - (held - own) * update
}

fn ends(peers: &[Vec<Line>], victim: u32) -> Ends {
    let mut ends = Ends::new();
    for (_, lines) in (0..).zip(peers).filter(|(index, _)| *index != victim) {
        for line in lines {
            if let Event::RoundEnd(RoundEnd { round, missing, .. }) = &line.event {
                let (end, _) = ends.entry(*round).or_insert_with(|| (line.time, missing.clone()));
                *end = end.max(line.time);
            }
        }
    }
    ends
}

/// Seconds from end to end of the rounds that are looked at, median. The first one, in which connections are made, has none before it.
fn median_round(ends: &Ends, which: impl Fn(f64, &[u32]) -> bool) -> Option<f64> {
    let pairs = ends.values().zip(ends.values().skip(1));
    let mut seconds: Vec<f64> = pairs
        .filter(|(before, (end, missing))| which(before.0, &before.1) && which(*end, missing))
        .map(|(before, after)| after.0 - before.0)
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use fltorrent_cli::manifest::Resolved;
    use fltorrent_records::{line::InRound, report::sample, survival::Restarted};

    use super::*;

    fn plan() -> Plan {
        let sets = [
            ("liveness.heartbeatInterval".to_owned(), "100ms".to_owned()),
            ("liveness.heartbeatTimeout".to_owned(), "1s".to_owned()),
            ("exchange.round.patience".to_owned(), "500ms".to_owned()),
            ("groups".to_owned(), "[{name: peers, count: 4}]".to_owned()),
        ];
        let quickstart = include_str!("../../../examples/quickstart.yaml");
        Resolved::from_text(quickstart, &sets).unwrap().plan
    }

    fn end(time: f64, round: u32, missing: &[u32]) -> Line {
        let event = Event::RoundEnd(RoundEnd {
            round,
            missing: missing.to_vec(),
            cause: Default::default(),
            present: 4,
            certified_before: None,
            bottleneck: None,
        });
        Line { time, event }
    }

    #[test]
    fn a_loss_is_measured_at_the_last_survivor() {
        let fast = vec![
            end(1.0, 0, &[]),
            end(2.0, 1, &[]),
            end(3.0, 2, &[]),
            end(5.0, 3, &[1]),
            end(5.5, 4, &[1]),
        ];
        let slow = vec![
            end(1.5, 0, &[]),
            end(2.5, 1, &[]),
            end(3.5, 2, &[]),
            end(5.5, 3, &[1]),
            end(6.0, 4, &[1]),
        ];
        let peers = [fast, vec![end(9.0, 0, &[])], slow, Vec::new()];
        let loss = Loss::of(&plan(), &peers, 1, 3.6).unwrap();
        let expected = Loss {
            round: 1.0,
            seconds: 1.9,
            limit: 2.5,
            after: 0.5,
        };
        assert_eq!(format!("{loss:.3?}"), format!("{expected:.3?}"));
        assert_eq!(Loss::of(&plan(), &peers, 2, 3.6), None);
    }

    #[test]
    fn a_return_counts_rounds_and_bytes() {
        let plan = plan();
        let others = vec![
            end(1.0, 0, &[]),
            end(2.0, 1, &[]),
            end(4.0, 2, &[1]),
            end(5.0, 3, &[1]),
            end(6.5, 4, &[]),
        ];
        let mut report = sample(1, 0, 4);
        (report.chunks_held, report.chunks_total) = (8, 8);
        report.bytes_received = plan.model.bytes * 4;
        assert_eq!(fetched(&report, 4, &plan), plan.model.bytes as f64);
        report.chunks_held = 6;
        assert_eq!(
            fetched(&report, 5, &plan),
            plan.model.bytes as f64,
            "it gives no update of that round"
        );
        report.chunks_held = 8;
        let line = |time, event| Line { time, event };
        let own = vec![
            line(1.5, Event::Training(InRound { round: 1 })),
            line(
                3.0,
                Event::Restarted(Restarted {
                    round: 1,
                    incarnation: 1,
                }),
            ),
            line(5.0, Event::Training(InRound { round: 4 })),
            line(6.6, Event::Round(Box::new(report))),
        ];
        let back = Return::of(&plan, &[others.clone(), own, others.clone(), others], 1, 2.5).unwrap();
        let expected = Return {
            round: 1.0,
            restarted: 0.5,
            seconds: 3.5,
            rounds_without: 2.0,
            models: 1.0,
        };
        assert_eq!(format!("{back:.3?}"), format!("{expected:.3?}"));
    }
}
