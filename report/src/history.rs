//! What one peer has written, summed up while it is read: memory does not grow with what a round's exchange has noted.

use std::{collections::BTreeMap, path::Path};

use fltorrent_records::{
    classes::Classes,
    exchange::Exchange,
    file::lines,
    line::{Event, Line},
    report::RoundReport,
    survival::RoundEnd,
};

use super::ReportError;

/// The metrics of one peer.
#[derive(Debug, Default)]
pub(super) struct History {
    /// When its first training began, in seconds since 1970. All times exclude the pauses of a resumed run.
    pub(super) began: Option<f64>,
    /// True if the run resumed from a checkpoint.
    pub(super) resumed: bool,
    /// How many times another process took the place of one that died.
    pub(super) restarts: u32,
    /// Finished rounds, with when they ended.
    pub(super) rounds: BTreeMap<u32, (f64, RoundReport)>,
    /// When all that was folded of each round was held.
    pub(super) complete: BTreeMap<u32, f64>,
    /// How rounds ended; those of an earlier version are missing, which always ended with everything.
    pub(super) ends: BTreeMap<u32, RoundEnd>,
    /// Bytes sent and received by neighbour.
    pub(super) flows: BTreeMap<u32, (u64, u64)>,
    /// Sum of the seconds until all chunks of an origin were held, and rounds, by origin.
    pub(super) origins: BTreeMap<u32, (f64, u32)>,
    pub(super) first: Option<Exchange>,
    /// The exchanges of the last two rounds: peers are at most one round apart.
    pub(super) last: [Option<Exchange>; 2],
    /// The evaluations by class of the last two rounds, with their rounds.
    pub(super) classes: [Option<Classes>; 2],
    /// Lines that were not understood: cut, damaged, or of another version.
    damaged: usize,
    /// The first of those that could not be read at all, and why.
    first_damage: Option<String>,
}

