//! Where a run goes on: from the last round that all its peers have.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use fltorrent_crds::Plan;
use thiserror::Error;

use super::{Header, ReadError, list, path, read, verify};

/// Which of its checkpoints a peer goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// The newest that is whole.
    Newest,
    /// The one after so many finished rounds.
    After(u32),
}

/// The last round that all peers have.
#[derive(Debug)]
pub struct Common {
    /// Finished rounds.
    pub rounds: u32,
    /// The model that all peers had then.
    pub model: [u8; 32],
    /// Checkpoints that could not be used.
    pub damaged: Vec<ReadError>,
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub enum ResumeError {
    /// The folder cannot be looked through.
    #[error("{}: cannot be read; name the results folder of a run", folder.display())]
    Folder {
        /// Where checkpoints are looked for.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A peer has nothing to go on from.
    #[error(
        "peer {peer} has no checkpoint that can be used in {}{}; a run that can go on has checkpoint.type periodic and has passed checkpoint.periodic.everyRounds rounds: start it anew", folder.display(), list_of(damaged)
    )]
    None {
        /// The peer.
        peer: u32,
        /// Where checkpoints were looked for.
        folder: PathBuf,
        /// Those that cannot be used.
        damaged: Vec<ReadError>,
    },
    /// There is no round that all peers have.
    #[error(
        "no checkpoint is there of all peers: {}{}; copy what is missing from where it is, or start the run anew",
        rounds_of(found),
        list_of(damaged)
    )]
    NoCommon {
        /// Finished rounds of each peer's checkpoints.
        found: Vec<Vec<u32>>,
        /// Those that cannot be used.
        damaged: Vec<ReadError>,
    },
    /// The checkpoint is of something else.
    #[error(
        "{}: is of a run with another manifest; only training.rounds, checkpoint and output may differ when a run goes on", path.display()
    )]
    OtherPlan {
        /// The checkpoint.
        path: PathBuf,
    },
    /// Two peers had different models.
    #[error(
        "after {rounds} rounds peer {peer} had another model than peer 0: the checkpoints are not of one run"
    )]
    OtherModel {
        /// Finished rounds.
        rounds: u32,
        /// The peer.
        peer: u32,
    },
    /// Nothing is left to do.
    #[error(
        "{rounds} rounds are finished and training.rounds is {asked}: nothing is left to do; ask for more with --set training.rounds=N"
    )]
    Finished {
        /// Finished rounds.
        rounds: u32,
        /// Rounds of the plan.
        asked: u32,
    },
    /// The run ended by its own rule.
    #[error(
        "the run had converged after {rounds} rounds: training.earlyStop was met; to train on, start a run with model.initFrom and the model that it left"
    )]
    Converged {
        /// Finished rounds.
        rounds: u32,
    },
}

/// Finds the last round that all peers of the plan have in one folder. Each file is read and checked; nothing is kept.
///
/// # Errors
/// When there is none, or going on from it makes no sense.
pub fn common(folder: &Path, plan: &Plan) -> Result<Common, ResumeError> {
    let mut damaged = Vec::new();
    let mut by_peer: Vec<BTreeMap<u32, Header>> = Vec::with_capacity(plan.peers.len());
    for peer in &plan.peers {
        let (headers, more) = usable(folder, peer.index, plan)?;
        damaged.extend(more);
        by_peer.push(headers);
    }
    if let Some(peer) = by_peer.iter().position(BTreeMap::is_empty) {
        return Err(ResumeError::None {
            peer: peer as u32,
            folder: folder.to_owned(),
            damaged,
        });
    }
    let of_first = by_peer.first().into_iter().flatten().rev();
    let header = of_first
        .map(|(_, header)| *header)
        .find(|header| by_peer.iter().all(|peer| peer.contains_key(&header.rounds)));
    let Some(header) = header else {
        let found = by_peer
            .iter()
            .map(|headers| headers.keys().copied().collect())
            .collect();
        return Err(ResumeError::NoCommon { found, damaged });
    };
    let other = by_peer
        .iter()
        .position(|peer| peer[&header.rounds].model != header.model);
    if let Some(peer) = other {
        return Err(ResumeError::OtherModel {
            rounds: header.rounds,
            peer: peer as u32,
        });
    }
    check(&header, plan)?;
    Ok(Common {
        rounds: header.rounds,
        model: header.model,
        damaged,
    })
}

