//! What peers report, as the status shows it.

use std::collections::BTreeMap;

use fltorrent_coordinator::ending::Ending;
use fltorrent_crds::status::{Exchanged, ExperimentStatus, RoundCounts, figure};
use fltorrent_records::progress::{Progress, Standing};

/// The newest figures that are known of an attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    done: Option<u32>,
    accuracy: Option<f64>,
    loss: Option<f64>,
    received: Option<u64>,
    model: Option<String>,
}

impl Figures {
    /// From the reports of an attempt's peers: of the last round that all of them have finished.
    pub fn of_reports(standing: &Standing) -> Self {
        let Some(last) = &standing.last else {
            return Self::default();
        };
        Self {
            done: Some(last.round.saturating_add(1)),
            accuracy: last.accuracy,
            loss: last.loss,
            received: Some(standing.bytes_received),
            model: last.models_agree.then(|| last.model_hash.to_string()),
        }
    }

    /// From the summaries that all peers left at their end: of the last round, whoever was there to hear of it.
    pub fn of_endings(endings: &BTreeMap<u32, Ending>, peers: u32) -> Option<Self> {
        let all = usize::try_from(peers).ok()?;
        let reports: Vec<_> = endings.values().filter_map(|ending| ending.last_round).collect();
        let round = reports.first()?.round;
        if reports.len() < all || reports.iter().any(|report| report.round != round) {
            return None;
        }
        let mut progress = Progress::new(peers, round.saturating_add(1));
        for report in &reports {
            progress.handle_report(report).ok()?;
        }
        let received = endings
            .values()
            .fold(0_u64, |sum, ending| sum.saturating_add(ending.bytes_received));
        Some(Self {
            received: Some(received),
            ..Self::of_reports(&progress.standing())
        })
    }

    /// The one that knows of more rounds.
    #[must_use]
    pub fn newer(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.done > self.done => other,
            _ => self,
        }
    }

    /// Puts the figures into a status. What is older than what the status says of this attempt already is passed over: after a restart
    /// of the operator the peers' reports come again one by one.
    pub(super) fn put(&self, status: &mut ExperimentStatus, total: u32) {
        let known = status.round.as_ref().map_or(0, |round| round.done);
        let Some(done) = self.done.filter(|&done| done >= known) else {
            return;
        };
        status.round = Some(RoundCounts::new(done.min(total), total));
        // What this round has not, an earlier one does not stand in for: a model that is not the same at all peers, a loss that is not finite.
        status.accuracy = self.accuracy.map(figure);
        status.loss = self.loss.map(figure);
        status.model.clone_from(&self.model);
        status.exchanged = self.received.map(Exchanged::new).or_else(|| status.exchanged.take());
    }
}
