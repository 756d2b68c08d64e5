//! What a status takes from one look to the next: figures, troubles and endings.

use std::collections::BTreeMap;

use fltorrent_crds::status::RoundEnds;
use fltorrent_records::{
    bottleneck::{Bottleneck, RoundPhase},
    progress::Progress,
    report::{Missing, ModelHash, ReportedEnd, RoundReport},
    survival::Cause,
};

use super::{super::*, samples::*};
use crate::life::{PodState, Replaced, ReplacedState};

#[test]
fn the_same_trouble_in_other_words_is_no_news() {
    let validated = example();
    let status = |prior: &ExperimentStatus, message: &str| {
        let trouble = Trouble {
            reason: "ImageUnavailable",
            message: message.into(),
        };
        let done = Applied::nothing(facts(&[PodState::Waiting, PodState::Waiting]));
        let none = Figures::default();
        applied(prior, &validated, &running(), &done, Some(&trouble), &none, at(0))
    };
    let first = status(&ExperimentStatus::default(), "ErrImagePull");
    assert_eq!(reason(&first, ConditionType::PeersReady), "ImageUnavailable");
    assert_eq!(status(&first, "ImagePullBackOff"), first);
}

#[test]
fn a_figure_that_the_newest_round_has_not_is_of_no_older_one() {
    let one = step(
        &ExperimentStatus::default(),
        running(),
        &[READY, READY],
        &reported(1),
        0,
    );
    assert!(one.model.is_some() && one.loss.is_some());
    let mut progress = Progress::new(2, 4);
    for round in 0..2 {
        for peer in 0..2 {
            let mut report = report(peer, round);
            if round == 1 {
                report.model_hash = ModelHash::from_bytes([u8::try_from(peer).unwrap(); 32]);
                report.evaluation.loss_sum = None;
            }
            progress.handle_report(&report).unwrap();
        }
    }
    let differ = Figures::of_reports(&progress.standing());
    let two = step(&one, running(), &[READY, READY], &differ, 1);
    assert_eq!(two.round.as_ref().unwrap().text, "2/4");
    assert_eq!((two.model, two.loss), (None, None));
    assert_eq!(two.accuracy.as_deref(), Some("0.9000"));
}

#[test]
fn what_has_failed_has_no_model() {
    let (validated, figures) = (example(), reported(2));
    let trains = step(&ExperimentStatus::default(), running(), &[READY, READY], &figures, 0);
    assert!(trains.model.is_some());
    let failed = Ledger {
        stage: Stage::Failed,
        ..running()
    };
    let message = "the peers ended with different models".to_owned();
    let failure = Failure::default();
    for (transition, why) in [
        (Transition::GaveUp { index: 1, failure }, "PeerFailed"),
        (Transition::ModelsDiffer { message }, "ModelsDiffer"),
    ] {
        let end = recorded(&trains, &validated, &failed, &transition, &figures, at(1));
        let later = step(&end, failed.clone(), &[], &figures, 2);
        for status in [end, later] {
            assert_eq!(status.phase, Some(Phase::Failed));
            assert_eq!((reason(&status, ConditionType::Failed), &status.model), (why, &None));
        }
    }
    // Nor has what begins anew.
    let anew = recorded(
        &trains,
        &validated,
        &running(),
        &Transition::RestartedFromScratch,
        &Figures::default(),
        at(1),
    );
    assert_eq!((anew.model, anew.accuracy, anew.loss), (None, None, None));
}

#[test]
fn figures_never_go_back_within_an_attempt() {
    let trains = step(
        &ExperimentStatus::default(),
        running(),
        &[READY, READY],
        &reported(3),
        0,
    );
    // The operator was started again, and reports come again from the first round on.
    for rounds in 0..3 {
        let status = step(&trains, running(), &[READY, READY], &reported(rounds), 1);
        assert_eq!(
            status,
            ExperimentStatus {
                conditions: status.conditions.clone(),
                ..trains.clone()
            }
        );
    }
    // But a new attempt begins where its checkpoint is.
    let starting = Ledger {
        attempt: 1,
        resume: 2,
        begun: true,
        ..Ledger::default()
    };
    let none = Figures::default();
    let transition = Transition::ResumedFromCheckpoint { rounds: 2 };
    let begins = recorded(&trains, &example(), &starting, &transition, &none, at(2));
    assert_eq!(begins.round.as_ref().unwrap().text, "2/4");
    // And what the last one had reached is no sign that it trains.
    let running = Ledger {
        stage: Stage::Running,
        ..starting
    };
    let started = recorded(&begins, &example(), &running, &Transition::Started, &none, at(3));
    assert_eq!(started.phase, Some(Phase::Starting));
}

