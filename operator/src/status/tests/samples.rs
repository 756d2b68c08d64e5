//! An experiment of two peers, and what may be seen of it.

use std::sync::Arc;

use fltorrent_crds::manifest;
use fltorrent_records::{
    progress::Progress,
    report::{EvaluationFigures, ModelHash, ReportedEnd, RoundReport, TrainFigures, WastedBytes},
};

use crate::{
    life::{PodFacts, PodState},
    status::*,
    validate::validate,
};

pub(super) fn example() -> Validated {
    of_peers(2, "seed: 1")
}

/// Of so many peers, with one more field.
pub(super) fn of_peers(peers: u32, field: &str) -> Validated {
    let text = format!(
        "{{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {{name: x}}, spec: {{groups: [{{name: p, count: {peers}}}], \
         topology: {{type: mesh}}, model: {{type: mlp, mlp: {{hidden: [8]}}}}, data: {{type: digits}}, training: {{rounds: 4}}, {field}}}}}"
    );
    let mut experiment = manifest::parse(&text).unwrap();
    experiment.metadata.namespace = Some("team".into());
    experiment.metadata.uid = Some("u".into());
    experiment.metadata.generation = Some(7);
    validate(Arc::new(experiment)).unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn facts(states: &[PodState]) -> Facts {
    let pod = |(index, state): (usize, &PodState)| PodFacts {
        lingers: false,
        name: format!("x-{index}-0"),
        index: u32::try_from(index).unwrap(),
        attempt: 0,
        incarnation: 0,
        sealed: true,
        state: state.clone(),
        leaving: None,
        disruption: None,
    };
    Facts {
        budget: 3,
        peers: u32::try_from(states.len()).unwrap(),
        min_peers: 2,
        goes_on: true,
        pods: states.iter().enumerate().map(pod).collect(),
        ..Facts::default()
    }
}

pub(super) fn report(peer: u32, round: u32) -> RoundReport {
    RoundReport {
        peer,
        attempt: 0,
        round,
        samples: 10,
        chunks_held: 2,
        chunks_total: 2,
        model_hash: ModelHash::from_bytes([3; 32]),
        train: TrainFigures {
            loss: Some(1.0),
            seconds: 1.0,
        },
        exchange_seconds: 1.0,
        aggregate_seconds: 0.1,
        evaluation: EvaluationFigures {
            correct: 9,
            total: 10,
            loss_sum: Some(2.0),
            seconds: 0.1,
        },
        bytes_sent: 512,
        bytes_received: 512,
        wasted: WastedBytes::default(),
        peak_rss_bytes: 1,
        end: ReportedEnd::default(),
        bottleneck: None,
    }
}

pub(super) fn reported(rounds: u32) -> Figures {
    let mut progress = Progress::new(2, 4);
    for round in 0..rounds {
        for peer in 0..2 {
            progress.handle_report(&report(peer, round)).unwrap();
        }
    }
    Figures::of_reports(&progress.standing())
}

pub(super) const READY: PodState = PodState::Running { ready: true };

pub(super) fn running() -> Ledger {
    Ledger {
        stage: Stage::Running,
        begun: true,
        ..Ledger::default()
    }
}

pub(super) fn step(
    prior: &ExperimentStatus,
    ledger: Ledger,
    states: &[PodState],
    figures: &Figures,
    second: i64,
) -> ExperimentStatus {
    let done = Applied::nothing(facts(states));
    applied(prior, &example(), &ledger, &done, None, figures, at(second))
}

pub(super) fn reason(status: &ExperimentStatus, kind: ConditionType) -> &str {
    &status.condition(kind).unwrap().reason
}
