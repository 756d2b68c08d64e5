//! What of a run that has ended is its model, and whether it may go on.

use std::fmt;

use fltorrent_crds::{Plan, plan::OnPeerLoss};

use super::RunError;
use crate::{
    launcher::{Ended, Measured, RoundFigures, Setup},
    output, resume,
};

/// Why peers came to the end with different models, as far as the plan tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyModelsDiffer {
    /// Too few peers are enough: parts that have lost each other both go on.
    Apart {
        /// Peers that a part needs.
        least: u32,
        /// Peers of the run.
        peers: usize,
    },
    /// Parts of less than half of the peers do not go on.
    Fault,
}

impl WhyModelsDiffer {
    fn of(plan: &Plan) -> Self {
        let (least, peers) = (plan.liveness.min_peers, plan.peers.len());
        match plan.on_peer_loss == OnPeerLoss::Continue && 2 * least as usize <= peers {
            true => Self::Apart { least, peers },
            false => Self::Fault,
        }
    }
}

impl fmt::Display for WhyModelsDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apart { least, peers } => write!(
                f,
                "liveness.minPeers is {least} of {peers}, so parts of the peers that lose each other train on apart, and these had not met again by the end; with more than half of the peers as minPeers only one part trains on"
            ),
            Self::Fault => {
                f.write_str("a peer sent different updates to different neighbours, or a machine computes differently")
            }
        }
    }
}

/// Whether the run has come to its end with one model, which is the result then.
pub(super) fn check(setup: &Setup, ended: &Ended) -> Result<(), RunError> {
    let measured = &ended.measured;
    let results = &setup.results;
    if let Some(round) = differing(setup, measured) {
        let folder = results.peers();
        let why = WhyModelsDiffer::of(&setup.plan);
        return Err(RunError::ModelsDiffer { round, why, folder });
    }
    // As many peers as the run needs have ended well, even where their figures are not whole.
    results.confirm_model()?;
    let expected = match &measured.converged {
        Some((round, _)) => round + 1,
        None => setup.plan.training.rounds,
    };
    let known = |peer: u32| {
        let of = |counts: &[u32]| counts.get(peer as usize).copied().unwrap_or(0);
        of(&measured.rounds_by_peer) + of(&measured.passed_over)
    };
    let short = (0..).zip(&measured.rounds_by_peer).find(|&(peer, _)| {
        let is_lost = ended.lost.iter().any(|loss| loss.peer == peer);
        !is_lost && known(peer) < expected
    });
    let final_model = short.and_then(|_| resume::final_model(results, &setup.plan));
    if let (Some((peer, &found)), None) = (short, final_model) {
        return Err(RunError::Incomplete {
            peer: peer as usize,
            found,
            expected,
            log: results.of_peer(peer, "log"),
        });
    }
    let path = results.model();
    if !path.is_file() {
        return Err(RunError::NoModel { path });
    }
    match (short, final_model) {
        (Some((peer, _)), Some(hash)) => Err(RunError::FiguresLost {
            peer,
            lost: expected.saturating_sub(known(peer)),
            hash,
            model: path,
        }),
        _ => Ok(()),
    }
}

/// The first round after which peers had different models. Where the run goes on without lost peers, whoever was cut off in a round may have had
/// another one for a while, and has folded whole updates with the others since: there, differences that have stayed count.
fn differing(setup: &Setup, measured: &Measured) -> Option<u32> {
    let differ = |round: &&RoundFigures| !round.summary.models_agree;
    let rounds = &measured.rounds;
    let first = match setup.plan.on_peer_loss {
        OnPeerLoss::Fail => rounds.iter().find(differ),
        OnPeerLoss::Continue => rounds.iter().rev().take_while(differ).last(),
    };
    first.map(|round| round.summary.round)
}

