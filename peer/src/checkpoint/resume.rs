//! Where a run goes on: from the last round that all its peers have.

use std::{collections::BTreeMap, io, path::PathBuf};

use fltorrent_crds::Plan;
use thiserror::Error;

use super::{Folder, Header, ReadError, list, path, read, verify};

/// The checkpoint that a peer resumes from.
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
    /// A rule of early stop was met with this round.
    pub converged: bool,
    /// All rounds of the plan are finished: what may be missing is the result.
    pub is_over: bool,
    /// Checkpoints that could not be used.
    pub damaged: Vec<ReadError>,
}

impl Common {
    /// Why such a run does not go on when its result is there.
    pub const fn nothing_left(&self) -> ResumeError {
        let rounds = self.rounds;
        match self.converged {
            true => ResumeError::Converged { rounds },
            false => ResumeError::Finished { rounds, asked: rounds },
        }
    }
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ResumeError {
    #[error("{}: cannot be read; name the results folder of a run", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "peer {peer} has no checkpoint that can be used in {}{}; a run that can resume has checkpoint.type periodic and has passed checkpoint.periodic.everyRounds rounds: start a new run", folder.display(), list_of(damaged)
    )]
    None {
        peer: u32,
        folder: PathBuf,
        damaged: Vec<ReadError>,
    },
    #[error(
        "peer {peer} has no checkpoint after {rounds} finished rounds in {}; it has one after {}: name one of these, or none to resume from the newest", folder.display(), list_rounds(there)
    )]
    Absent {
        peer: u32,
        folder: PathBuf,
        rounds: u32,
        there: Vec<u32>,
    },
    #[error(
        "no checkpoint is there of all peers: {}{}; a peer that was lost has older ones only: copy what is missing from where it is, or start a new run",
        rounds_of(found),
        list_of(damaged)
    )]
    NoCommon {
        found: Vec<Vec<u32>>,
        damaged: Vec<ReadError>,
    },
    #[error(
        "{}: is of a run with another manifest; only training.rounds, checkpoint and output may differ when a run resumes", path.display()
    )]
    OtherPlan { path: PathBuf },
    #[error(
        "after {rounds} rounds peer {peer} had another model than peer 0: a peer gave others different updates, a machine computes something else, or the checkpoints are not of one run; start a new run"
    )]
    OtherModel { rounds: u32, peer: u32 },
    #[error(
        "{rounds} rounds are finished and training.rounds is {asked}: nothing is left to do; ask for more with --set training.rounds=N"
    )]
    Finished { rounds: u32, asked: u32 },
    #[error(
        "the run had converged after {rounds} rounds: training.earlyStop was met; to train on, start a run with model.initFrom and the model that it left"
    )]
    Converged { rounds: u32 },
}

/// Finds the last round that all peers of the plan have in one folder. Each file is read and checked; nothing is kept.
///
/// # Errors
/// When there is none, or going on from it makes no sense.
pub fn common(folder: &Folder, plan: &Plan) -> Result<Common, ResumeError> {
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
            folder: folder.path(),
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
    Ok(Common {
        rounds: header.rounds,
        model: header.model,
        converged: header.converged,
        is_over: is_over(&header, plan)?,
        damaged,
    })
}

/// The state that a peer resumes from.
#[derive(Debug)]
pub struct Loaded {
    /// The checkpoint without its parameters.
    pub header: Header,
    /// The model.
    pub parameters: Vec<f32>,
    /// All rounds of the plan are finished.
    pub is_over: bool,
    /// Newer checkpoints that could not be used.
    pub damaged: Vec<ReadError>,
}

/// Reads the checkpoint that a peer goes on from.
///
/// # Errors
/// When there is none, or it has more rounds than the plan.
pub fn load(folder: &Folder, peer: u32, plan: &Plan, resume: Resume) -> Result<Loaded, ResumeError> {
    let (rounds, damaged) = match resume {
        Resume::After(rounds) => (rounds, Vec::new()),
        Resume::Newest => {
            let (headers, damaged) = usable(folder, peer, plan)?;
            match headers.last_key_value() {
                Some((&rounds, _)) => (rounds, damaged),
                None => {
                    return Err(ResumeError::None {
                        peer,
                        folder: folder.path(),
                        damaged,
                    });
                }
            }
        }
    };
    let read = read(folder, peer, rounds, plan.model.parameters);
    let (header, parameters) = read.map_err(|error| match error {
        ReadError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            absent(folder, peer, plan, rounds)
        }
        error => error.into(),
    })?;
    if header.plan != plan.resume_hash() {
        let path = path(folder, peer, rounds);
        return Err(ResumeError::OtherPlan { path });
    }
    Ok(Loaded {
        is_over: is_over(&header, plan)?,
        header,
        parameters,
        damaged,
    })
}