fn replaced(number: u32) -> Replaced {
    Replaced {
        incarnation: number,
        state: if number > 3 {
            ReplacedState::Lost
        } else {
            ReplacedState::Replaced
        },
        used: number % 2,
        row: number % 3,
        round: number,
        since: number.is_multiple_of(2).then(|| at(number.into())),
        reason: "OOMKilled".into(),
    }
}

#[test]
fn what_is_recorded_is_read_again() {
    for (stage, number) in [
        (Stage::Draining, 1),
        (Stage::Starting, 2),
        (Stage::Running, 3),
        (Stage::Suspended, 4),
        (Stage::Complete, 5),
        (Stage::Failed, 6),
    ] {
        let written = Ledger {
            stage,
            attempt: number,
            restarts: number + 1,
            resume: number + 2,
            begun: number % 2 == 0,
            replaced: [(number, replaced(number))].into(),
        };
        let status = recorded(
            &ExperimentStatus::default(),
            &example(),
            &written,
            &Transition::Started,
            &Figures::default(),
            at(0),
        );
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(ledger(&serde_json::from_str(&text).unwrap()), written);
    }
    assert_eq!(ledger(&ExperimentStatus::default()), Ledger::default());
}

#[test]
fn endings_tell_what_no_report_could() {
    use fltorrent_coordinator::ending::{EndState, Ending};
    let ending = |peer, round| {
        let mut ending = Ending::new(EndState::Completed, "1");
        ending.finished(&report(peer, round));
        ending
    };
    let of = |endings: &[(u32, u32)], needed| {
        let endings = endings.iter().map(|&(peer, round)| (peer, ending(peer, round)));
        Figures::of_endings(&endings.collect(), 2, needed)
    };
    let figures = of(&[(0, 3), (1, 3)], 2).unwrap();
    let status = step(
        &ExperimentStatus::default(),
        running(),
        &[READY, READY],
        &reported(2).newer(Some(figures)),
        0,
    );
    assert_eq!(status.round.unwrap().text, "4/4");
    assert_eq!(status.accuracy.as_deref(), Some("0.9000"));
    assert_eq!(status.round_ends.unwrap().all, 3);
    assert_eq!(of(&[(0, 3)], 2), None);
    assert!(of(&[(0, 3)], 1).is_some());
    assert_eq!(of(&[(0, 3), (1, 2)], 2), None);
    // One that left, or failed, has ended with another round, and is none of those that are needed.
    let mut endings: BTreeMap<u32, Ending> = [(0, ending(0, 3)), (1, ending(1, 1))].into();
    for state in [EndState::Left, EndState::Failed, EndState::Superseded] {
        endings.get_mut(&1).unwrap().state = state;
        assert!(Figures::of_endings(&endings, 2, 1).is_some());
        assert_eq!(Figures::of_endings(&endings, 2, 2), None);
    }
}

#[test]
fn how_rounds_ended_is_counted_over_a_restart_of_the_operator_and_anew_in_each_attempt() {
    let ended = |end: ReportedEnd| {
        let mut progress = Progress::new(2, 4).with_least(1);
        progress.lose(1);
        for round in 0..2 {
            let report = report(0, round);
            let waited_for = Bottleneck {
                peer: 1,
                phase: RoundPhase::Exchange,
            };
            let bottleneck = end.missing.is_none().then_some(waited_for);
            let report = RoundReport {
                end,
                bottleneck,
                ..report
            };
            progress.handle_report(&report).unwrap();
        }
        Figures::of_reports(&progress.standing())
    };
    let degraded = ended(ReportedEnd {
        cause: Cause::Quorum,
        missing: Missing::of(&(1..12).collect::<Vec<_>>()),
        uncertified_before: true,
    });
    let one = step(&ExperimentStatus::default(), running(), &[READY, READY], &degraded, 0);
    let expected = RoundEnds {
        quorum: 2,
        uncertified: 2,
        ..RoundEnds::default()
    };
    assert_eq!(one.round_ends, Some(expected));
    let missing = "round 2: peers 1, 2, 3, 4, 5, 6, 7, 8 and 3 more";
    assert_eq!(one.missing.as_deref(), Some(missing));
    let later = step(&one, running(), &[READY, READY], &Figures::default(), 1);
    assert_eq!((&later.round_ends, &later.missing), (&one.round_ends, &one.missing));
    let none = Figures::default();
    let anew = recorded(
        &later,
        &example(),
        &running(),
        &Transition::RestartedFromScratch,
        &none,
        at(2),
    );
    assert_eq!((anew.round_ends, anew.missing, anew.bottleneck), (None, None, None));
    let usual = step(
        &ExperimentStatus::default(),
        running(),
        &[READY, READY],
        &ended(ReportedEnd::default()),
        0,
    );
    assert_eq!((usual.round_ends.unwrap().all, usual.missing), (2, None));
    assert_eq!(usual.bottleneck.as_deref(), Some("round 2: peer 1, exchange"));
}
