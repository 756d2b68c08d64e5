//! What each event of an experiment says. No client.

use crate::{
    apply::ApplyError,
    events::{EventSpec, MAX_NOTE, tail},
    life::{Failure, Ledger, Loss, Transition},
    pod_facts::Trouble,
    status::failed,
    validate::{ValidateError, Validated},
};

/// Peers that an event names.
const NAMED: usize = 8;
/// Failures of one step that are told each by an event of its own.
const TOLD: usize = 4;

/// The peer that failed by itself in a step, and is told with the last lines of its log.
pub fn failure(transition: &Transition) -> Option<u32> {
    match transition {
        Transition::Restarting { index, .. } | Transition::GaveUp { index, .. } => Some(*index),
        Transition::Replacing { losses } | Transition::Lost { losses } => {
            let own = losses.iter().find(|loss| !loss.failure.disrupted);
            own.map(|loss| loss.index)
        }
        _ => None,
    }
}

/// The events of a step. `log` has the last lines of the peer that failed, if they could be read.
pub fn transition(
    transition: &Transition,
    ledger: &Ledger,
    validated: &Validated,
    log: Option<&str>,
) -> Vec<EventSpec> {
    match transition {
        Transition::Replacing { losses } | Transition::Lost { losses } => {
            let is_lost = matches!(transition, Transition::Lost { .. });
            of_losses(losses, is_lost, ledger, validated, log)
        }
        Transition::Back { peers } => vec![EventSpec {
            reason: "PeerBack",
            warning: false,
            note: format!("{} finished a round again", named(peers.iter())),
            // Others may follow without a replacement in between.
            key: format!("{}/{}", of_replacements(ledger), ledger.away()),
        }],
        // That they are to be made is told.
        Transition::Replaced { .. } => Vec::new(),
        _ => of_attempt(transition, ledger, validated, log),
    }
}

/// Peers that are replaced or lost: each failure of a peer's own, and what follows for all.
fn of_losses(
    losses: &[Loss],
    is_lost: bool,
    ledger: &Ledger,
    validated: &Validated,
    log: Option<&str>,
) -> Vec<EventSpec> {
    let own = losses.iter().filter(|loss| !loss.failure.disrupted).take(TOLD);
    let mut told: Vec<EventSpec> = own
        .enumerate()
        .map(|(at, Loss { index, failure })| {
            let log = log.filter(|_| at == 0);
            let before = ledger.incarnation(*index).saturating_sub(u32::from(!is_lost));
            peer_failed(*index, failure, format!("{}/{index}/{before}", ledger.attempt), log)
        })
        .collect();
    let all = losses.iter().map(|loss| &loss.index);
    let why: Vec<String> = losses
        .iter()
        .filter(|loss| loss.failure.disrupted)
        .take(NAMED)
        .map(|Loss { index, failure }| format!("peer {index}: {}: {}", failure.reason, failure.message))
        .collect();
    let colon = if why.is_empty() { "" } else { ": " };
    let why = format!("{colon}{}", why.join("; "));
    let left = validated.peers().saturating_sub(ledger.lost());
    let (reason, note) = match is_lost {
        true => {
            let least = validated.plan.min_peers;
            let peers = if left == 1 { "peer is" } else { "peers are" };
            let are = if least == 1 { "is" } else { "are" };
            let note = format!(
                "{} is not replaced any more; {left} {peers} left, {least} {are} needed{why}",
                named(all)
            );
            ("PeerLost", note)
        }
        false => (
            "Replacing",
            format!("a new pod takes the place of {}, and the others go on{why}", named(all)),
        ),
    };
    told.push(EventSpec {
        reason,
        warning: is_lost,
        note,
        key: of_replacements(ledger),
    });
    told
}

/// `peers 1, 2 and 3 more`.
fn named<'a>(peers: impl Iterator<Item = &'a u32>) -> String {
    let all: Vec<String> = peers.map(u32::to_string).collect();
    let word = if all.len() == 1 { "peer" } else { "peers" };
    let more = all.len().saturating_sub(NAMED);
    let shown = all.get(..NAMED).unwrap_or(&all).join(", ");
    match more {
        0 => format!("{word} {shown}"),
        more => format!("{word} {shown} and {more} more"),
    }
}

/// No two steps of an attempt have the same replacements and lost peers.
fn of_replacements(ledger: &Ledger) -> String {
    format!("{}/{}/{}", ledger.attempt, ledger.replacements(), ledger.lost())
}

fn peer_failed(index: u32, failure: &Failure, key: String, log: Option<&str>) -> EventSpec {
    let mut note = failed(index, failure);
    if let Some(log) = log {
        note.push_str("\nits last lines:\n");
        // An event has only so much room, and the last lines tell the most.
        note.push_str(&tail(log, MAX_NOTE.saturating_sub(note.len())));
    }
    EventSpec {
        reason: "PeerFailed",
        warning: true,
        note,
        key,
    }
}