/// The error about a checkpoint that is not there.
fn absent(folder: &Folder, peer: u32, plan: &Plan, rounds: u32) -> ResumeError {
    let mut there = whole(folder, peer, plan);
    there.reverse();
    let folder = folder.path();
    match there.is_empty() {
        true => ResumeError::None {
            peer,
            folder,
            damaged: Vec::new(),
        },
        false => ResumeError::Absent {
            peer,
            folder,
            rounds,
            there,
        },
    }
}

/// Finished rounds of a peer's checkpoints that are whole and of this plan, the newest first.
pub fn whole(folder: &Folder, peer: u32, plan: &Plan) -> Vec<u32> {
    let headers = usable(folder, peer, plan).map(|(headers, _)| headers);
    headers.unwrap_or_default().into_keys().rev().collect()
}

/// A peer's checkpoints by finished rounds, and those that cannot be used.
fn usable(folder: &Folder, peer: u32, plan: &Plan) -> Result<(BTreeMap<u32, Header>, Vec<ReadError>), ResumeError> {
    let hash = plan.resume_hash();
    let all = list(folder, peer).map_err(|source| ResumeError::Folder {
        folder: folder.path(),
        source,
    })?;
    let (mut headers, mut damaged, mut other) = (BTreeMap::new(), Vec::new(), None);
    for rounds in all {
        match verify(folder, peer, rounds, plan.model.parameters) {
            Ok(header) if header.plan != hash => {
                let path = path(folder, peer, rounds);
                other = Some(path.clone());
                damaged.push(ReadError::OtherPlan { path });
            }
            Ok(header) => {
                headers.insert(rounds, header);
            }
            Err(error) => damaged.push(error),
        }
    }
    match other {
        Some(path) if headers.is_empty() => Err(ResumeError::OtherPlan { path }),
        _ => Ok((headers, damaged)),
    }
}

fn is_over(header: &Header, plan: &Plan) -> Result<bool, ResumeError> {
    let (rounds, asked) = (header.rounds, plan.training.rounds);
    if rounds > asked && !header.converged {
        return Err(ResumeError::Finished { rounds, asked });
    }
    Ok(header.converged || rounds == asked)
}

fn list_of(damaged: &[ReadError]) -> String {
    damaged.iter().map(|error| format!(" ({error})")).collect()
}

fn list_rounds(rounds: &[u32]) -> String {
    let rounds: Vec<String> = rounds.iter().map(ToString::to_string).collect();
    rounds.join(" and ")
}

/// Peers that are named in an error.
const NAMED: usize = 8;

