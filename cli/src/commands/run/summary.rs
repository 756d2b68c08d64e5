//! What a run that has ended is summed up to.

use std::time::SystemTime;

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::Plan;
use fltorrent_records::bottleneck::WaitedFor;
use jiff::Timestamp;

use crate::{
    launcher::{Ended, Measured, Results, Setup, timestamp},
    output::{Outcome, PeerSummary, Summary},
};

/// When a run began, and what it took.
pub(super) struct Times {
    /// UTC, RFC 3339.
    started: String,
    wall_seconds: f64,
    startup_seconds: Option<f64>,
}

impl Times {
    /// Of the run that a command has made.
    pub(super) fn of_command(started: SystemTime, measured: &Measured) -> Self {
        let wall_seconds = started.elapsed().unwrap_or_default().as_secs_f64();
        let started = timestamp(started);
        Self {
            started: started.to_string(),
            wall_seconds,
            startup_seconds: measured
                .training_began
                .map(|began| (began - unix_seconds(started)).max(0.0)),
        }
    }

    /// Of a run that a command only completes the result of: as its own summary tells them, if that is of all its rounds, or else
    /// the sum of its rounds.
    pub(super) fn kept(results: &Results, measured: &Measured, command: SystemTime) -> Self {
        let summary = results.summary().unwrap_or_default();
        let started = summary["started"].as_str();
        let started = started.filter(|text| text.parse::<Timestamp>().is_ok());
        let began = measured
            .training_began
            .and_then(|began| Timestamp::from_second(began as i64).ok());
        let of_all = summary["rounds"]
            .as_array()
            .is_some_and(|rounds| rounds.len() == measured.rounds.len());
        let seconds = |field: &str| {
            let seconds = summary[field].as_f64();
            seconds.filter(|seconds| of_all && *seconds >= 0.0)
        };
        let rounds = measured.rounds.iter();
        let sum = rounds.filter_map(|round| round.wall_seconds).sum();
        Self {
            started: started.map_or_else(
                || began.unwrap_or_else(|| timestamp(command)).to_string(),
                str::to_owned,
            ),
            wall_seconds: seconds("wallSeconds").unwrap_or(sum),
            startup_seconds: seconds("startupSeconds"),
        }
    }
}

/// The summary of a run that came to its end; whoever knows better corrects it.
pub(super) fn summary(setup: &Setup, run: Option<RunId>, ended: &Ended, times: Times) -> Summary {
    let measured = &ended.measured;
    let peers = (0..).zip(&ended.exits).map(|(index, exit)| PeerSummary {
        index,
        rounds: measured.rounds_by_peer.get(index as usize).copied().unwrap_or(0),
        exit: match exit.as_ref().map(|exit| &exit.status) {
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => error.clone(),
            None => "not started".to_owned(),
        },
        // The launcher knows of this part of the run only, and the file of no process that has died before its first line.
        restarts: [&ended.restarts, &measured.restarts]
            .iter()
            .filter_map(|counts| counts.get(index as usize).copied())
            .max()
            .unwrap_or(0),
    });
    Summary {
        resumed_after: setup.resume,
        run: run.map(|run| run.to_string()),
        startup_seconds: times.startup_seconds,
        peers: peers.collect(),
        lost: ended.lost.clone(),
        ..of_metrics(&setup.plan, &setup.results, measured, times.started, times.wall_seconds)
    }
}

/// The part of a summary that follows from plan, metrics and times.
pub(in crate::commands) fn of_metrics(
    plan: &Plan,
    results: &Results,
    measured: &Measured,
    started: String,
    wall_seconds: f64,
) -> Summary {
    let last = measured.rounds.last().map(|round| &round.summary);
    Summary {
        outcome: match measured.converged {
            Some(_) => Outcome::Converged,
            None => Outcome::Completed,
        },
        error: None,
        reason: measured.converged.as_ref().map(|(_, reason)| reason.clone()),
        resume: None,
        resumed_after: None,
        name: plan.name.clone(),
        run: None,
        version: env!("CARGO_PKG_VERSION"),
        started,
        results: results.path().display().to_string(),
        report: None,
        wall_seconds,
        startup_seconds: None,
        accuracy: last.and_then(|last| last.accuracy),
        test_samples: last.map(|_| measured.test_samples),
        accuracy_of_peer: None,
        classes: measured.classes.clone(),
        loss: last.and_then(|last| last.loss),
        model_hash: last.map(|last| last.model_hash),
        peak_rss_bytes: measured.rounds.iter().map(|round| round.summary.peak_rss_bytes).max(),
        waited_for: WaitedFor::count(measured.rounds.iter().filter_map(|round| round.summary.bottleneck)),
        uncertified_rounds: measured.rounds.iter().filter(|round| round.uncertified_before).count(),
        degraded_rounds: measured.rounds.iter().filter(|round| round.is_degraded()).count(),
        rounds: measured.rounds.clone(),
        peers: Vec::new(),
        lost: Vec::new(),
    }
}

fn unix_seconds(time: Timestamp) -> f64 {
    time.as_nanosecond() as f64 * 1e-9
}