/// Reads the checkpoint that a peer goes on from; and those newer ones that could not be used.
///
/// # Errors
/// When there is none, or going on from it makes no sense.
pub fn load(
    folder: &Path,
    peer: u32,
    plan: &Plan,
    resume: Resume,
) -> Result<(Header, Vec<f32>, Vec<ReadError>), ResumeError> {
    let (rounds, damaged) = match resume {
        Resume::After(rounds) => (rounds, Vec::new()),
        Resume::Newest => {
            let (headers, damaged) = usable(folder, peer, plan)?;
            match headers.last_key_value() {
                Some((&rounds, _)) => (rounds, damaged),
                None => {
                    return Err(ResumeError::None {
                        peer,
                        folder: folder.to_owned(),
                        damaged,
                    });
                }
            }
        }
    };
    let path = path(folder, peer, rounds);
    let (header, parameters) = read(&path, plan.model.parameters)?;
    named(&path, &header, peer, rounds)?;
    if header.plan != plan.resume_hash() {
        return Err(ResumeError::OtherPlan { path });
    }
    check(&header, plan)?;
    Ok((header, parameters, damaged))
}

/// A peer's checkpoints by finished rounds, and those that cannot be used.
fn usable(
    folder: &Path,
    peer: u32,
    plan: &Plan,
) -> Result<(BTreeMap<u32, Header>, Vec<ReadError>), ResumeError> {
    let hash = plan.resume_hash();
    let all = list(folder, peer).map_err(|source| ResumeError::Folder {
        folder: folder.to_owned(),
        source,
    })?;
    let (mut headers, mut damaged) = (BTreeMap::new(), Vec::new());
    for (rounds, path) in all {
        let checked = verify(&path, plan.model.parameters)
            .and_then(|header| named(&path, &header, peer, rounds).map(|()| header));
        match checked {
            Ok(header) if header.plan != hash => return Err(ResumeError::OtherPlan { path }),
            Ok(header) => {
                headers.insert(rounds, header);
            }
            Err(error) => damaged.push(error),
        }
    }
    Ok((headers, damaged))
}

fn named(path: &Path, header: &Header, peer: u32, rounds: u32) -> Result<(), ReadError> {
    if (header.peer, header.rounds) == (peer, rounds) && rounds > 0 {
        return Ok(());
    }
    Err(ReadError::Renamed {
        path: path.to_owned(),
        peer: header.peer,
        rounds: header.rounds,
    })
}

fn check(header: &Header, plan: &Plan) -> Result<(), ResumeError> {
    let (rounds, asked) = (header.rounds, plan.training.rounds);
    if header.converged {
        return Err(ResumeError::Converged { rounds });
    }
    if rounds >= asked {
        return Err(ResumeError::Finished { rounds, asked });
    }
    Ok(())
}

fn list_of(damaged: &[ReadError]) -> String {
    damaged.iter().map(|error| format!(" ({error})")).collect()
}

/// Peers that are named in an error.
const NAMED: usize = 8;