fn rounds_of(found: &[Vec<u32>]) -> String {
    let shown: Vec<String> = found
        .iter()
        .take(NAMED)
        .enumerate()
        .map(|(peer, rounds)| format!("peer {peer} after {}", list_rounds(rounds)))
        .collect();
    let more = if found.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::{
        checkpoint::{file::tests::header, write},
        train::model_hash,
    };

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

    fn plan(sets: &[(&str, &str)]) -> Plan {
        let sets: Vec<_> = [("groups[0].count", "2"), ("model.mlp.hidden", "[]")]
            .iter()
            .chain(sets)
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        Plan::load(QUICKSTART, &sets).unwrap()
    }

    fn put(folder: &Folder, plan: &Plan, peer: u32, rounds: u32, model: u8) {
        let parameters = vec![f32::from(model); plan.model.parameters as usize];
        let header = Header {
            peer,
            rounds,
            plan: plan.resume_hash(),
            ..header(&parameters)
        };
        write(folder, &header, &parameters).unwrap();
    }

    fn place() -> (TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        (place, folder)
    }

    #[test]
    fn the_last_round_that_all_have_is_found() {
        let ((_place, folder), plan) = (place(), plan(&[]));
        for (peer, rounds) in [(0, 4), (0, 6), (1, 2), (1, 4)] {
            put(&folder, &plan, peer, rounds, rounds as u8);
        }
        let found = common(&folder, &plan).unwrap();
        let model = vec![4.0; plan.model.parameters as usize];
        assert_eq!((found.rounds, found.model), (4, model_hash(&model)));
        assert!(found.damaged.is_empty() && !found.is_over);
        let loaded = load(&folder, 0, &plan, Resume::Newest).unwrap();
        assert_eq!((loaded.header.rounds, loaded.parameters[0]), (6, 6.0));
        let loaded = load(&folder, 0, &plan, Resume::After(4)).unwrap();
        assert_eq!((loaded.header.rounds, loaded.parameters[0]), (4, 4.0));
        assert_eq!(whole(&folder, 1, &plan), [4, 2]);
        let missing = load(&folder, 0, &plan, Resume::After(3)).unwrap_err();
        let words = "peer 0 has no checkpoint after 3 finished rounds in ";
        assert!(missing.to_string().starts_with(words), "{missing}");
        let words = "; it has one after 4 and 6: name one of these";
        assert!(missing.to_string().contains(words), "{missing}");
        let none = load(&folder, 2, &plan, Resume::After(3)).unwrap_err();
        assert!(matches!(none, ResumeError::None { peer: 2, .. }), "{none}");
    }

    #[test]
    fn a_peer_takes_the_one_before_a_damaged_checkpoint_and_says_so() {
        let ((_place, folder), plan) = (place(), plan(&[]));
        put(&folder, &plan, 0, 4, 1);
        std::fs::write(path(&folder, 0, 6), b"half").unwrap();
        // Under another round's name.
        std::fs::copy(path(&folder, 0, 4), path(&folder, 0, 5)).unwrap();
        let loaded = load(&folder, 0, &plan, Resume::Newest).unwrap();
        assert_eq!(loaded.header.rounds, 4);
        assert!(
            matches!(
                loaded.damaged[..],
                [ReadError::Length { .. }, ReadError::Renamed { .. }]
            ),
            "{:?}",
            loaded.damaged
        );
        assert_eq!(whole(&folder, 0, &plan), [4]);
        let none = load(&folder, 1, &plan, Resume::Newest).unwrap_err();
        assert!(matches!(none, ResumeError::None { peer: 1, .. }), "{none}");
    }

    #[test]
    fn what_is_of_another_run_is_passed_over_or_refused() {
        let ((_place, folder), first) = (place(), plan(&[]));
        let other = plan(&[("seed", "4")]);
        put(&folder, &first, 0, 4, 1);
        put(&folder, &first, 1, 4, 2);
        let error = common(&folder, &first).unwrap_err();
        assert!(
            matches!(error, ResumeError::OtherModel { rounds: 4, peer: 1 }),
            "{error}"
        );
        put(&folder, &first, 1, 4, 1);
        let error = common(&folder, &other).unwrap_err();
        assert!(matches!(error, ResumeError::OtherPlan { .. }), "{error}");
        let error = load(&folder, 0, &other, Resume::After(4)).unwrap_err();
        assert!(matches!(error, ResumeError::OtherPlan { .. }), "{error}");
        assert!(whole(&folder, 0, &other).is_empty());
        put(&folder, &other, 0, 9, 1);
        let found = common(&folder, &first).unwrap();
        assert!(matches!(found.damaged[..], [ReadError::OtherPlan { .. }]), "{found:?}");
        let error = common(&Folder::at("no/such".as_ref()), &first).unwrap_err();
        assert!(matches!(error, ResumeError::Folder { .. }), "{error}");
    }

    #[test]
    fn a_run_that_has_all_its_rounds_is_over_and_one_that_has_more_is_refused() {
        let ((_place, folder), first) = (place(), plan(&[]));
        for peer in 0..2 {
            put(&folder, &first, peer, 4, 1);
        }
        let is_over = |rounds| {
            let plan = plan(&[("training.rounds", rounds), ("checkpoint.type", "periodic")]);
            let found = common(&folder, &plan).map(|found| found.is_over);
            let loaded = load(&folder, 1, &plan, Resume::Newest).map(|found| found.is_over);
            assert_eq!(found.as_ref().ok(), loaded.as_ref().ok());
            found
        };
        assert!(!is_over("70").unwrap());
        assert!(is_over("4").unwrap());
        let error = is_over("3").unwrap_err();
        assert!(
            matches!(error, ResumeError::Finished { rounds: 4, asked: 3 }),
            "{error}"
        );
    }
}
