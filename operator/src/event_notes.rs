//! What each event of an experiment says. No client.

use crate::{
    apply::ApplyError,
    events::{EventSpec, MAX_NOTE, tail},
    life::{Failure, Ledger, Transition},
    pod_facts::Trouble,
    status::failed,
    validate::{ValidateError, Validated},
};

/// The events of a step. `log` has the last lines of the peer that failed, if they could be read.
pub fn transition(transition: &Transition, ledger: Ledger, validated: &Validated, log: Option<&str>) -> Vec<EventSpec> {
    let peers = validated.peers();
    let Ledger { attempt, restarts, .. } = ledger;
    let budget = validated.experiment.spec.restarts;
    let once = |reason, warning, note: String| EventSpec {
        reason,
        warning,
        note,
        key: attempt.to_string(),
    };
    // The attempt that it failed in: a restart is told under the next one already.
    let peer = |index: u32, failure: &Failure, attempt: u32| {
        let mut note = failed(index, failure);
        if let Some(log) = log {
            note.push_str("\nits last lines:\n");
            // An event has only so much room, and the last lines tell the most.
            note.push_str(&tail(log, MAX_NOTE.saturating_sub(note.len())));
        }
        EventSpec {
            key: attempt.to_string(),
            ..once("PeerFailed", true, note)
        }
    };
    match transition {
        Transition::Started => vec![once(
            "Started",
            false,
            format!("all {peers} pods of attempt {attempt} have been created"),
        )],
        Transition::Completed => vec![once("Complete", false, format!("all {peers} peers have completed"))],
        Transition::ModelsDiffer { message } => vec![once("ModelsDiffer", true, message.clone())],
        Transition::Suspended => vec![once(
            "Suspended",
            false,
            "spec.suspend is true: deleting the pods".to_owned(),
        )],
        Transition::Resumed => vec![once(
            "Resumed",
            false,
            "spec.suspend is false: creating pods again".to_owned(),
        )],
        Transition::Restarting { index, failure } => vec![
            peer(*index, failure, attempt.saturating_sub(1)),
            once(
                "Restarting",
                false,
                format!("restarting all peers, restart {restarts} of {budget}"),
            ),
        ],
        Transition::GaveUp { index, failure } => vec![
            peer(*index, failure, attempt),
            once(
                "Failed",
                true,
                match failure.permanent {
                    true => "a restart cannot fix it; terminated pods are kept for their logs".to_owned(),
                    false => format!("no restart left of {budget}; terminated pods are kept for their logs"),
                },
            ),
        ],
        Transition::ResumedFromCheckpoint { rounds } => vec![once(
            "ResumedFromCheckpoint",
            false,
            format!("attempt {attempt} resumes after round {rounds}, the last that all peers have a checkpoint of"),
        )],
        // The refusal that it follows from is told.
        Transition::Begins | Transition::GaveBack => Vec::new(),
        Transition::RestartedFromScratch if attempt == 0 => Vec::new(),
        Transition::RestartedFromScratch => vec![once(
            "RestartedFromScratch",
            true,
            format!("attempt {attempt} starts from round 0: {}", why_from_scratch(validated)),
        )],
        Transition::Recovered => vec![once(
            "StatusLost",
            true,
            format!("found pods of attempt {attempt} that the status does not record; they keep running"),
        )],
    }
}

fn why_from_scratch(validated: &Validated) -> &'static str {
    use fltorrent_crds::experiment::kubernetes::KeptStorageType;
    let kept = validated.experiment.spec.kubernetes.storage.checkpoints.kind != KeptStorageType::EmptyDir;
    match (validated.plan.checkpoint_every, kept) {
        (None, _) => "no checkpoints are written; spec.checkpoint enables them",
        (Some(_), false) => {
            "checkpoints were deleted with the pods; spec.kubernetes.storage.checkpoints keeps them on a claim"
        }
        (Some(_), true) => "the peers have no common checkpoint",
    }
}

/// An experiment that is not accepted.
pub fn refused(error: &ValidateError, generation: i64) -> EventSpec {
    EventSpec {
        reason: error.reason(),
        warning: true,
        note: error.to_string(),
        key: generation.to_string(),
    }
}

/// Something that could not be applied; none for what passes by itself.
pub fn unapplied(error: &ApplyError, ledger: Ledger) -> Option<EventSpec> {
    error.is_published().then(|| EventSpec {
        reason: error.reason(),
        warning: true,
        note: error.to_string(),
        // Who waits for room tries again and again, each time with the pods of another attempt.
        key: match error.is_no_room() {
            true => format!("restart {}", ledger.restarts),
            false => ledger.attempt.to_string(),
        },
    })
}

/// Something that keeps pods from starting.
pub fn trouble(trouble: &Trouble, ledger: Ledger) -> EventSpec {
    EventSpec {
        reason: trouble.reason,
        warning: true,
        note: trouble.message.clone(),
        key: ledger.attempt.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use fltorrent_crds::manifest;

    use super::*;
    use crate::validate::validate;

    fn example() -> Validated {
        let text = "{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {name: x}, spec: {groups: [{name: p, count: 2}], \
             topology: {type: mesh}, model: {type: mlp, mlp: {hidden: [8]}}, data: {type: digits}}}";
        let mut experiment = manifest::parse(text).unwrap();
        experiment.metadata.namespace = Some("team".into());
        experiment.metadata.uid = Some("u".into());
        validate(Arc::new(experiment)).unwrap()
    }

    /// A peer that fails in each of three attempts: every step is told, and each once.
    #[test]
    fn every_failure_of_a_story_is_told_under_a_key_of_its_own() {
        let validated = example();
        let failure = Failure {
            reason: "Error".into(),
            ..Failure::default()
        };
        let restarting = || Transition::Restarting {
            index: 1,
            failure: failure.clone(),
        };
        let gave_up = Transition::GaveUp {
            index: 1,
            failure: failure.clone(),
        };
        let steps = [(restarting(), 1), (restarting(), 2), (gave_up, 2)];
        let told: Vec<EventSpec> = steps
            .iter()
            .flat_map(|(step, attempt)| {
                let ledger = Ledger {
                    attempt: *attempt,
                    ..Ledger::default()
                };
                transition(step, ledger, &validated, Some("the last line"))
            })
            .collect();
        let keys: BTreeSet<_> = told.iter().map(|one| (one.reason, &one.key)).collect();
        assert_eq!((told.len(), keys.len()), (6, 6));
        let failed: Vec<_> = told.iter().filter(|one| one.reason == "PeerFailed").collect();
        assert_eq!(failed.len(), 3);
        assert!(
            failed
                .iter()
                .all(|one| one.warning && one.note.ends_with("the last line"))
        );
    }

    #[test]
    fn why_it_begins_anew_is_said() {
        let validated = example();
        let ledger = Ledger {
            attempt: 1,
            ..Ledger::default()
        };
        let told = transition(&Transition::RestartedFromScratch, ledger, &validated, None);
        assert!(told[0].note.contains("spec.checkpoint enables them"));
        assert_eq!(
            transition(&Transition::RestartedFromScratch, Ledger::default(), &validated, None),
            []
        );
    }
}