fn rounds_of(found: &[Vec<u32>]) -> String {
    let shown: Vec<String> = found
        .iter()
        .take(NAMED)
        .enumerate()
        .map(|(peer, rounds)| {
            let rounds: Vec<String> = rounds.iter().map(ToString::to_string).collect();
            format!("peer {peer} after {}", rounds.join(" and "))
        })
        .collect();
    let more = if found.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{file::tests::header, write};

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

    fn plan(sets: &[(&str, &str)]) -> Plan {
        let sets: Vec<_> = [("groups[0].count", "2"), ("model.mlp.hidden", "[]")]
            .iter()
            .chain(sets)
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        Plan::load(QUICKSTART, &sets).unwrap()
    }

    fn put(folder: &Path, plan: &Plan, peer: u32, rounds: u32, model: u8) {
        let header = Header {
            peer,
            rounds,
            plan: plan.resume_hash(),
            model: [model; 32],
            ..header()
        };
        let parameters = vec![f32::from(model); plan.model.parameters as usize];
        write(&path(folder, peer, rounds), &header, &parameters).unwrap();
    }

    #[test]
    fn the_last_round_that_all_have_is_found() {
        let (folder, plan) = (tempfile::tempdir().unwrap(), plan(&[]));
        let folder = folder.path();
        for (peer, rounds) in [(0, 4), (0, 6), (1, 2), (1, 4)] {
            put(folder, &plan, peer, rounds, rounds as u8);
        }
        let found = common(folder, &plan).unwrap();
        assert_eq!((found.rounds, found.model), (4, [4; 32]));
        assert!(found.damaged.is_empty());
        let (header, parameters, _) = load(folder, 0, &plan, Resume::Newest).unwrap();
        assert_eq!((header.rounds, parameters[0]), (6, 6.0));
        let (header, parameters, _) = load(folder, 0, &plan, Resume::After(4)).unwrap();
        assert_eq!((header.rounds, parameters[0]), (4, 4.0));
        let missing = load(folder, 0, &plan, Resume::After(3)).unwrap_err();
        assert!(missing.to_string().contains("peer-0.rounds-3"), "{missing}");
    }

    #[test]
    fn a_peer_takes_the_one_before_a_damaged_checkpoint_and_says_so() {
        let (folder, plan) = (tempfile::tempdir().unwrap(), plan(&[]));
        let folder = folder.path();
        put(folder, &plan, 0, 4, 1);
        std::fs::write(path(folder, 0, 6), b"half").unwrap();
        // Under another round's name.
        std::fs::copy(path(folder, 0, 4), path(folder, 0, 5)).unwrap();
        let (header, _, damaged) = load(folder, 0, &plan, Resume::Newest).unwrap();
        assert_eq!(header.rounds, 4);
        assert!(
            matches!(
                damaged[..],
                [ReadError::Length { .. }, ReadError::Renamed { .. }]
            ),
            "{damaged:?}"
        );
        let none = load(folder, 1, &plan, Resume::Newest).unwrap_err();
        assert!(matches!(none, ResumeError::None { peer: 1, .. }), "{none}");
    }

    #[test]
    fn what_is_of_another_run_or_needs_nothing_more_is_refused() {
        let (folder, first) = (tempfile::tempdir().unwrap(), plan(&[]));
        let folder = folder.path();
        put(folder, &first, 0, 4, 1);
        put(folder, &first, 1, 4, 2);
        let error = common(folder, &first).unwrap_err();
        assert!(
            matches!(error, ResumeError::OtherModel { rounds: 4, peer: 1 }),
            "{error}"
        );
        put(folder, &first, 1, 4, 1);
        common(
            folder,
            &plan(&[("training.rounds", "70"), ("checkpoint.type", "periodic")]),
        )
        .unwrap();
        let error = common(folder, &plan(&[("training.rounds", "4")])).unwrap_err();
        assert!(
            matches!(
                error,
                ResumeError::Finished {
                    rounds: 4,
                    asked: 4
                }
            ),
            "{error}"
        );
        let error = common(folder, &plan(&[("seed", "4")])).unwrap_err();
        assert!(matches!(error, ResumeError::OtherPlan { .. }), "{error}");
        let error = load(folder, 0, &plan(&[("seed", "4")]), Resume::After(4)).unwrap_err();
        assert!(matches!(error, ResumeError::OtherPlan { .. }), "{error}");
        let error = common(Path::new("no/such"), &first).unwrap_err();
        assert!(matches!(error, ResumeError::Folder { .. }), "{error}");
    }
}