/// The events of a step of all peers.
fn of_attempt(transition: &Transition, ledger: &Ledger, validated: &Validated, log: Option<&str>) -> Vec<EventSpec> {
    let peers = validated.peers();
    let Ledger { attempt, restarts, .. } = *ledger;
    let budget = validated.experiment.spec.restarts;
    let once = |reason, warning, note: String| EventSpec {
        reason,
        warning,
        note,
        key: attempt.to_string(),
    };
    // The attempt that it failed in: a restart is told under the next one already.
    let peer = |index: u32, failure: &Failure, attempt: u32| peer_failed(index, failure, attempt.to_string(), log);
    match transition {
        Transition::Started => vec![once(
            "Started",
            false,
            format!("all {peers} pods of attempt {attempt} have been created"),
        )],
        Transition::Completed => {
            let note = match ledger.lost() {
                0 => format!("all {peers} peers have completed"),
                lost => format!(
                    "{} of {peers} peers have completed, {lost} were lost",
                    peers.saturating_sub(lost)
                ),
            };
            vec![once("Complete", false, note)]
        }
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
        // The refusal that it follows from is told; those of single peers are told by the caller.
        Transition::Begins
        | Transition::GaveBack
        | Transition::Replacing { .. }
        | Transition::Replaced { .. }
        | Transition::Back { .. }
        | Transition::Lost { .. } => Vec::new(),
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
pub fn unapplied(error: &ApplyError, ledger: &Ledger) -> Option<EventSpec> {
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
pub fn trouble(trouble: &Trouble, ledger: &Ledger) -> EventSpec {
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
                transition(step, &ledger, &validated, Some("the last line"))
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

    /// One peer fails twice and is lost, another one is evicted and comes back.
    #[test]
    fn every_loss_of_a_story_is_told_under_a_key_of_its_own() {
        use crate::life::{Replaced, ReplacedState};
        let validated = example();
        let loss = |index, disrupted| Loss {
            index,
            failure: Failure {
                reason: "Evicted".into(),
                message: "why".into(),
                disrupted,
                ..Failure::default()
            },
        };
        let ledger = |of_first, of_second, state| Ledger {
            replaced: [(0, of_first, state), (1, of_second, ReplacedState::Replaced)]
                .map(|(index, incarnation, state)| {
                    let peer = Replaced {
                        incarnation,
                        state,
                        ..Replaced::default()
                    };
                    (index, peer)
                })
                .into(),
            ..Ledger::default()
        };
        let replacing = |losses| Transition::Replacing { losses };
        let due = ReplacedState::Replacing;
        let story = [
            (replacing(vec![loss(0, false)]), ledger(1, 0, due)),
            (replacing(vec![loss(0, false), loss(1, true)]), ledger(2, 1, due)),
            (Transition::Replaced { peers: vec![0, 1] }, ledger(2, 1, due)),
            (Transition::Back { peers: vec![1] }, ledger(2, 1, due)),
            (
                Transition::Lost {
                    losses: vec![loss(0, false)],
                },
                ledger(2, 1, ReplacedState::Lost),
            ),
        ];
        assert_eq!(
            story.each_ref().map(|(step, _)| failure(step)),
            [Some(0), Some(0), None, None, Some(0)]
        );
        let told: Vec<EventSpec> = story
            .iter()
            .flat_map(|(step, ledger)| transition(step, ledger, &validated, Some("the last line")))
            .collect();
        let keys: BTreeSet<_> = told.iter().map(|one| (one.reason, &one.key)).collect();
        assert_eq!(keys.len(), told.len());
        let notes: Vec<(&str, &str)> = told.iter().map(|one| (one.reason, one.note.as_str())).collect();
        let failed = "peer 0 failed: Evicted: why\nits last lines:\nthe last line";
        assert_eq!(
            notes,
            [
                ("PeerFailed", failed),
                ("Replacing", "a new pod takes the place of peer 0, and the others go on"),
                ("PeerFailed", failed),
                (
                    "Replacing",
                    "a new pod takes the place of peers 0, 1, and the others go on: peer 1: Evicted: why"
                ),
                ("PeerBack", "peer 1 finished a round again"),
                ("PeerFailed", failed),
                (
                    "PeerLost",
                    "peer 0 is not replaced any more; 1 peer is left, 2 are needed"
                ),
            ]
        );
        let many: Vec<u32> = (0..20).collect();
        assert_eq!(named(many.iter()), "peers 0, 1, 2, 3, 4, 5, 6, 7 and 12 more");
    }

    #[test]
    fn why_it_begins_anew_is_said() {
        let validated = example();
        let ledger = Ledger {
            attempt: 1,
            ..Ledger::default()
        };
        let told = transition(&Transition::RestartedFromScratch, &ledger, &validated, None);
        assert!(told[0].note.contains("spec.checkpoint enables them"));
        assert_eq!(
            transition(&Transition::RestartedFromScratch, &Ledger::default(), &validated, None),
            []
        );
    }
}
