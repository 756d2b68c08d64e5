//! What peers report, as the status shows it.

use std::collections::BTreeMap;

use fltorrent_coordinator::ending::{EndState, Ending};
use fltorrent_crds::status::{Exchanged, ExperimentStatus, RoundCounts, RoundEnds, figure};
use fltorrent_records::{
    bottleneck::Bottleneck,
    progress::{Progress, Standing},
    report::Missing,
};

/// The newest figures that are known of an attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    done: Option<u32>,
    accuracy: Option<f64>,
    loss: Option<f64>,
    received: Option<u64>,
    model: Option<String>,
    ends: RoundEnds,
    missing: Option<(u32, Missing)>,
    bottleneck: Option<(u32, Bottleneck)>,
    /// How many peers take part, where they say that they are too few.
    pub(super) paused: Option<u32>,
}

impl Figures {
    /// From the reports of an attempt's peers: of the last round that all of them have finished which took part.
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
            ends: standing.ends,
            missing: standing.missing,
            bottleneck: standing.bottleneck,
            paused: None,
        }
    }

    /// The same, and peers say that only so many take part, so that they are paused.
    #[must_use]
    pub fn with_pause(self, present: Option<u32>) -> Self {
        Self {
            paused: present,
            ..self
        }
    }

    /// From the summaries that peers left at their end: of the last round, whoever was there to hear of it. Those that have come to the end
    /// have to be as many as a round needs, and to have ended with one round.
    pub fn of_endings(endings: &BTreeMap<u32, Ending>, peers: u32, needed: u32) -> Option<Self> {
        let ended = endings
            .values()
            .filter(|ending| matches!(ending.state, EndState::Completed | EndState::Converged));
        let reports: Vec<_> = ended.filter_map(|ending| ending.last_round).collect();
        let round = reports.first()?.round;
        if reports.len() < needed as usize || reports.iter().any(|report| report.round != round) {
            return None;
        }
        let mut progress = Progress::new(peers, round.saturating_add(1)).with_least(needed);
        for report in &reports {
            progress.handle_report(report).ok()?;
        }
        for peer in 0..peers {
            progress.lose(peer);
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
            // Each has counted rounds that the other has not.
            Some(other) if other.done > self.done => Self {
                ends: self.ends.plus(other.ends),
                missing: other.missing.or(self.missing),
                bottleneck: other.bottleneck.or(self.bottleneck),
                ..other
            },
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
        self.put_ends(status);
        status.exchanged = self.received.map(Exchanged::new).or_else(|| status.exchanged.take());
    }
    /// Ends of which fewer are known than the status has are of an operator that was started again.
    fn put_ends(&self, status: &mut ExperimentStatus) {
        let before = status.round_ends.unwrap_or_default();
        if self.ends.known() >= before.known() && self.ends.known() > 0 {
            status.round_ends = Some(self.ends);
        }
        if let Some((round, missing)) = &self.missing {
            status.missing = Some(told(*round, missing));
        }
        if let Some((round, Bottleneck { peer, phase })) = self.bottleneck {
            status.bottleneck = Some(format!("round {}: peer {peer}, {}", u64::from(round) + 1, phase.name()));
        }
    }
}

/// `round 7: peers 3, 5 and 4 more`, with rounds from 1.
fn told(round: u32, missing: &Missing) -> String {
    let named: Vec<String> = missing.first().iter().map(u32::to_string).collect();
    let s = if missing.count() == 1 { "" } else { "s" };
    let more = match missing.count() as usize - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("round {}: peer{s} {}{more}", u64::from(round) + 1, named.join(", "))
}