impl History {
    /// Reads a metrics file of peer `index` of a run of so many peers and rounds.
    pub(super) fn read(path: &Path, index: u32, (peers, rounds): (u32, u32)) -> Result<Self, ReportError> {
        let lines = lines(path).map_err(|source| ReportError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut history = Self::default();
        let (mut latest, mut pauses) = (None::<f64>, 0.0);
        for line in lines {
            let Line { time, event } = match line {
                Ok(line) => line,
                Err(error) => {
                    history.damaged += 1;
                    history.first_damage.get_or_insert_with(|| error.to_string());
                    continue;
                }
            };
            if matches!(event, Event::Resumed(_)) {
                // What was made again is not in the file: the pause begins with the last line that was kept.
                pauses += latest.map_or(0.0, |latest| (time - latest).max(0.0));
                history.resumed = true;
            }
            latest = Some(time);
            let time = time - pauses;
            match event {
                Event::Training(_) => history.began = history.began.or(Some(time)),
                Event::Round(report) if report.peer == index && report.round < rounds && report.check().is_ok() => {
                    history.rounds.insert(report.round, (time, *report));
                }
                Event::Exchange(exchange) if is_possible(&exchange, peers, rounds) => {
                    history.add(time, *exchange);
                }
                Event::Classes(classes) if classes.round < rounds => {
                    let [_, last] = std::mem::take(&mut history.classes);
                    history.classes = [last, Some(classes)];
                }
                Event::RoundEnd(end) if is_possible_end(&end, peers, rounds) => {
                    history.ends.insert(end.round, end);
                }
                Event::Round(_) | Event::Exchange(_) | Event::Classes(_) | Event::RoundEnd(_) => history.damaged += 1,
                Event::Restarted(_) => history.restarts += 1,
                Event::Status(_)
                | Event::Resumed(_)
                | Event::Converged(_)
                | Event::Verdict(_)
                | Event::Absence(_)
                | Event::Hang(_)
                | Event::Pause(_)
                | Event::Churn(_)
                | Event::Repair(_)
                | Event::Other => {}
            }
        }
        Ok(history)
    }

    /// A note about lines that were skipped.
    pub(super) fn damage(&self, index: u32) -> Option<String> {
        let first = self.first_damage.as_ref();
        let first = first.map_or_else(String::new, |first| format!(" The first is {first}."));
        (self.damaged > 0).then(|| {
            let damaged = self.damaged;
            format!("{damaged} unreadable lines in the metrics of peer {index} were skipped.{first}")
        })
    }

    fn add(&mut self, time: f64, exchange: Exchange) {
        self.complete.insert(exchange.round, time);
        for flow in &exchange.flows {
            let sum = self.flows.entry(flow.neighbour).or_default();
            sum.0 = sum.0.saturating_add(flow.bytes_sent);
            sum.1 = sum.1.saturating_add(flow.bytes_received);
        }
        for &(origin, seconds) in &exchange.origins {
            let sum = self.origins.entry(origin).or_default();
            sum.0 += seconds;
            sum.1 += 1;
        }
        self.first.get_or_insert_with(|| exchange.clone());
        let [_, last] = std::mem::take(&mut self.last);
        self.last = [last, Some(exchange)];
    }

    /// The exchange of a round, when it is one of those that are kept.
    pub(super) fn exchange(&self, round: u32) -> Option<&Exchange> {
        let kept = [self.first.as_ref(), self.last[0].as_ref(), self.last[1].as_ref()];
        kept.into_iter().flatten().find(|exchange| exchange.round == round)
    }
}

/// True if the figures can be those of the run: a file is not trusted with memory or with the drawing.
fn is_possible(exchange: &Exchange, peers: u32, rounds: u32) -> bool {
    let seconds = exchange.completion.iter().map(|point| point.0);
    let mut seconds = seconds.chain(exchange.origins.iter().map(|origin| origin.1));
    exchange.round < rounds
        && seconds.all(|seconds| seconds.is_finite() && seconds.abs() < 1e9)
        && exchange.completion.is_sorted_by(|a, b| a.0 <= b.0)
        && exchange.flows.iter().all(|flow| flow.neighbour < peers)
        && exchange.origins.iter().all(|origin| origin.0 < peers)
}

/// The same of a round's end.
fn is_possible_end(end: &RoundEnd, peers: u32, rounds: u32) -> bool {
    let waited_for = end.bottleneck.map(|bottleneck| bottleneck.peer);
    let mut named = end.missing.iter().copied().chain(waited_for);
    end.round < rounds && named.all(|peer| peer < peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_of_a_run_that_went_on_are_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            r#"{"event":"resumed","time":50,"round":0}"#,
            r#"{"event":"training","time":100,"round":0}"#,
            r#"{"event":"exchange","time":103,"round":0,"cause":"all chunks of all peers","completion":[],"origins":[],"flows":[]}"#,
            r#"{"event":"resumed","time":1103,"round":1}"#,
            r#"{"event":"exchange","time":1105,"round":1,"cause":"all chunks of all peers","completion":[],"origins":[],"flows":[]}"#,
            r#"{"event":"resumed","time":5000,"round":2}"#,
            // A clock that was set back.
            r#"{"event":"resumed","time":4000,"round":2}"#,
            r#"{"event":"exchange","time":4001,"round":2,"cause":"all chunks of all peers","completion":[],"origins":[],"flows":[]}"#,
        ];
        std::fs::write(file.path(), lines.join("\n") + "\n").unwrap();
        let history = History::read(file.path(), 0, (2, 5)).unwrap();
        assert_eq!((history.began, history.resumed), (Some(100.0), true));
        let times: Vec<f64> = history.complete.values().copied().collect();
        assert_eq!(times[..2], [103.0, 105.0]);
        assert_eq!(history.damage(0), None);
    }

    #[test]
    fn lines_that_are_left_out_are_told_with_the_place_and_field_of_the_first() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            r#"{"event":"training","time":100,"round":0}"#,
            r#"{"event":"classes","time":101,"round":0,"counts":[[0,2,1]]}"#,
            r#"{"event":"classes","time":101,"round":9,"counts":[]}"#,
            r#"{"event":"training","ti"#,
        ];
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let history = History::read(file.path(), 3, (4, 5)).unwrap();
        let said = history.damage(3).unwrap();
        let start = format!(
            "3 unreadable lines in the metrics of peer 3 were skipped. The first is {}:2: counts: found (0, 2, 1);",
            file.path().display()
        );
        assert!(said.starts_with(&start), "{said}");
    }
}
