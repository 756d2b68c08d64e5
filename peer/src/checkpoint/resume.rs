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
