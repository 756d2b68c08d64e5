//! What a run that has ended is summed up to.

use fltorrent_coordinator::identity::RunId;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Request;
use crate::{
    launcher::{Ended, Setup},
    output::{Outcome, PeerSummary, Summary},
};

/// The summary of a run that came to its end; whoever knows better corrects it.
pub(super) fn summary(
    request: Request<'_>,
    setup: &Setup,
    run: Option<RunId>,
    ended: &Ended,
) -> Summary {
    let measured = &ended.measured;
    let last = measured.rounds.last().map(|round| &round.summary);
    let started = OffsetDateTime::from(request.started);
    let peers = (0..).zip(&ended.exits).map(|(index, exit)| PeerSummary {
        index,
        rounds: measured
            .rounds_by_peer
            .get(index as usize)
            .copied()
            .unwrap_or(0),
        exit: match exit.as_ref().map(|exit| &exit.status) {
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => error.clone(),
            None => "not started".to_owned(),
        },
    });
    Summary {
        outcome: match measured.converged {
            Some(_) => Outcome::Converged,
            None => Outcome::Completed,
        },
        error: None,
        reason: measured
            .converged
            .as_ref()
            .map(|(_, reason)| reason.clone()),
        resume: None,
        resumed_after: setup.resume,
        name: setup.plan.name.clone(),
        run: run.map(|run| run.to_string()),
        version: env!("CARGO_PKG_VERSION"),
        started: started.format(&Rfc3339).unwrap_or_default(),
        results: setup.results.path().display().to_string(),
        report: None,
        wall_seconds: request.started.elapsed().unwrap_or_default().as_secs_f64(),
        startup_seconds: measured
            .training_began
            .map(|began| (began - unix_seconds(started)).max(0.0)),
        accuracy: last.and_then(|last| last.accuracy),
        test_samples: last.map(|_| measured.test_samples),
        accuracy_of_peer: None,
        classes: measured.classes.clone(),
        loss: last.and_then(|last| last.loss),
        model_hash: last.map(|last| last.model_hash),
        peak_rss_bytes: measured
            .rounds
            .iter()
            .map(|round| round.summary.peak_rss_bytes)
            .max(),
        rounds: measured.rounds.clone(),
        peers: peers.collect(),
    }
}

fn unix_seconds(time: OffsetDateTime) -> f64 {
    time.unix_timestamp_nanos() as f64 * 1e-9
}
