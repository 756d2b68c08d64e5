//! Follows an experiment's status.

use std::process::ExitCode;

use fltorrent_crds::{
    Experiment,
    status::{ConditionType, ExperimentStatus, Phase},
};
use futures_util::StreamExt;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher::watch_object},
};

pub(super) async fn run(experiments: &Api<Experiment>, name: &str) -> anyhow::Result<ExitCode> {
    let mut news = std::pin::pin!(watch_object(experiments.clone(), name).default_backoff());
    let mut last = String::new();
    while let Some(experiment) = news.next().await {
        let Some(experiment) = experiment? else {
            anyhow::bail!("the experiment {name} does not exist");
        };
        let generation = experiment.metadata.generation;
        let status = experiment.status.unwrap_or_default();
        let line = line(&status);
        if line != last {
            super::print(&format!("{line}\n"))?;
            last = line;
        }
        if corrected(&status, generation) {
            continue;
        }
        match status.phase {
            Some(Phase::Complete) => return Ok(ExitCode::SUCCESS),
            Some(Phase::Failed) => return Ok(ExitCode::FAILURE),
            _ => {}
        }
    }
    Ok(ExitCode::FAILURE)
}

/// True if it ended by a manifest that is another one by now, which the operator has not looked at yet.
fn corrected(status: &ExperimentStatus, generation: Option<i64>) -> bool {
    status.start_time.is_none() && status.observed_generation != generation
}

/// One line about a status: what it is doing, how far it is, and what is wrong.
fn line(status: &ExperimentStatus) -> String {
    let mut parts = vec![format!("{:?}", status.phase.unwrap_or(Phase::Pending))];
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            parts.push(format!("{name} {value}"));
        }
    };
    add("peers", status.peers.as_ref().map(|peers| peers.text.as_str()));
    add("round", status.round.as_ref().map(|round| round.text.as_str()));
    let degraded = status.round_ends.map_or(0, |ends| ends.degraded());
    let degraded = (degraded > 0).then(|| degraded.to_string());
    add("degraded", degraded.as_deref());
    let uncertified = status.round_ends.map_or(0, |ends| ends.uncertified);
    let uncertified = (uncertified > 0).then(|| uncertified.to_string());
    add("uncertified", uncertified.as_deref());
    add("missing in", status.missing.as_deref());
    add("waited for in", status.bottleneck.as_deref());
    add("accuracy", status.accuracy.as_deref());
    add("loss", status.loss.as_deref());
    let problem = [
        ConditionType::Accepted,
        ConditionType::Failed,
        ConditionType::PeersReady,
    ]
    .into_iter()
    .filter_map(|kind| status.condition(kind))
    .find(|condition| match condition.type_.as_str() {
        "Accepted" => condition.status == "False",
        "Failed" => condition.status == "True",
        _ => condition.status == "False" && !usual(&condition.reason),
    });
    if let Some(problem) = problem {
        parts.push(format!("{}: {}", problem.reason, problem.message));
    }
    parts.join("  ")
}

/// Reasons for peers that are not ready which need nobody's help.
fn usual(reason: &str) -> bool {
    [
        "Creating",
        "WaitingForPeers",
        "Draining",
        "Suspended",
        "Complete",
        "Failed",
    ]
    .contains(&reason)
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::status::{PeerCounts, RoundCounts, RoundEnds};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn a_manifest_that_is_corrected_has_not_ended() {
        let mut status = ExperimentStatus {
            observed_generation: Some(1),
            phase: Some(Phase::Failed),
            ..ExperimentStatus::default()
        };
        assert!(!corrected(&status, Some(1)) && corrected(&status, Some(2)));
        status.start_time = Some(Time(Timestamp::UNIX_EPOCH));
        assert!(!corrected(&status, Some(2)));
    }

    #[test]
    fn a_line_says_how_it_goes() {
        assert_eq!(line(&ExperimentStatus::default()), "Pending");
        let mut status = ExperimentStatus {
            phase: Some(Phase::Training),
            peers: Some(PeerCounts::new(8, 7, 0, 0)),
            round: Some(RoundCounts::new(4, 10)),
            accuracy: Some("0.9300".into()),
            ..ExperimentStatus::default()
        };
        let now = Time(Timestamp::UNIX_EPOCH);
        status.set(ConditionType::PeersReady, false, "WaitingForPeers", "7 of 8", &now);
        assert_eq!(line(&status), "Training  peers 7/8  round 4/10  accuracy 0.9300");
        status.round_ends = Some(RoundEnds {
            all: 1,
            quorum: 2,
            deadline: 1,
            uncertified: 1,
        });
        status.missing = Some("round 4: peers 3, 5".into());
        status.bottleneck = Some("round 4: peer 2, training".into());
        assert_eq!(
            line(&status),
            "Training  peers 7/8  round 4/10  degraded 3  uncertified 1  missing in round 4: peers 3, 5  waited for in round 4: peer 2, training  accuracy 0.9300"
        );
        status.set(ConditionType::PeersReady, false, "Unschedulable", "no node", &now);
        assert!(line(&status).ends_with("  Unschedulable: no node"));
        status.set(ConditionType::Accepted, false, "InvalidManifest", "wrong", &now);
        assert!(line(&status).ends_with("  InvalidManifest: wrong"));
    }
}