/// Keeps what is of use of a run that has failed, and gives the command by which it goes on. Where it is proven that it has no model, what a
/// peer has written is removed, and nothing is gone on with: it would be so again, from the same checkpoints.
pub(super) fn keep(setup: &Setup, measured: &Measured) -> Option<String> {
    let results = &setup.results;
    if measured.verdict.is_some() || differing(setup, measured).is_some() {
        if let Err(error) = results.drop_unconfirmed_model() {
            output::warning(&crate::chain(&error));
        }
        return None;
    }
    let command = resume::command(results, &setup.plan);
    let model = results.unconfirmed_model();
    // Another peer's end takes nothing from what one had finished. Where no checkpoint can confirm it, it is all that is left.
    if command.is_none() && model.is_file() {
        output::warning(&format!(
            "{}: a peer's model after the last round; not confirmed that all peers had the same",
            model.display()
        ));
    }
    command
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fltorrent_peer::{
        checkpoint::{self, Folder, Header},
        train::model_hash,
    };

    use super::*;
    use crate::{launcher::Results, manifest::Resolved};

    /// Two peers with a checkpoint each, of the last round but one, and the model that one of them has written.
    fn ended(folder: &std::path::Path) -> Setup {
        let sets = [
            ("groups[0].count", "2"),
            ("topology", "{type: mesh}"),
            ("training.rounds", "2"),
            ("checkpoint", "{type: periodic}"),
        ];
        let sets = sets.map(|(path, value)| (path.to_owned(), value.to_owned()));
        let manifest = include_str!("../../../../examples/quickstart.yaml");
        let plan = Resolved::from_text(manifest, &sets).unwrap().plan;
        let results = Results::at(folder).unwrap();
        let parameters = vec![0.5; plan.model.parameters as usize];
        for peer in 0..2 {
            let header = Header {
                peer,
                rounds: 1,
                plan: plan.resume_hash(),
                model: model_hash(&parameters),
                evaluation: Default::default(),
                stop: Default::default(),
                converged: false,
            };
            checkpoint::write(&Folder::at(&results.peers()), &header, &parameters).unwrap();
        }
        fs::write(results.unconfirmed_model(), "of the last round").unwrap();
        fs::write(results.model(), "of an earlier part").unwrap();
        Setup {
            program: "fltorrent".into(),
            plan,
            results,
            resume: Some(1),
        }
    }

    fn round(peer: u32, round: u32, hash: &str) -> String {
        let hash = hash.repeat(32);
        format!(
            "{{\"event\":\"round\",\"time\":9,\"peer\":{peer},\"attempt\":0,\"round\":{round},\"samples\":10,\"chunksHeld\":20,\
             \"chunksTotal\":20,\"modelHash\":\"{hash}\",\"train\":{{\"loss\":1.0,\"seconds\":1.0}},\"exchangeSeconds\":0.5,\
             \"aggregateSeconds\":0.25,\"evaluation\":{{\"correct\":9,\"total\":10,\"lossSum\":5.0,\"seconds\":0.125}},\
             \"bytesSent\":1000,\"bytesReceived\":2000,\"wasted\":{{\"duplicate\":1,\"corrupt\":2}},\"peakRssBytes\":134217728}}\n"
        )
    }

    /// The metrics of two peers with these hashes of their last models; `said` is a further line of peer 1.
    fn measured(setup: &Setup, hashes: [&str; 2], said: &str) -> Measured {
        for (peer, hash) in (0..).zip(hashes) {
            let text = round(peer, 0, "11") + &round(peer, 1, hash) + said;
            fs::write(setup.results.of_peer(peer, "jsonl"), text).unwrap();
        }
        Measured::read(&setup.results, &setup.plan, [])
    }

    fn ended_with(measured: Measured) -> Ended {
        Ended {
            exits: Vec::new(),
            restarts: Vec::new(),
            lost: Vec::new(),
            measured,
        }
    }

    #[test]
    fn a_model_is_the_result_once_all_peers_are_known_to_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let setup = ended(&folder.path().join("run"));
        check(&setup, &ended_with(measured(&setup, ["22", "22"], ""))).unwrap();
        let model = fs::read_to_string(setup.results.model()).unwrap();
        assert_eq!(model, "of the last round");
        assert!(!setup.results.unconfirmed_model().exists());
    }

    #[test]
    fn a_run_that_is_proven_to_have_no_model_shows_none_and_does_not_go_on() {
        let verdict = "{\"event\":\"verdict\",\"time\":9,\"offence\":\"miscount\",\"origin\":1,\"round\":1}\n";
        for (hashes, said) in [(["22", "33"], ""), (["22", "22"], verdict)] {
            let folder = tempfile::tempdir().unwrap();
            let setup = ended(&folder.path().join("run"));
            let measured = measured(&setup, hashes, said);
            if said.is_empty() {
                let error = check(&setup, &ended_with(measured.clone())).unwrap_err();
                assert!(matches!(error, RunError::ModelsDiffer { round: 1, .. }));
            }
            assert_eq!(keep(&setup, &measured), None);
            assert!(!setup.results.unconfirmed_model().exists());
            // That of an earlier part of the run was a result.
            let model = fs::read_to_string(setup.results.model()).unwrap();
            assert_eq!(model, "of an earlier part");
        }
    }

    #[test]
    fn models_that_differ_are_no_sign_of_a_fault_where_parts_may_train_on_apart() {
        for (least, word) in [
            (1, "liveness.minPeers is 1 of 2"),
            (2, "a machine computes differently"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut setup = ended(&folder.path().join("run"));
            setup.plan.liveness.min_peers = least;
            let measured = measured(&setup, ["22", "33"], "");
            let error = check(&setup, &ended_with(measured)).unwrap_err().to_string();
            // Rounds count from 1 wherever they are shown.
            assert!(error.starts_with("after round 2 the peers had"), "{error}");
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_run_that_failed_otherwise_keeps_its_model_aside_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let setup = ended(&folder.path().join("run"));
        let command = keep(&setup, &measured(&setup, ["22", "22"], ""));
        assert!(command.unwrap().contains(" run --resume "));
        assert!(setup.results.unconfirmed_model().is_file());
    }
}
